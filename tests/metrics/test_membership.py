"""The area under the curve: by counting pairs, by ties, and its interval by groups."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.membership import area_under_curve, measure_attack, reconstruction_errors


def counted(members, others):
    pairs = [(m < o) + 0.5 * (m == o) for m in members for o in others]
    return float(np.mean(pairs))


def test_against_counting_pairs_with_ties_and_weights():
    generator = np.random.default_rng(0)
    members, others = generator.integers(0, 6, 20).astype(float), generator.integers(2, 9, 15).astype(float)
    first, second = generator.integers(0, 3, (5, 20)), generator.integers(0, 3, (5, 15))
    found = area_under_curve(members, others)(first.astype(float), second.astype(float))
    rows = zip(first, second, strict=True)
    assert found == pytest.approx([counted(np.repeat(members, a), np.repeat(others, b)) for a, b in rows])


@pytest.mark.parametrize(("shift", "value"), [(-10, 1.0), (10, 0.0)])
def test_ends(shift, value):
    others = np.random.default_rng(0).normal(size=50)
    found = measure_attack(others + shift, others, np.arange(50), np.arange(50), 0)
    assert (found.value, found.low, found.high) == (value, value, value)
    assert measure_attack(np.ones(50), np.ones(50), np.arange(50), np.arange(50), 0).value == 0.5


def test_the_interval_covers_one_half_for_equal_draws():
    generator = np.random.default_rng(0)
    draws = [
        measure_attack(generator.normal(size=60), generator.normal(size=60), np.arange(60), np.arange(60), 0)
        for _ in range(60)
    ]
    assert np.mean([draw.low < 0.5 < draw.high for draw in draws]) > 0.85


def test_both_sides_groups_widen_the_interval():
    generator = np.random.default_rng(0)
    members, others = (np.repeat(generator.normal(size=80), 4) for _ in range(2))
    alone, groups = np.arange(320), np.arange(320) // 4

    def width(first, second):
        found = measure_attack(members, others, first, second, 0)
        return found.high - found.low

    assert width(groups, groups) / width(alone, alone) == pytest.approx(2, abs=0.25)
    for one_side in (width(groups, alone), width(alone, groups)):
        assert 1.3 < one_side / width(alone, alone) < 1.8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_errors_are_mean_absolute_and_in_the_unit_range(dtype):
    peak = np.iinfo(dtype).max
    images = np.zeros((300, 2, 2, 1), dtype)
    images[3, 0, 0] = peak
    errors = reconstruction_errors(images, lambda part: np.full_like(part, peak // 5))
    assert errors[0] == pytest.approx(0.2)
    assert errors[3] == pytest.approx((3 * 0.2 + 0.8) / 4)
