"""Scores and augmentation of usefulness, each against a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drai_cli.metrics.intervals import group_weights
from drai_cli.metrics.scores import auc, draw_both, estimate_of, macro_auc, recalls
from drai_cli.metrics.symmetries import augment
from drai_cli.metrics.training_sets import balanced


def test_balance_says_how_often_labels_are_drawn() -> None:
    rows = [np.arange(9), np.arange(1), np.arange(0)]
    assert balanced(rows).share.tolist() == [0.5, 0.5, 0]
    assert balanced(rows, 0.0).share.tolist() == [0.9, 0.1, 0]
    assert balanced(rows, 0.5).share == pytest.approx([0.75, 0.25, 0])


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8, 0.4])
    positive = np.array([False, False, True, True, True])
    ones = np.ones((1, 5))
    assert auc(scores, positive, ones)[0] == pytest.approx((1 + 1 + 1 + 0.5 + 1 + 0.5) / 6)
    assert auc(-scores, positive, ones)[0] == pytest.approx(1 - 5 / 6)
    assert auc(np.zeros(5), positive, ones)[0] == 0.5
    assert np.isnan(auc(scores, np.ones(5, bool), ones)[0])


def test_weights_stand_for_repeated_rows() -> None:
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 6, 30) / 5, generator.random(30) < 0.4
    weights = group_weights(np.arange(30), 0, 20)
    for row, found in zip(weights, auc(scores, positive, weights), strict=True):
        chosen = np.repeat(np.arange(30), row.astype(int))
        high, low = scores[chosen][positive[chosen]], scores[chosen][~positive[chosen]]
        pairs = (high[:, None] > low).mean() + (high[:, None] == low).mean() / 2
        assert found == pytest.approx(pairs)


def test_scores_are_means_over_classifiers() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    logits = np.zeros((2, 5, 3))
    logits[0, np.arange(5), labels] = 9.0  # all right
    logits[1, :, 0] = 9.0  # always says 0, and knows nothing
    draws = draw_both(np.arange(5), 2, seed=0)
    assert recalls(logits, labels, draws)[0].tolist() == [1.0, 0.5]
    assert macro_auc(logits, labels, draws)[0] == 0.75


def test_the_interval_covers_what_varies_between_classifiers() -> None:
    generator = np.random.default_rng(1)
    values = []
    for trial in range(60):  # classifiers of one quality each, perfectly known
        quality = generator.normal(size=3)
        draws = draw_both(np.arange(4), 3, seed=trial, draws=400)
        values.append((draws.seeds[1:] @ quality).var() / (quality.var(ddof=1) / 3))
    assert np.mean(values) == pytest.approx(1, abs=0.05)
    assert (draw_both(np.arange(4), 1, seed=0).seeds == 1).all()


def test_a_paired_difference_of_equal_classifiers_is_nought() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 40, 3))
    labels = np.arange(40) % 3
    draws = draw_both(np.arange(40), 2, seed=0)
    once = macro_auc(logits, labels, draws)
    assert estimate_of(once - once, 40).to_json() == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 40}


@pytest.mark.parametrize(("symmetry", "count"), [("none", 1), ("flip", 2), ("dihedral", 8)])
def test_augmentation_keeps_to_the_symmetry(symmetry, count) -> None:
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    made = augment(
        image.expand(64, -1, -1, -1), torch.Generator(), symmetry=symmetry, shift=0, contrast=0, brightness=0
    )
    assert len(torch.unique(made.flatten(1), dim=0)) == count


def test_augmentation_turns_about_the_middle_and_no_further_than_asked() -> None:
    image = torch.full((64, 1, 33, 33), -1.0)
    image[:, :, 16, 26] = 1.0  # ten pixels right of the middle
    made = augment(
        image, torch.Generator().manual_seed(0), symmetry="none", turn_degrees=20, shift=0, contrast=0, brightness=0
    )  # fmt: skip
    peak = made.flatten(1).argmax(1)
    angles = torch.rad2deg(torch.atan2(peak // 33 - 16.0, peak % 33 - 16.0))
    assert 15 < angles.abs().max() < 24
    assert angles.min() < -8 < 8 < angles.max()
    radius = torch.hypot(peak // 33 - 16.0, peak % 33 - 16.0)
    assert (radius - 10).abs().max() < 1
