"""Run one command to its end, with bounds on time and output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from executors.ports import Completed, Retry

OUTPUT_BYTES = 1 << 20
"""Of each stream the last part is kept: errors are told at the end."""
_CHUNK = 1 << 16
_GLANCE = 0.05
"""Seconds between looks whether the command ended while something it left behind holds its output open."""


def run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, cwd: str, timeout: float) -> Completed:
    """Run ``argv`` in a session of its own; whatever it leaves running is ended with it.

    A program that is not there is code 127, as with a shell. Raises ``Retry`` (unknown) when time ran out.
    """
    deadline = time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd, start_new_session=True
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        return Completed(127, b"", f"{error.filename or argv[0]}: {error.strerror}\n".encode())
    with process:
        try:
            stdout, stderr = _exchange(process, stdin, deadline)
            late = process.poll() is None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if late:
        raise Retry(f"{argv[0]} did not end within {timeout:.3g} s", unknown=True)
    return Completed(process.returncode, stdout, stderr)


def _exchange(process: subprocess.Popen[bytes], stdin: bytes, deadline: float) -> tuple[bytes, bytes]:
    """Feed and read until the command ended or the deadline passed."""
    assert process.stdin and process.stdout and process.stderr  # noqa: S101  # asked for as pipes
    kept = {process.stdout: bytearray(), process.stderr: bytearray()}
    left = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdin, *kept):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_WRITE if stream is process.stdin else selectors.EVENT_READ)
        while selector.get_map() and (remaining := deadline - time.monotonic()) > 0:
            ended = process.poll() is not None
            ready = selector.select(0 if ended else min(remaining, _GLANCE))
            if ended and not ready:
                break
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    left = _feed(process.stdin.fileno(), left)
                    done = not left
                else:
                    done = not _take(key.fd, kept[key.fileobj])  # type: ignore[index]
                if done:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, deadline - time.monotonic()))
    return bytes(kept[process.stdout][-OUTPUT_BYTES:]), bytes(kept[process.stderr][-OUTPUT_BYTES:])


def _feed(descriptor: int, left: memoryview) -> memoryview:
    """Write what fits; what is left after it (nothing, when nobody reads any more)."""
    try:
        return left[os.write(descriptor, left[:_CHUNK]) :] if left else left
    except BrokenPipeError:
        return left[:0]


def _take(descriptor: int, kept: bytearray) -> int:
    """Read what is there; 0 at the end."""
    chunk = os.read(descriptor, _CHUNK)
    kept += chunk
    if len(kept) > 2 * OUTPUT_BYTES:
        del kept[:-OUTPUT_BYTES]
    return len(chunk)
