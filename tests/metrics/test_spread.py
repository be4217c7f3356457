from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.spread import measure_spread


def test_ratio_per_label_with_its_baseline() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 400)
    real, other = generator.normal(size=(2, 800, 6)) + labels[:, None] * 50
    made = generator.normal(size=(800, 6)) * np.where(labels == 0, 0.25, 1.0)[:, None] - labels[:, None] * 9
    found = measure_spread(
        real, labels, np.arange(800), made, labels, other=other, other_labels=labels, seed=0
    )
    collapsed, full = found["labels"]["0"], found["labels"]["1"]
    assert collapsed["value"] == pytest.approx(0.25, abs=0.02)
    assert full["low"] < 1 < full["high"]
    assert full["real"] == pytest.approx(1, abs=0.05)
    assert full["n"] == 400
    assert found["least"] == collapsed["value"]


def test_labels_too_rare_are_left_out() -> None:
    features = np.random.default_rng(0).normal(size=(6, 2))
    labels = np.array([0, 0, 0, 0, 1, 1])
    assert list(measure_spread(features, labels, np.arange(6), features, labels, seed=0)["labels"]) == ["0"]
