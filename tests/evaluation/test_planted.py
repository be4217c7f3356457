"""Planted truths: each fault of synthetic images is named by the verdict of its part, and shown by its numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drai_cli.evaluation.disentanglement import DISENTANGLEMENT
from drai_cli.evaluation.fidelity import FIDELITY
from drai_cli.evaluation.privacy import PRIVACY
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.metrics.blur import blurred
from drai_cli.report.findings import Measure, Part
from tests.evaluation.planted import Drawn, described, draw, evaluation_of, noisy, real_set

LABELS = np.arange(450) % 3


@pytest.fixture(scope="module")
def real() -> EvaluationSet:
    return real_set()


@pytest.fixture(scope="module")
def fresh() -> Drawn:
    """As good as real images: other draws of the same kind."""
    return draw(LABELS, 1)


def the(part: Part, key: str, **fields: str) -> Measure:
    (found,) = (
        measure
        for measure in part.measures
        if measure.key == key and all(getattr(measure, name) == value for name, value in fields.items())
    )
    return found


def train_images(real: EvaluationSet) -> Drawn:
    train = real.parts == "train"
    return Drawn(real.images[train], real.labels[train], real.columns["site"][train])


def test_a_set_equal_to_the_real_one_has_no_fault(real, fresh, tmp_path: Path) -> None:
    evaluation = evaluation_of(real, fresh, tmp_path)
    fidelity = described(FIDELITY, evaluation)
    assert not fidelity.doubts
    assert "missing" not in fidelity.verdict
    assert "blurred real images" not in fidelity.verdict.split(")")[1]
    assert the(fidelity, "kernel", label="").standing != "poor"
    assert the(fidelity, "subgroup", label="A").standing != "poor"
    agreement = described(DISENTANGLEMENT, evaluation)
    assert "seldom" not in agreement.verdict
    privacy = described(PRIVACY, evaluation)
    assert privacy.verdict.startswith("They may be shared as far as these tests reach")
    assert the(privacy, "authentic").standing != "poor"


def test_copies_are_not_to_be_shared(real, fresh, tmp_path: Path) -> None:
    copies = train_images(real)
    some = replace(fresh, images=fresh.images.copy())
    some.images[:60] = copies.images[:60]
    privacy = described(PRIVACY, evaluation_of(real, some, tmp_path))
    assert privacy.verdict.startswith("Not yet to be shared:")
    assert "copies of training images" in privacy.verdict
    assert "--reject-copies" in privacy.verdict
    assert the(privacy, "copies", label="").standing == "poor"
    assert the(privacy, "identical").value > 20


def test_a_memorised_model_tells_who_was_trained_on(real, tmp_path: Path) -> None:
    memorised = noisy(train_images(real), 5)
    privacy = described(PRIVACY, evaluation_of(real, memorised, tmp_path))
    assert "which images the model was trained on" in privacy.verdict
    assert the(privacy, "membership", variant="distance to samples, pixels", label="").value > 0.8
    assert the(privacy, "found_at", variant="distance to samples, pixels, 1.0% false alarms").value > 0.3
    assert the(privacy, "authentic").standing == "poor"


def test_one_label_with_wrong_samples_is_named(real, fresh, tmp_path: Path) -> None:
    wrong = draw(np.where(LABELS == 2, 0, LABELS), 2)
    made = replace(wrong, labels=LABELS)
    part = described(DISENTANGLEMENT, evaluation_of(real, made, tmp_path))
    assert "most seldom for cross (" in part.verdict
    assert "ring (" not in part.verdict
    assert the(part, "agreement", label="cross").value < 0.3
    assert the(part, "agreement", label="disc").value > 0.7


def test_blurred_samples_are_as_far_as_blurred_real_images(real, fresh, tmp_path: Path) -> None:
    dull = replace(fresh, images=blurred(fresh.images))
    part = described(FIDELITY, evaluation_of(real, dull, tmp_path))
    assert "as far from real ones as plainly blurred real images" in part.verdict
    assert the(part, "frechet", label="").standing == "poor"


def test_a_dropped_kind_is_named_by_its_label(real, fresh, tmp_path: Path) -> None:
    lacking = draw(LABELS, 4, kinds=1)
    made = replace(fresh, images=np.where((LABELS == 1)[:, None, None, None], lacking.images, fresh.images))
    part = described(FIDELITY, evaluation_of(real, made, tmp_path))
    assert "Kinds of real images are missing among the synthetic ones: label ring" in part.verdict
    assert the(part, "coverage", label="ring").standing == "poor"
    assert the(part, "coverage", label="disc").standing != "poor"


def test_a_missing_subgroup_is_named(real, tmp_path: Path) -> None:
    part = described(FIDELITY, evaluation_of(real, draw(LABELS, 5, site="A"), tmp_path))
    assert "site B" in part.verdict
    assert the(part, "subgroup", label="B").standing == "poor"
    assert the(part, "subgroup", label="A").standing != "poor"
