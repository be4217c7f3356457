"""A reporter that tells how much of a counted task is done, for a page that waits for it. Knows no page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drai_cli.errors import DraiError
from drai_cli.progress import Reporter, Task

Count = Callable[[int, int], None]
"""Called with what is done and with the whole."""


class Counted(Reporter):
    """Passes everything on to another reporter, and tells of the tasks whose total is known.

    Args:
        inner: The other reporter.
        count: Called whenever units are done.
    """

    def __init__(self, inner: Reporter, count: Count) -> None:
        self._inner, self._count = inner, count

    def warn(self, message: str) -> None:
        self._inner.warn(message)

    def info(self, message: str) -> None:
        self._inner.info(message)

    def error(self, error: DraiError) -> None:
        self._inner.error(error)

    @contextmanager
    def task(self, name: str, total: int | None, unit: str) -> Iterator[Task]:
        with self._inner.task(name, total, unit) as task:
            yield task if total is None else _CountedTask(task, total, self._count)

    @contextmanager
    def stage(self, name: str, total: int | None, unit: str) -> Iterator[Task]:
        with self._inner.stage(name, total, unit) as task:
            yield task


class _CountedTask(Task):
    def __init__(self, inner: Task, total: int, count: Count) -> None:
        self._inner, self._total, self._count, self._done = inner, total, count, 0

    def advance(self, n: int = 1) -> None:
        self._inner.advance(n)
        self._done += n
        self._count(self._done, self._total)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def expect(self, left_s: float, *, is_least: bool = False, per_s: float | None = None) -> None:
        self._inner.expect(left_s, is_least=is_least, per_s=per_s)
