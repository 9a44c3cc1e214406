"""Objects read through one ``git cat-file`` child: a started process costs milliseconds, a question to this one microseconds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from threading import RLock
from typing import IO

from gitops.ports import GitError
from planners.dataclass import dataclass

BATCH = 150
"""Questions sent before their answers are read; ids of this many fit into any pipe's buffer, so neither side waits for ever."""


@dataclass(frozen=True, slots=True)
class Found:
    """One object; ``content`` is empty when only its header was asked for."""

    oid: str
    kind: str
    size: int
    content: bytes = b""


class Reader:
    """Starts its child with the first question. Safe to use from several threads."""

    def __init__(self, start: Callable[..., subprocess.Popen[bytes]]) -> None:
        self._start = start
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = RLock()

    def close(self) -> None:
        """End the child, if there is one; a later question starts another."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                child.kill()
                for pipe in (child.stdin, child.stdout):
                    # a question that was not sent any more is sent by closing, to nobody
                    with suppress(BrokenPipeError):
                        if pipe is not None:
                            pipe.close()
                child.wait()

    def headers(self, names: Sequence[str]) -> Iterator[Found | None]:
        """What each name (id, or revision: data here, never an option) is, without content; ``None`` for what is not there."""
        return self._all("info", names)

    def contents(self, names: Sequence[str]) -> Iterator[Found | None]:
        """The same with content."""
        return self._all("contents", names)

    def _all(self, verb: str, names: Sequence[str]) -> Iterator[Found | None]:
        rest = iter(names)
        while batch := list(islice(rest, BATCH)):
            yield from self._batch(verb, batch)

    def _batch(self, verb: str, names: Sequence[str]) -> list[Found | None]:
        if any("\n" in name for name in names):
            raise GitError("a revision has one line")
        with self._lock:
            if self._child is None:
                self._child = self._start("cat-file", "--batch-command")
            try:
                return talk(self._child, verb, names)
            except BaseException as error:
                # half an answer may be left in the pipe
                self.close()
                if isinstance(error, OSError | EOFError):
                    hint = "check the clone with 'git fsck', and 'git version': 2.39 is needed"
                    raise GitError("git stopped reading the clone", "damaged", hint) from error
                raise


def talk(child: subprocess.Popen[bytes], verb: str, names: Sequence[str]) -> list[Found | None]:
    """Send questions, read their answers. Raises ``OSError`` or ``EOFError`` when the child is gone."""
    assert child.stdin is not None and child.stdout is not None  # noqa: S101 - it is started with both
    child.stdin.write("".join(f"{verb} {name}\n" for name in names).encode(errors="surrogateescape"))
    child.stdin.flush()
    return [answer(child.stdout, verb == "contents") for _ in names]


def answer(pipe: IO[bytes], content: bool) -> Found | None:
    """One answer: ``<id> <kind> <size>`` with content and a newline below, or the question and ``missing`` or ``ambiguous``."""
    words = pipe.readline().split()
    if not words:
        raise EOFError
    if words[-1] in (b"missing", b"ambiguous"):
        return None
    oid, kind, size = words[0].decode(), words[1].decode(), int(words[2])
    if not content:
        return Found(oid, kind, size)
    body = pipe.read(size + 1)
    if len(body) != size + 1:
        raise EOFError
    return Found(oid, kind, size, body[:-1])
