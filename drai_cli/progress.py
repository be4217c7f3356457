"""How a workflow reports its progress: warnings, messages and counted tasks. Standard library only.

Workflows call a `Reporter` and do not know where it writes. The base class writes nothing, so the Python API is silent
unless it gets another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from drai_cli.errors import DraiError


class Task:
    """A task with a count of finished units. This class shows nothing."""

    def advance(self, n: int = 1) -> None:
        """Counts `n` more units as done."""

    def note(self, text: str) -> None:
        """Shows a short text next to the count (a loss, a rate), instead of the previous text."""

    def expect(self, left_s: float, *, is_least: bool = False, per_s: float | None = None) -> None:
        """Sets the time left, where it does not follow from the count: the units differ, or other work comes after.

        Args:
            left_s: Seconds left.
            is_least: Whether the work may take longer.
            per_s: Units per second, without the other work; None: as counted.
        """


class Reporter:
    """Receives messages of a running workflow. This class is silent; that of the command line writes to stderr."""

    def warn(self, message: str) -> None:
        """Reports a default used, a value clipped, a file skipped or a device changed: one line, no full stop."""

    def info(self, message: str) -> None:
        """Reports a fact that needs no action (the device, the kind of data found)."""

    def error(self, error: DraiError) -> None:
        """Reports an error that ends the process at once, from a thread that cannot raise it."""

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """Starts a task, which ends with its `with` block.

        Args:
            name: Name of the work (`decoding`, `training`).
            total: Total number of units, or None if it is unknown.
            unit: Name of the units, in the plural (`images`, `kimg`).
        """
        return _silent_task()

    def stage(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """Starts a part of a longer work, as `task` does; one that takes less than some seconds leaves no line."""
        return _silent_task()


@contextmanager
def percent_task(reporter: Reporter, name: str) -> Iterator[Callable[[int, int], None]]:
    """A task counted in percent: call what it gives with what is done and with the whole."""
    shown = 0
    with reporter.task(name, 100, "%") as task:

        def advance(done: int, whole: int) -> None:
            nonlocal shown
            share = 100 * done // whole
            task.advance(share - shown)
            shown = share

        yield advance


@contextmanager
def _silent_task() -> Iterator[Task]:
    yield Task()


def show_bytes(size_bytes: int) -> str:
    """Formats a size with decimal units: `9.4 MB`."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def show_duration(seconds: float) -> str:
    """A duration in words: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    large, small = divmod(whole, 60) if whole < 3600 else divmod(whole // 60, 60)
    names = ("min", "s") if whole < 3600 else ("h", "min")
    return f"{large} {names[0]}" + (f" {small} {names[1]}" if small else "")


def show_about(seconds: float) -> str:
    """An estimated duration, as exact as it deserves: `about 8 s`, `about 3 min 30 s`, `about 2 h 5 min`."""
    steps = ((60, 5), (600, 30), (3600, 60), (36_000, 300), (float("inf"), 3600))
    step = next(step for most, step in steps if seconds < most)
    return f"about {show_duration(max(step, round(seconds / step) * step))}"


SILENT = Reporter()
