"""Precision, recall, density and coverage: closed cases, and the definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics import manifold
from tests.support.manifold import measure_manifold


def written_out(real, other, k):
    """The definitions, a row at a time."""

    def distance(a, b):
        return float(np.sqrt(((a - b) ** 2).sum()))

    def radius(rows, row):
        return sorted(distance(row, another) for another in rows)[k]

    real_radii = [radius(real, row) for row in real]
    other_radii = [radius(other, row) for row in other]
    hits = np.array([[distance(x, y) <= r for y, r in zip(real, real_radii, strict=True)] for x in other])
    back = np.array([[distance(y, x) <= r for x, r in zip(other, other_radii, strict=True)] for y in real])
    return {
        "precision": hits.any(1).mean(), "recall": back.any(1).mean(),
        "density": hits.sum() / k / len(other), "coverage": hits.any(0).mean(),
    }  # fmt: skip


@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("k", [1, 4])
def test_against_the_definitions(shift, k, monkeypatch):
    monkeypatch.setattr(manifold, "_BLOCK", 60)  # several blocks
    random = np.random.default_rng(0)
    real, other = random.standard_normal((30, 3)), random.standard_normal((23, 3)) * 0.8 + shift
    assert measure_manifold(real, other, k) == pytest.approx(written_out(real, other, k))


def test_ends():
    real = np.random.default_rng(1).standard_normal((50, 2))
    same = measure_manifold(real, real)
    assert (same["precision"], same["recall"], same["coverage"]) == (1, 1, 1)
    far = measure_manifold(real, real + 100)
    assert set(far.values()) == {0}
    with pytest.raises(ValueError, match="neighbours"):
        measure_manifold(real[:5], real)


def test_a_dropped_mode_lowers_recall_and_coverage_and_not_precision():
    random = np.random.default_rng(2)
    real = np.concatenate([random.standard_normal((100, 2)), random.standard_normal((100, 2)) + 30])
    one_mode = random.standard_normal((200, 2)) * 0.5
    found = measure_manifold(real, one_mode)
    assert found["precision"] > 0.95
    assert max(found["recall"], found["coverage"]) < 0.55


def test_blur_lowers_precision():
    random = np.random.default_rng(3)
    real = random.standard_normal((300, 4)) * [1, 1, 0.1, 0.1]
    blurred = random.standard_normal((300, 4)) * [1, 1, 0.5, 0.5]
    assert (
        measure_manifold(real, blurred)["precision"] < 0.5 < measure_manifold(real, real[::-1])["precision"]
    )
