"""How long an evaluation still takes: counted in units of work, timed on this machine before the first and after each.

Knows nothing of what the parts measure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from drai_cli.progress import Reporter, Task

_EVERY_S = 1.0
_LATE_SHARE = 0.1
"""A stage that takes longer than expected is expected to take at least this much of its time again."""


class Clock:
    """Time left for the whole.

    Args:
        estimates: Seconds that each stage is expected to take, in the order of the stages.
        now: Seconds on a clock that never goes back.
    """

    def __init__(self, estimates: Mapping[str, float], now: Callable[[], float] = time.monotonic) -> None:
        self.estimates, self.now, self.begun = dict(estimates), now, now()
        self.took: dict[str, float] = {}
        self.stage, self.started = "", now()

    def start(self, stage: str) -> None:
        """Begins a stage; one that was running ends."""
        self.end()
        self.stage, self.started = stage, self.now()

    def end(self) -> None:
        """Ends the running stage, if any."""
        if self.stage:
            self.took[self.stage] = self.now() - self.started
            self.stage = ""

    def skip(self, stage: str) -> None:
        """Takes a stage out of the account: its result is stored, or it cannot be measured."""
        self.estimates.pop(stage, None)

    def left_s(self) -> float:
        """Seconds left: the estimates of what is not done, scaled by how wrong the finished ones were."""
        running = 0.0
        if self.stage in self.estimates:
            elapsed = self.now() - self.started
            running = max(_LATE_SHARE * elapsed, self._scale() * self.estimates[self.stage] - elapsed)
        waiting = sum(
            seconds
            for name, seconds in self.estimates.items()
            if name not in self.took and name != self.stage
        )
        return running + self._scale() * waiting

    @property
    def is_late(self) -> bool:
        """Whether the running stage takes longer than expected: what is left is then a lower limit."""
        expected = self.estimates.get(self.stage)
        return expected is not None and self.now() - self.started > self._scale() * expected

    def _scale(self) -> float:
        """How much longer the finished stages took than expected."""
        known = [name for name in self.took if name in self.estimates]
        expected = sum(self.estimates[name] for name in known)
        return sum(self.took[name] for name in known) / expected if expected > 0 else 1.0

    def percent(self) -> int:
        """How much of the whole is done, from 0 to 99."""
        elapsed = self.now() - self.begun
        whole = elapsed + self.left_s()
        return min(99, int(100 * elapsed / whole)) if whole > 0 else 0


@contextmanager
def show_clock(clock: Clock, reporter: Reporter) -> Iterator[None]:
    """Shows how much of the whole report is done, every second, whatever the parts show of themselves."""
    ended = threading.Event()
    with reporter.task("the whole report", 100, "%") as task:
        watcher = threading.Thread(target=_watch, args=(clock, task, ended), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _watch(clock: Clock, task: Task, ended: threading.Event) -> None:
    told = 0
    while not ended.wait(_EVERY_S):
        now = max(told, clock.percent())
        task.advance(now - told)
        task.expect(clock.left_s(), is_least=clock.is_late)
        told = now
    task.advance(100 - told)
