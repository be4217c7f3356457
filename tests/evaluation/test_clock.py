"""Time left for the whole: from estimates, corrected by what the finished stages took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drai_cli.evaluation import clock as module
from drai_cli.evaluation.clock import Clock, show_clock
from drai_cli.progress import Reporter, Task


def test_time_left_follows_the_estimates_and_how_wrong_they_were() -> None:
    at = [0.0]
    clock = Clock({"a": 10, "b": 20, "c": 30}, lambda: at[0])
    assert clock.left_s() == 60
    clock.start("a")
    at[0] = 5.0
    assert clock.left_s() == 55
    at[0] = 20.0  # twice what was expected
    clock.start("b")
    assert clock.left_s() == pytest.approx(2 * 20 + 2 * 30)
    at[0] = 30.0
    assert clock.left_s() == pytest.approx(90)
    assert not clock.is_late
    at[0] = 100.0  # longer than corrected
    assert clock.is_late
    assert clock.left_s() == pytest.approx(8 + 60)
    clock.end()
    clock.skip("c")
    assert clock.left_s() == 0


def test_a_stage_without_an_estimate_takes_no_part() -> None:
    at = [0.0]
    clock = Clock({"b": 10}, lambda: at[0])
    clock.start("stored")
    at[0] = 1.0
    clock.end()
    assert clock.left_s() == 10


def test_the_whole_is_shown_in_percent_while_parts_run(monkeypatch) -> None:
    told: list[int] = []
    left: list[tuple[float, bool]] = []

    class Counting(Task):
        def expect(self, left_s: float, *, is_least: bool = False, per_s: float | None = None) -> None:
            left.append((left_s, is_least))

        def advance(self, n: int = 1) -> None:
            told.append(n)

    class Shown(Reporter):
        @contextmanager
        def task(self, name: str, total: int | None, unit: str) -> Iterator[Task]:
            assert (name, total, unit) == ("the whole report", 100, "%")
            yield Counting()

    monkeypatch.setattr(module, "_EVERY_S", 0.01)
    clock = Clock({"a": 0.4})
    with show_clock(clock, Shown()):
        clock.start("a")
        time.sleep(0.15)
    assert len(told) > 2
    assert 0 < left[0][0] <= 0.4
    assert not left[0][1]
    assert sum(told) == 100
    assert min(told) >= 0
