"""Live progress on a terminal (rich), plain lines elsewhere; and the signals that cancel a run."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from executors.ports import Progress
from gitops.cli.context import Context

if TYPE_CHECKING:
    from planners.steps import Step

MARKS = {"done": "ok", "failed": "FAILED", "skipped": "not started", "cancelled": "cancelled"}


class PlainProgress:
    """One line when a step starts and one when it ends, on stderr."""

    def __init__(self, context: Context, total: int) -> None:
        self._context = context
        self._total = total
        self._ended = 0
        self._lock = threading.Lock()

    def started(self, step: Step) -> None:
        """A step begins."""
        self._context.note(f"  {step.action:8} {step.address} ...")

    def finished(self, step: Step, status: str, message: str) -> None:
        """A step ended; ``message`` is already redacted."""
        with self._lock:
            self._ended += 1
            count = f"[{self._ended}/{self._total}]"
        tail = f": {message}" if message else ""
        self._context.note(f"{count} {step.action} {step.address} {MARKS.get(status, status)}{tail}")

    def note(self, message: str) -> None:
        """Anything else worth a line."""
        self._context.note(f"  {message}")


class LiveProgress:
    """A bar with what runs now, finished steps scrolling above it."""

    def __init__(self, bar: Any, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=total)
        self._running: list[str] = []
        self._lock = threading.Lock()

    def _say(self) -> None:
        names = ", ".join(self._running[:3]) + (f" +{len(self._running) - 3}" if len(self._running) > 3 else "")
        self._bar.update(self._task, description=names or "recording")

    def started(self, step: Step) -> None:
        """A step begins."""
        with self._lock:
            self._running.append(step.address)
            self._say()

    def finished(self, step: Step, status: str, message: str) -> None:
        """A step ended; ``message`` is already redacted."""
        from rich.text import Text

        with self._lock:
            if step.address in self._running:
                self._running.remove(step.address)
            style = {"done": "green", "failed": "red"}.get(status, "yellow")
            line = Text.assemble((f"{MARKS.get(status, status):>11} ", style), f"{step.action} {step.address}")
            if message:
                line.append(f": {message}", "dim")
            self._bar.console.print(line)
            self._bar.advance(self._task)
            self._say()

    def note(self, message: str) -> None:
        """Anything else worth a line."""
        from rich.text import Text

        self._bar.console.print(Text(message, "dim"))


@contextmanager
def progress(context: Context, total: int) -> Iterator[Progress]:
    """The progress display that fits where stderr goes, for so many steps."""
    if not sys.stderr.isatty() or context.no_color:
        yield PlainProgress(context, total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield LiveProgress(bar, total)


@contextmanager
def cancellation() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM ask the run to stop: running steps finish and are recorded, nothing new starts.

    A second one ends at once.
    """
    cancel = threading.Event()

    def ask(_number: int, _frame: Any) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()
        # past sys.stderr: this may have interrupted the very middle of a write to it
        os.write(2, b"stopping: running steps finish and are recorded; once more to end at once\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
