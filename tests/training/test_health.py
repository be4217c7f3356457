"""A run that goes wrong says so, and what to change."""

from __future__ import annotations

import math

import pytest

from drai_cli.training.health import DivergenceError, check_finite, warnings

WELL = {"spread": 0.9, "real_sign": 0.5, "held_out_sign": 0.4, "augment_probability": 0.1}


def test_a_loss_that_is_no_number_stops_and_names_itself() -> None:
    check_finite({"align": 1.0}, 640)
    with pytest.raises(DivergenceError, match=r"640 images .*align") as caught:
        check_finite({"align": math.nan, "grl": 1.0, "image_cycle": math.inf}, 640)
    assert "--learning-rate" in caught.value.hint


def test_a_healthy_run_is_not_warned_of() -> None:
    assert warnings(**WELL) == []


def test_collapse_and_memory_are_told_apart() -> None:
    (collapsed,) = warnings(**{**WELL, "spread": 0.02})
    assert "collapsed" in collapsed
    (memorised,) = warnings(**{**WELL, "real_sign": 0.9, "held_out_sign": -0.2})
    assert "memorised" in memorised
    assert "95%" in memorised
    assert "40%" in memorised
