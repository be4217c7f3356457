"""How a workflow tells what it is doing: warnings, remarks and counted tasks. Standard library only.

Workflows call a `Reporter`; who shows it (a terminal, a log, nobody) is not their business. The base class
says nothing at all, so the Python API is silent unless it is given another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from drai_cli.errors import DraiError


class Task:
    """A counted piece of work. This one is not shown."""

    def advance(self, n: int = 1) -> None:
        """Counts `n` more units as done."""

    def note(self, text: str) -> None:
        """Shows a short text beside the count (a loss, a rate), replacing the last one."""


class Reporter:
    """Takes what a workflow has to say while it runs. This one is silent; the prompt's writes to stderr."""

    def warn(self, message: str) -> None:
        """A default taken, a value clipped, a file skipped, a device changed: one line, no full stop."""

    def info(self, message: str) -> None:
        """Something worth a line that asks nothing of the user (the device, the kind of data found)."""

    def error(self, error: DraiError) -> None:
        """What ends the process at once: said by what cannot raise it, a thread beside the work."""

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        """A task that ends with its `with` block.

        Args:
            name: What is done, as a verb or noun (`decoding`, `training`).
            total: Units in all, or None if nobody knows.
            unit: What is counted, in the plural (`images`, `kimg`).
        """
        return _silent_task()


@contextmanager
def _silent_task() -> Iterator[Task]:
    yield Task()


def show_bytes(size_bytes: int) -> str:
    """A size in powers of 1000: `9.4 MB`."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


SILENT = Reporter()
