from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.frechet import (
    distance_from_halves,
    frechet_distance,
    kernel_distance,
    match_counts,
)
from drai_cli.metrics.quick import rows_like


def test_a_shift_costs_its_square() -> None:
    features = np.random.default_rng(0).normal(size=(100, 5))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(features, features + np.array([3, 0, 4, 0, 0])) == pytest.approx(25, abs=1e-6)


def test_a_change_of_scale_costs_the_difference_of_deviations() -> None:
    # For C' = s² C the distance is (s - 1)² tr C.
    features = np.random.default_rng(0).normal(size=(200, 4)) @ np.diag([1.0, 2, 3, 4])
    centred = features - features.mean(0)
    trace = np.trace(np.cov(centred, rowvar=False))
    assert frechet_distance(centred, 2.5 * centred) == pytest.approx(1.5**2 * trace, rel=1e-6)


def test_fewer_rows_than_features_do_not_break_it() -> None:
    features = np.random.default_rng(0).normal(size=(10, 40))
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(features, features + 1) == pytest.approx(40, rel=1e-6)


def test_kernel_distance_by_hand() -> None:
    real, other = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    groups = np.arange(2)
    # k(x, y) = (xy + 1)³: within real k(0, 1) = 1, within other k(1, 2) = 27, across (1 + 1 + 8 + 27) / 4.
    expected = 1 + 27 - 2 * (1 + 1 + 8 + 27) / 4
    assert kernel_distance(real, other, groups, groups, 0).value == pytest.approx(expected)


def test_kernel_distance_is_unbiased() -> None:
    generator = np.random.default_rng(0)
    groups = np.arange(30)
    draws = [
        kernel_distance(generator.normal(size=(30, 8)), generator.normal(size=(30, 8)), groups, groups, 0)
        for _ in range(60)
    ]
    values = np.array([draw.value for draw in draws])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(60)
    assert np.mean([draw.low < 0 < draw.high for draw in draws]) > 0.8


def test_kernel_interval_stays_clear_of_zero_for_another_distribution() -> None:
    generator = np.random.default_rng(0)
    groups = np.arange(200)
    found = kernel_distance(
        generator.normal(size=(200, 8)), generator.normal(1, 1, (200, 8)), groups, groups, 0
    )
    assert 0 < found.low < found.value < found.high


def test_matched_rows_have_equal_counts_and_no_row_twice() -> None:
    labels, pool = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1, 3])
    mine, theirs = match_counts(labels, pool, seed=0)
    assert labels[mine].tolist() == pool[theirs].tolist() == [0, 0, 1]
    assert len(set(mine)) == len(mine)
    assert len(set(theirs)) == len(theirs)


def test_few_images_make_poor_samples_no_better_than_real_ones() -> None:
    random = np.random.default_rng(0)
    real, poor = random.standard_normal((40, 32)), 0.6 * random.standard_normal((420, 32)) + 0.5
    halves = np.arange(20), np.arange(20, 40)
    between = frechet_distance(real[halves[0]], real[halves[1]])
    assert frechet_distance(np.resize(real, (420, 32)), poor) < between, "why sets of other sizes say nothing"
    like = np.arange(20), np.arange(20, 40)
    assert distance_from_halves(real, halves, poor, like) > 1.1 * between
    alike = random.standard_normal((420, 32))
    assert distance_from_halves(real, halves, alike, like) == pytest.approx(between, rel=0.2)


def test_rows_like_labels_have_them_as_often() -> None:
    made = np.array([0, 0, 1, 2, 2, 2])
    rows = rows_like(np.array([2, 1, 1, 2]), made)
    assert made[rows].tolist() == [1, 1, 2, 2]
    assert len(set(rows.tolist())) == 3, "a row comes again only where too few were made"
