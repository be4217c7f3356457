"""When a run ends: what is said before the first step, and how it is corrected."""

from __future__ import annotations

import pytest

from drai_cli.run.budget import Budget
from drai_cli.run.forecast import Costs, Forecast, describe_plan
from drai_cli.settings.config import TrainOptions


def forecast(
    *, judge_s: float = 60.0, tick_s: float = 10.0, is_warm: bool = False, **options: object
) -> Forecast:
    made = TrainOptions(batch_size=16, **options)  # type: ignore[arg-type]
    return Forecast(made, Budget(made), Costs(0.05, judge_s, tick_s), True, is_warm)


def test_a_budget_of_images_counts_judge_and_ticks():
    # 50 kimg: ticks at 2, 20, 40 and 50.
    left = forecast(kimg=50.0).left(0, 0, False)
    assert left.images == 50_000
    assert left.seconds == pytest.approx(50_000 * 0.05 + 60 + 4 * 10)
    assert not left.is_least


def test_a_step_is_never_cut():
    assert forecast(kimg=0.05).images_of_budget == 64


def test_without_a_budget_the_earliest_end_is_told():
    run = forecast()
    left = run.left(0, 0, False)
    assert left.is_least
    assert left.images == 13 * 20_000  # the first measured tick is the best, and patience is 12
    assert run.left(20_000, 0, True).images == 12 * 20_000
    assert run.left(20_000 * 13, 12, True).images == 0
    first, second, third = describe_plan(run)
    assert first == (
        "no budget: the run ends when 12 ticks in a row bring no better score, after 260 kimg (about 3 h 40 min) at "
        "the earliest, of which the judge of snapshots takes about 1 min"
    )
    assert second == "for an earlier end add --hours 1 (about 70 kimg) or --kimg 20 (about 18 min)"
    assert third.startswith("the first model file in about 1 min 30 s, still poor;")


def test_a_run_that_ends_before_its_first_tick_promises_no_earlier_model():
    assert not any("first model" in sentence for sentence in describe_plan(forecast(kimg=0.2)))


def test_hours_say_how_many_images_they_give():
    run = forecast(hours=1.0)
    assert run.left(0, 0, False).seconds == pytest.approx(3600, abs=1)
    images = run.images_in(3600)
    assert run.seconds_for(images) <= 3600 < run.seconds_for(images + 400)
    assert describe_plan(run)[0].startswith("about 70 kimg in 1 h, of")


def test_of_two_budgets_the_first_to_end_counts():
    assert forecast(kimg=10.0, hours=1.0).left(0, 0, False).images == 10_000
    assert forecast(kimg=1000.0, hours=1.0).left(0, 0, False).seconds == pytest.approx(3600, abs=1)


def test_what_is_measured_replaces_what_was_expected():
    run = forecast(kimg=50.0)
    run.measured_steps(2000, 40.0)
    run.measured_tick(70.0, 55.0, True)
    assert run.left(20_000, 0, True).seconds == pytest.approx(30_000 * 0.02 + 2 * 15)
    run.measured_steps(16, 0.1)  # too short to say anything
    assert run.costs.image_s == 0.02
    run.measured_tick(1.0, 0.0, False)  # a tick without a measure is no example
    assert run.costs.tick_s == 15


def test_what_init_starts_from_is_a_model_at_once():
    assert forecast(kimg=50.0, is_warm=True).first_model_s() == 0
