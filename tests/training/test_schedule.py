"""Everything that changes over a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drai_cli.settings.config import TrainOptions
from drai_cli.training import schedule

OPTIONS = TrainOptions(batch_size=64, warm_up_kimg=2, decay_share=0.4, hold_kimg=4, ema_kimg=8)


def test_rates_rise_hold_and_fall_and_the_predictors_do_not_fall() -> None:
    start = schedule.learning_rate_factors(OPTIONS, 0, 0.0)
    middle = schedule.learning_rate_factors(OPTIONS, 50_000, 0.5)
    late = schedule.learning_rate_factors(OPTIONS, 90_000, 0.9)
    end = schedule.learning_rate_factors(OPTIONS, 100_000, 1.0)
    assert start["networks"] == pytest.approx(64 / 2000)
    assert middle == {"networks": 1, "discriminator": 1, "feature_heads": 1, "predictors": 1}
    assert late["networks"] == pytest.approx(0.25)
    assert end["networks"] == end["discriminator"] == pytest.approx(0.05)
    assert end["predictors"] == 1


def test_taken_networks_wait_for_the_discriminator() -> None:
    waiting = schedule.learning_rate_factors(OPTIONS, 3000, 0.0, is_warm_start=True)
    assert waiting["networks"] == 0
    assert waiting["discriminator"] == 1
    assert schedule.learning_rate_factors(OPTIONS, 4000, 0.0, is_warm_start=True)["networks"] == 1
    # Of a short budget a tenth at most.
    assert schedule.learning_rate_factors(OPTIONS, 3000, 0.09, is_warm_start=True)["networks"] == 0
    assert schedule.learning_rate_factors(OPTIONS, 3000, 0.1, is_warm_start=True)["networks"] == 1


def test_the_average_forgets_half_in_its_half_life() -> None:
    keep = schedule.average_keep(OPTIONS, 10**6)
    assert keep ** (8000 / 64) == pytest.approx(0.5)
    assert schedule.average_keep(OPTIONS, 64) < keep


def test_augmentation_follows_how_sure_the_discriminator_is() -> None:
    rising = schedule.next_augment_probability(OPTIONS, 0.1, real_sign=0.9)
    falling = schedule.next_augment_probability(OPTIONS, 0.1, real_sign=0.2)
    assert falling < 0.1 < rising
    assert schedule.next_augment_probability(OPTIONS, 0.0, real_sign=-1.0) == 0
    assert schedule.next_augment_probability(OPTIONS, 0.8, real_sign=1.0) == 0.8
    assert schedule.next_augment_probability(replace(OPTIONS, augment="none"), 0.5, real_sign=1.0) == 0
