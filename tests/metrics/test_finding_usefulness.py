"""Classifiers of findings with and without synthetic images: what each set is, and what is measured on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.finding_set import FindingSet
from drai_cli.metrics.finding_usefulness import (
    ADDED,
    FILLED,
    OVERSAMPLED,
    REAL,
    SYNTHETIC,
    FindingTrainer,
    measure_finding_usefulness,
    rows_to_make,
)

COUNT = 120
CONFIG = UsefulnessConfig(images=512, batch_size=32, seeds=1, widths=(8, 16), looks=2)


def marks(states: np.ndarray, seed: int) -> np.ndarray:
    """Grey images, 16 px, with a light corner for the first finding and a dark one for the second."""
    images = np.random.default_rng(seed).integers(96, 160, (len(states), 16, 16, 1)).astype(np.uint8)
    images[states[:, 0] == 1, :6, :6] = 255
    images[states[:, 1] == 1, 10:, 10:] = 0
    return images


@pytest.fixture
def data() -> FindingSet:
    generator = np.random.default_rng(0)
    states = (generator.random((COUNT, 2)) < (0.5, 0.2)).astype(np.int8)
    states[::9, 1] = -1  # unknown
    parts = np.array(["train", "train", "validation", "test"] * (COUNT // 4))
    return FindingSet(
        marks(states, 1),
        states,
        parts,
        np.arange(COUNT),
        np.zeros((COUNT, 4), np.float32),
        ("first", "second"),
    )


def rarest(data: FindingSet) -> np.ndarray:
    return np.where(data.states[:, 1] == 1, 1, np.where(data.states[:, 0] == 1, 0, 2))


def asked(data: FindingSet) -> np.ndarray:
    return np.concatenate(rows_to_make(rarest(data), data.rows("train"), 2, seed=0))


def test_rare_findings_are_asked_for_more_often(data: FindingSet) -> None:
    plain, rare = rows_to_make(rarest(data), data.rows("train"), 2, seed=0)
    assert len(plain) == len(rare) == 60
    assert (data.states[rare, 1] == 1).mean() > 1.3 * (data.states[plain, 1] == 1).mean()


def test_each_row_teaches_its_own_findings(data: FindingSet) -> None:
    rows = asked(data)
    trainer = FindingTrainer(data, data.images[rows], data.states[rows], np.array([0]), CONFIG, "cpu")
    targets = trainer.targets(np.array([5, COUNT + 7]), torch.zeros(2))
    np.testing.assert_array_equal(targets.numpy(), data.states[[5, rows[7]]])


def test_true_images_are_as_good_as_real_ones_and_wrong_ones_are_not(data: FindingSet) -> None:
    rows = asked(data)
    true = marks(data.states[rows], 2)
    wrong = marks(1 - data.states[rows].clip(0), 3)  # each finding the other way round
    measured = {
        name: measure_finding_usefulness(
            data, rarest(data), made, data.states[rows], least=2, config=CONFIG, seed=0
        )
        for name, made in (("true", true), ("wrong", wrong))
    }
    assert set(measured["true"]["arms"]) == {REAL, OVERSAMPLED, SYNTHETIC, ADDED, FILLED}
    areas = {name: one["arms"][SYNTHETIC]["macro_auc"]["value"] for name, one in measured.items()}
    assert areas["true"] > 0.9
    assert areas["wrong"] < 0.3
    assert measured["wrong"]["gains"][FILLED]["auc"]["second"]["value"] < 0
    assert abs(measured["true"]["gains"][ADDED]["macro_auc"]["value"]) < 0.1
    assert (
        measured["true"]["arms"][REAL]["auc"]["second"]["n"] == (data.states[data.rows("test"), 1] == 1).sum()
    )


def test_images_of_another_shape_are_refused(data: FindingSet) -> None:
    with pytest.raises(ValueError, match="synthetic images"):
        measure_finding_usefulness(
            data, rarest(data), np.zeros((4, 8, 8, 1), np.uint8), np.zeros((4, 2), np.int8), least=2, seed=0
        )
