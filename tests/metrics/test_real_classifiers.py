"""What usefulness does with selected samples, and with classifiers of real images that are known already."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drai_cli.metrics.training_sets import SELECTED, make_arms
from drai_cli.metrics.usefulness import measure_usefulness
from tests.metrics.test_usefulness import QUICK, pool, problem


def arms_of(is_selected: np.ndarray | None) -> dict[str, Any]:
    labels, made = np.repeat(np.arange(3), [40, 20, 4]), np.repeat(np.arange(3), 50)
    return {
        arm.name: arm for arm in make_arms(labels, np.arange(64), made, 3, (0.5, 1.0), [2], 0, is_selected)
    }


def test_selected_samples_are_a_use_of_their_own() -> None:
    is_selected = np.arange(150) % 2 == 0
    is_selected[50:100] = False
    arms = arms_of(is_selected)
    arm = arms[SELECTED]
    assert arm.synthetic.tolist() == [25, 0, 4]  # as far as there are any, and no more than in the mixed set
    rows, of = np.concatenate(arm.set.rows), arms["real + synthetic 1"]
    chosen = rows[rows >= 64] - 64
    assert is_selected[chosen].all()
    assert of.synthetic.tolist() == [40, 20, 4]
    assert SELECTED not in arms_of(None)
    assert SELECTED not in arms_of(np.zeros(150, bool))


def test_classifiers_of_real_images_are_trained_once_for_all_models() -> None:
    data, config = problem((20, 20, 5), 5, 12), replace(QUICK, images=96, ratios=(1.0,))
    totals: list[int] = []
    kept: list = []

    def measured(seed: int) -> dict[str, Any]:
        totals.append(0)

        def progress(done: int, total: int) -> None:
            totals[-1] = total

        return measure_usefulness(
            **data, **pool(60, seed), config=config, kept=kept, seed=0, progress=progress
        )

    first, second = measured(1), measured(2)
    assert [[logits.shape for logits in of_seed] for of_seed in kept] == [[(36, 3)], [(36, 3)]]
    assert second["arms"]["real"] == first["arms"]["real"]
    assert second["arms"]["synthetic"] != first["arms"]["synthetic"]
    assert totals[0] - totals[1] == 2 * config.images_seen
    alone = measure_usefulness(**data, **pool(60, 2), config=config, seed=0)
    assert 0 <= second["seeds_share"] <= 1
    assert alone["arms"] == second["arms"]
    assert alone["differences"] == second["differences"]


def test_one_classifier_has_no_share_in_the_interval() -> None:
    one = replace(QUICK, images=32, seeds=1, ratios=(1.0,))
    data = problem((20, 20, 5), 5, 12)
    assert measure_usefulness(**data, **pool(60), config=one, seed=0)["seeds_share"] is None


@pytest.mark.parametrize("cases", [40, 4_000])
def test_more_test_images_leave_more_of_the_interval_to_the_classifiers(cases: int) -> None:
    from drai_cli.metrics.usefulness import _share_of_seeds

    generator = np.random.default_rng(0)
    labels = np.arange(cases) % 2
    real, other = (generator.normal(size=(3, cases, 2)) for _ in range(2))
    for number, strength in enumerate((0.5, 1.5, 2.5)):  # classifiers of three qualities
        other[number, np.arange(cases), labels] += strength
    share = _share_of_seeds(labels, [real, other])
    assert share is not None
    assert (share > 0.9) == (cases == 4_000)
