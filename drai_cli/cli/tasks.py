"""How counted work is shown: a bar on a terminal, lines elsewhere. Knows no command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from drai_cli.cli.text import show_rate
from drai_cli.errors import printable
from drai_cli.progress import Task, show_duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_INTERVAL_S = 10.0
FIRST_WORD_S = 2.0
"""Work that takes longer than this says what it is."""
_LOOK_S = 0.5


class BarTask(Task):
    """A task shown as a bar on a terminal."""

    def __init__(self, progress: Progress, identity: TaskID) -> None:
        self._progress = progress
        self._identity = identity

    def advance(self, n: int = 1) -> None:
        self._progress.advance(self._identity, n)

    def note(self, text: str) -> None:
        self._progress.update(self._identity, note=printable(text))

    def expect(self, left_s: float, *, is_least: bool = False, per_s: float | None = None) -> None:
        self._progress.update(self._identity, end=time.monotonic() + left_s, is_least=is_least)


class LineTask(Task):
    """A task shown as a plain line after some seconds, then at intervals, and at its end.

    Args:
        say: Prints a line.
        name: What is done.
        total: Units in all; None if it is unknown.
        unit: Their name.
        is_stage: Whether it is part of a longer task: then it has a last line only if it took long.
    """

    def __init__(
        self, say: Callable[[str], None], name: str, total: int | None, unit: str, is_stage: bool = False
    ) -> None:
        self._say = say
        self._name = name
        self._total = total
        self._unit = unit
        self._is_stage = is_stage
        self._done = 0
        self._note = self._left = ""
        self._per_s: float | None = None
        self._start = time.monotonic()
        self._due = self._start + FIRST_WORD_S
        # The first call may count work of an earlier command (a resumed run): the rate excludes it.
        self._rate_start = self._start
        self._head_start: int | None = None
        self._lock = threading.Lock()

    def advance(self, n: int = 1) -> None:
        self._done += n
        if self._head_start is None:
            self._head_start, self._rate_start = self._done, time.monotonic()
        self.say_if_due()

    def note(self, text: str) -> None:
        self._note = text

    def expect(self, left_s: float, *, is_least: bool = False, per_s: float | None = None) -> None:
        self._left, self._per_s = _show_left(left_s, is_least), per_s

    def say_if_due(self) -> None:
        """Prints a line if the last one is long ago."""
        with self._lock:
            now = time.monotonic()
            if now < self._due:
                return
            self._due = now + PLAIN_INTERVAL_S
        self._say(self._line(now - self._start, finished=False))

    def finish(self) -> None:
        """Prints the last line."""
        elapsed_s = time.monotonic() - self._start
        if not self._is_stage or elapsed_s >= FIRST_WORD_S:
            self._say(self._line(elapsed_s, finished=True))

    def _line(self, elapsed_s: float, *, finished: bool) -> str:
        count = f"{self._done}" if self._total is None else f"{self._done} of {self._total}"
        parts = [f"{self._name}: {count} {self._unit}" if self._unit else self._name]
        rated_s = self._start + elapsed_s - self._rate_start
        speed = (self._done - (self._head_start or 0)) / rated_s if rated_s > 0 else 0.0
        if speed > 0:
            parts.append(show_rate(self._per_s or speed, self._unit))
        if finished:
            parts.append(f"took {show_duration(elapsed_s)}")
        elif not self._unit:
            parts.append(f"for {show_duration(elapsed_s)} now")
        elif self._left:
            parts.append(self._left)
        elif self._total is not None and speed > 0:
            parts.append(f"{show_duration((self._total - self._done) / speed)} left")
        if self._note:
            parts.append(self._note)
        return ", ".join(parts)


class Watcher:
    """Lets open tasks print their lines while they do not count: one unit may take minutes.

    Only the innermost task speaks then; those around it wait for it.
    """

    def __init__(self) -> None:
        self._open: list[LineTask] = []
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(self, task: LineTask) -> Iterator[None]:
        """Watches a task until the `with` ends."""
        self._open.append(task)
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        try:
            yield
        finally:
            self._open.remove(task)
            if not self._open:
                self._ended.set()
                self._thread.join()
                self._thread = None

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            if innermost := self._open[-1:]:
                innermost[0].say_if_due()


def _show_left(left_s: float, is_least: bool) -> str:
    return f"{'at least ' * is_least}{show_duration(left_s)} left"


def make_progress() -> Progress:
    """The bars of a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as ShownTask
    from rich.text import Text

    class Count(ProgressColumn):
        def render(self, task: ShownTask) -> Text:
            if not task.fields["unit"]:
                return Text("")
            total = "" if task.total is None else f"/{task.total:.0f}"
            text = f"{task.completed:.0f}{total} {task.fields['unit']}"
            speed = task.finished_speed or task.speed
            return Text(f"{text}, {show_rate(speed, task.fields['unit'])}" if speed else text)

    class Left(TimeRemainingColumn):
        def render(self, task: ShownTask) -> Text:
            end = task.fields["end"]
            if end is None:
                return super().render(task)
            # Counted down here: the work may count nothing while another stage of it runs.
            left_s = end - time.monotonic()
            is_late = left_s < 0 and not task.fields["is_least"]
            return Text("longer than estimated" if is_late else _show_left(left_s, task.fields["is_least"]))

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Count(),
        Left(compact=True),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
