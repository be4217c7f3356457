"""Planted truths: each fault of synthetic images is named by the verdict of its part, and shown by its numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from drai_cli.evaluation import usefulness
from drai_cli.evaluation.disentanglement import DISENTANGLEMENT
from drai_cli.evaluation.fidelity import FIDELITY
from drai_cli.evaluation.privacy import PRIVACY
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.metrics.blur import blurred
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.copies import PIXELS, CopyFilter, spaces_of, threshold
from drai_cli.metrics.nearest import find_nearest
from drai_cli.report.findings import Measure, Part
from tests.evaluation.planted import Drawn, described, draw, evaluation_of, noisy, real_set

LABELS = np.arange(450) % 3
FIELDS = ("images", "labels", "sites")


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


@pytest.mark.slow
def test_leaving_out_copies_lowers_the_risk(real, fresh, tmp_path: Path) -> None:
    """What `--reject-copies` does: the threshold is that of unseen real images."""
    half = noisy(train_images(real), 2)
    mixed = Drawn(*(np.concatenate([getattr(each, name)[:225] for each in (half, fresh)]) for name in FIELDS))
    (space,) = spaces_of({}).values()
    train, unseen = (real.images[real.parts == part] for part in ("train", "test"))
    (near,) = find_nearest(unseen, space, [space.features(train)], "dihedral")
    copies = CopyFilter.of_thresholds(
        train, {PIXELS: threshold(near.distance)}, extractors={}, symmetry="dihedral"
    )
    kept = ~copies.find(mixed.images)
    assert kept[:225].mean() < 0.05
    assert kept[225:].mean() > 0.9
    before = described(PRIVACY, evaluation_of(real, mixed, tmp_path))
    after = described(
        PRIVACY, evaluation_of(real, Drawn(*(getattr(mixed, name)[kept] for name in FIELDS)), tmp_path)
    )
    assert "copies of training images" in before.verdict
    assert after.verdict.startswith("They may be shared as far as these tests reach")
    variant = {"variant": "distance to samples, pixels", "label": ""}
    assert the(before, "membership", **variant).value > 0.75
    assert the(after, "membership", **variant).value < 0.6


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


def test_samples_that_leave_a_users_rule_are_counted(real, fresh, tmp_path: Path) -> None:
    dark = replace(
        fresh, images=np.where((LABELS == 0)[:, None, None, None], fresh.images // 4, fresh.images)
    )
    part = described(FIDELITY, evaluation_of(real, dark, tmp_path, rules=("brightness=0.2..",)))
    rule = the(part, "rule", variant="brightness=0.2..")
    assert rule.value == pytest.approx(2 / 3, abs=0.02)
    assert rule.baseline.value > 0.95
    assert rule.standing == "poor"


def test_a_missing_subgroup_is_named(real, tmp_path: Path) -> None:
    part = described(FIDELITY, evaluation_of(real, draw(LABELS, 5, site="A"), tmp_path))
    assert "site B" in part.verdict
    assert the(part, "subgroup", label="B").standing == "poor"
    assert the(part, "subgroup", label="A").standing != "poor"


@dataclass(frozen=True)
class Narrow(UsefulnessConfig):
    """Classifiers that are trained in a second."""

    widths: tuple[int, ...] = (16, 32, 32)
    batch_size: int = 64


def used(real: EvaluationSet, made: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    monkeypatch.setattr(usefulness, "UsefulnessConfig", Narrow)
    evaluation = evaluation_of(real, made, tmp_path)
    evaluation.options = replace(evaluation.options, usefulness_images=3_840, features=None)
    return described(usefulness.USEFULNESS, evaluation)


@pytest.mark.slow
def test_training_images_again_neither_help_nor_harm(real, tmp_path: Path, monkeypatch) -> None:
    part = used(real, train_images(real), tmp_path, monkeypatch)
    assert part.verdict.startswith("No use of them showed a gain over real images alone")
    gain = the(part, "gain", variant="real + synthetic 1")
    assert gain.low <= 0 <= gain.high
    assert the(part, "balanced_accuracy", variant="real").value > 0.6


@pytest.mark.slow
def test_samples_of_wrong_labels_harm_and_selection_drops_them(
    real, fresh, tmp_path: Path, monkeypatch
) -> None:
    wrong = replace(fresh, labels=(fresh.labels + 1) % 3)
    part = used(real, wrong, tmp_path, monkeypatch)
    assert part.verdict.startswith("They harm: ")
    assert "after longer training the difference may be smaller" in part.verdict
    assert "real + synthetic 1" in part.verdict
    assert the(part, "gain", variant="real + synthetic 1").high < 0
    assert the(part, "dropped", variant="wrong").value > 0.7
    assert the(part, "dropped", variant="wrong").baseline.value < 0.3


class Coded:
    """Networks whose style is the ground's brightness, and more than that where they leak."""

    style_dim = 3

    def __init__(self, *, leaks: bool) -> None:
        self.leaks = leaks

    def encoder(self, images: torch.Tensor) -> tuple[SimpleNamespace, SimpleNamespace]:
        grey = images.mean(1)
        ground = torch.stack([grey[:, 0].mean(1), grey[:, -1].mean(1), grey[:, :, 0].mean(1)], 1)
        shape = torch.stack(
            [grey[:, 4:12, 4:12].std((1, 2)), grey[:, 6:10, 6:10].mean((1, 2)), grey.std((1, 2))], 1
        )
        content = F.adaptive_avg_pool2d(grey[:, None], 8).flatten(1)
        return self._code(content), self._code(shape if self.leaks else ground)

    @staticmethod
    def _code(mean: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(mean=mean, log_variance=torch.full_like(mean, -4))

    def generator(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        image = F.interpolate(content.unflatten(1, (1, 8, 8)), (16, 16), mode="bilinear")
        return image.expand(-1, 3, -1, -1).clamp(-1, 1)

    def content_prior(self, condition: torch.Tensor) -> SimpleNamespace:
        return self._code(torch.zeros(len(condition), 64))


@pytest.mark.parametrize("leaks", [True, False])
def test_a_style_that_holds_the_label_is_named(real, fresh, tmp_path: Path, leaks: bool) -> None:
    evaluation = evaluation_of(real, fresh, tmp_path)
    evaluation.__dict__["networks"] = Coded(leaks=leaks)
    part = described(DISENTANGLEMENT, evaluation)
    assert ("the style code gives the label away" in part.verdict) == leaks
    probe = the(part, "label_in_style")
    assert (probe.value > 0.5) == leaks
    assert (probe.standing == "poor") == leaks
