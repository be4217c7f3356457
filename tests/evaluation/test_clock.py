"""Time left for the whole: from estimates, corrected by what the finished stages took."""

from __future__ import annotations

import pytest

from drai_cli.evaluation.clock import Clock


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
    at[0] = 100.0  # longer than corrected
    assert clock.left_s() == pytest.approx(60)
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
