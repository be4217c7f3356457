"""A set of small images with planted truths, and an evaluation of synthetic ones without files or a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.measured import MeasuredPart
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.evaluation.remembered import LazyFeatures
from drai_cli.evaluation.subject import Subject
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import JudgeConfig, train_judge
from drai_cli.progress import SILENT
from drai_cli.report.findings import Part
from drai_cli.run.instruments import Instruments
from drai_cli.settings.model_options import EvaluateOptions

LABELS = ("disc", "ring", "cross")
SIDE = 16


@dataclass(frozen=True)
class Drawn:
    """Images with what they were drawn from."""

    images: np.ndarray
    labels: np.ndarray
    sites: np.ndarray


def draw(labels: np.ndarray, seed: int, *, site: str = "", kinds: int = 2) -> Drawn:
    """A shape on noise. Of each label there are two kinds (small, large); site B has a dark background.

    Args:
        labels: Which shapes.
        seed: Of everything else.
        site: `A` or `B` for all; empty for either.
        kinds: 1: small shapes only.
    """
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = np.empty((len(labels), SIDE, SIDE, 3), np.uint8)
    sites = generator.choice(["A", "B"], len(labels)) if not site else np.full(len(labels), site)
    for index, label in enumerate(labels):
        y, x = generator.integers(6, 10, 2)
        radius = generator.choice([2.6, 5.2][:kinds])
        away = np.hypot(rows - y, columns - x)
        if label == 0:
            shape = away < radius
        elif label == 1:
            shape = (away < radius) & (away > radius / 2)
        else:
            shape = ((abs(rows - y) < 1.3) | (abs(columns - x) < 1.3)) & (away < radius + 1)
        ground = (60 if sites[index] == "B" else 150) + generator.normal(0, 8)
        image = np.full((SIDE, SIDE, 3), ground) + shape[..., None] * generator.uniform(50, 90, 3)
        images[index] = (image + generator.normal(0, 7, image.shape)).clip(0, 255)
    return Drawn(images, np.asarray(labels), sites)


def real_set(train: int = 270, held: int = 90, test: int = 300) -> EvaluationSet:
    """Training, validation and test images, two of a patient each."""
    counts = {"train": train, "validation": held, "test": test}
    labels = np.concatenate([np.arange(count) % 3 for count in counts.values()])
    drawn = draw(labels, 0)
    parts = np.concatenate([np.full(count, name) for name, count in counts.items()])
    label = Attribute("label", "categorical", LABELS)
    return EvaluationSet(
        drawn.images, labels, parts, np.array([f"p{row // 6}-{row % 3}" for row in range(len(labels))]),
        np.eye(4, dtype=np.float32)[labels], ConditionSchema((label,)), "planted", "none", True, None, "by group", (),
        "training", "key", columns={"site": drawn.sites},
    )  # fmt: skip


def evaluation_of(real: EvaluationSet, made: Drawn, folder: Path, **options: object) -> Evaluation:
    """An evaluation of these images against the set, with a judge that sees the shapes."""
    asked = EvaluateOptions(
        Path("planted"), synthetic=folder, samples=60, draws=2, privacy_samples=len(made.images) // 3 * 2,
        subgroups=("site",), features=Path(__file__), usefulness_images=1_280, usefulness_seeds=2,
        usefulness_ratios=(1.0,), **options,  # type: ignore[arg-type]
    )  # fmt: skip
    instruments = Instruments(real, folder, None, 0, torch.device("cpu"), SILENT)
    instruments.__dict__["judge"] = judge_of(real)
    features = LazyFeatures(replace(asked, features=None), real, instruments, folder)
    features.extractor, features.key = Filters(), "filters"
    subject = Subject("made", None, None, made.images, made.labels, "sha")
    return Evaluation(asked, real, subject, instruments, features, torch.device("cpu"), SILENT)


class Filters:
    """A fixed random convolution, its responses averaged over a grid of 4 x 4: features that trained on nothing."""

    name, comparable_with = "filters", "nothing"

    def features(self, images: np.ndarray) -> np.ndarray:
        kernels = torch.randn((6, 3, 3, 3), generator=torch.Generator().manual_seed(5))
        kernels -= kernels.mean((2, 3), keepdim=True)  # edges, not brightness
        batch = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255 - 0.5
        edges = F.adaptive_avg_pool2d(F.conv2d(batch, kernels).relu(), 4).flatten(1)
        return torch.cat([4 * edges, F.adaptive_avg_pool2d(batch, 4).flatten(1)], 1).numpy()


_JUDGES: dict[str, object] = {}


def judge_of(real: EvaluationSet):
    """Trained once for all tests."""
    if real.key not in _JUDGES:
        config = JudgeConfig(
            widths=(16, 32), fit=FitConfig(images=6_400, batch_size=64, check_every=1_600), shift=1
        )
        _JUDGES[real.key] = train_judge(real.images, real.labels, real.parts, 3, config, seed=0)
    return _JUDGES[real.key]


def described(part: MeasuredPart, evaluation: Evaluation) -> Part:
    return part.describe(evaluation, part.measure(evaluation))


def noisy(drawn: Drawn, deviation: float) -> Drawn:
    noise = np.random.default_rng(3).normal(0, deviation, drawn.images.shape)
    return replace(drawn, images=(drawn.images + noise).clip(0, 255).astype(np.uint8))
