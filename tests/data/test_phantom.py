"""Phantoms: the same from (seed, index), factors in range and independent of the class."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.data.finding_phantoms import FINDINGS, _render, render_finding_phantoms
from drai_cli.data.phantom import CLASSES, FACTORS, render_phantoms

RANGES = {
    "x": (-0.15, 0.15), "y": (-0.15, 0.15), "radius": (0.16, 0.30), "tone": (0, 1), "light_x": (-0.12, 0.12),
    "light_y": (-0.12, 0.12), "aspect": (1, 1.4), "rotation": (0, np.pi), "hairs": (0, 3),
}  # fmt: skip


def test_an_image_depends_on_seed_and_index_only() -> None:
    many, later = render_phantoms(12, 32, 5), render_phantoms(4, 32, 5, start=8)
    assert np.array_equal(many.images[8:], later.images)
    assert np.array_equal(many.labels[8:], later.labels)
    assert not np.array_equal(many.images, render_phantoms(12, 32, 6).images)


def test_factors_are_in_range_and_independent_of_the_class() -> None:
    made = render_phantoms(1400, 16, 0)
    assert tuple(made.factors) == FACTORS
    for name, (low, high) in RANGES.items():
        values = made.factors[name]
        assert low <= values.min()
        assert values.max() <= high
        means = [values[made.labels == label].mean() for label in range(len(CLASSES))]
        # 200 draws a class: class means scatter by deviation / sqrt(200); five times that is no accident.
        assert max(abs(mean - values.mean()) for mean in means) < 5 * values.std() / np.sqrt(200)


def test_x_moves_the_lesion_right_and_y_down() -> None:
    made = render_phantoms(700, 32, 1)
    dark = 255 - made.images.astype(float).mean(3)
    dark -= np.median(dark, axis=(1, 2), keepdims=True)
    dark = dark.clip(20) - 20
    grid = (np.arange(32) + 0.5) / 32 - 0.5
    centre_x = (dark.sum(1) * grid).sum(1) / dark.sum((1, 2)).clip(1)
    centre_y = (dark.sum(2) * grid).sum(1) / dark.sum((1, 2)).clip(1)
    assert np.corrcoef(centre_x, made.factors["x"])[0, 1] > 0.5
    assert np.corrcoef(centre_y, made.factors["y"])[0, 1] > 0.5
    assert abs(np.corrcoef(centre_x, made.factors["y"])[0, 1]) < 0.2


def test_a_phantom_with_findings_depends_on_seed_and_index_only() -> None:
    many, later = render_finding_phantoms(12, 32, 5), render_finding_phantoms(4, 32, 5, start=8)
    assert np.array_equal(many.images[8:], later.images)
    assert np.array_equal(many.states[8:], later.states)
    assert not np.array_equal(many.images, render_finding_phantoms(12, 32, 6).images)


def test_findings_are_independent_of_each_other_and_of_the_factors() -> None:
    made = render_finding_phantoms(3000, 16, 0)
    table = np.column_stack([made.states, *made.factors.values()]).astype(float)
    correlation = np.corrcoef(table, rowvar=False) - np.eye(table.shape[1])
    assert np.abs(correlation).max() < 0.08  # four standard errors of 3,000 rows
    assert made.states.mean(0) == pytest.approx([0.4] * len(FINDINGS), abs=0.04)


@pytest.mark.parametrize("finding", range(len(FINDINGS)), ids=FINDINGS)
def test_each_finding_changes_the_picture_alone(finding: int) -> None:
    draws = render_finding_phantoms(1, 32, 3)
    states = np.zeros((2, len(FINDINGS)), np.int8)
    states[1, finding] = 1
    factors = {name: np.repeat(values, 2) for name, values in draws.factors.items()}
    without, with_it = _render(states, factors, 32).astype(int)
    changed = np.abs(without - with_it).max(-1) > 30
    assert 8 <= changed.sum() <= 200
