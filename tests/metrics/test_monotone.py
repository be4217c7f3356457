"""Each way to spoil images makes the right numbers worse: blur, wrong labels and dropped modes, on coloured discs.

Features are a random convolution's, pooled, so that no judge has a say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from drai_cli.metrics.frechet import frechet_distance, kernel_distance
from drai_cli.metrics.inception_score import inception_score
from drai_cli.metrics.intervals import Estimate
from drai_cli.metrics.mapping import map_images
from drai_cli.metrics.samples import measure_agreement
from tests.support.manifold import measure_manifold

COUNT, SIZE = 210, 20
PALETTE = np.array(
    [
        [220, 60, 50],
        [60, 200, 70],
        [60, 80, 220],
        [220, 210, 60],
        [200, 70, 210],
        [60, 210, 215],
        [40, 40, 40],
    ]
)


@dataclass(frozen=True)
class Drawn:
    images: np.ndarray
    labels: np.ndarray


def drawn(count: int, classes: int, seed: int) -> Drawn:
    """Discs of as many colours as there are classes, of any size and place, on grey, with grain all over."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    x, y = random.uniform(-3, 3, (2, count, 1, 1))
    radius = random.uniform(4, 7, (count, 1, 1))
    places = np.arange(SIZE) - (SIZE - 1) / 2
    inside = np.hypot(places - x, places[:, None] - y) < radius
    ground = random.uniform(110, 160, (count, 1, 1, 1))
    images = np.where(inside[..., None], PALETTE[labels][:, None, None], ground)
    images = images + random.normal(0, 10, images.shape)
    return Drawn(images.round().clip(0, 255).astype(np.uint8), labels)


@dataclass(frozen=True)
class RandomFeatures:
    """Of random 3x3 convolutions, what they give on average, and what those that see no flat colour give."""

    name: str = "random"
    comparable_with: str = "itself"

    def features(self, images: np.ndarray) -> np.ndarray:
        filters = torch.randn((12, 3, 3, 3), generator=torch.Generator().manual_seed(0)) / 27**0.5
        edges = filters - filters.mean((2, 3), keepdim=True)

        def look(batch: torch.Tensor) -> torch.Tensor:
            flat, fine = F.conv2d(batch, filters), F.conv2d(batch, edges)
            return torch.cat([flat.relu().mean((2, 3)), 4 * fine.abs().mean((2, 3))], 1)

        return map_images(look, images)


@pytest.fixture(scope="module")
def real() -> np.ndarray:
    return drawn(COUNT, 7, 0).images


@pytest.fixture(scope="module")
def made() -> Drawn:
    """Others of them: a generator with nothing wrong."""
    return drawn(COUNT, 7, 1)


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    if not sigma:
        return images
    places = torch.arange(-6, 7, dtype=torch.float32)
    bell = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = (bell[:, None] * bell / bell.sum() ** 2).expand(3, 1, 13, 13)
    batch = F.pad(torch.from_numpy(images).permute(0, 3, 1, 2).float(), (6,) * 4, mode="replicate")
    return F.conv2d(batch, kernel, groups=3).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)


def numbers(real: np.ndarray, made: np.ndarray) -> dict[str, float]:
    left, right = (RandomFeatures().features(images) for images in (real, made))
    rows = np.arange(len(real))
    return {
        "frechet": frechet_distance(left, right),
        "kernel": kernel_distance(left, right, rows, rows, 0).value,
        **measure_manifold(left, right),
    }


def column(found: list[dict[str, float]], name: str) -> np.ndarray:
    return np.array([each[name] for each in found])


def test_blur_raises_distances_and_lowers_precision(real: np.ndarray, made: Drawn) -> None:
    found = [numbers(real, blurred(made.images, sigma)) for sigma in (0.0, 0.36, 0.41, 0.5)]
    for name in ("frechet", "kernel"):
        assert np.all(np.diff(column(found, name)) > 0), name
    assert column(found, "frechet")[1] > 2 * column(found, "frechet")[0]
    for name in ("precision", "density"):
        assert np.all(np.diff(column(found, name)) < 0), name
    assert column(found, "precision")[0] > 0.9 > 0.5 > column(found, "precision")[-1]


def test_dropped_modes_lower_recall_and_coverage_and_raise_distances(real: np.ndarray) -> None:
    """The classes that are left are shown as often again, so that the number of images stays."""
    found = [numbers(real, drawn(COUNT, classes, 1).images) for classes in (7, 4, 2, 1)]
    for name in ("recall", "coverage"):
        assert np.all(np.diff(column(found, name)) < 0), name
    for name in ("frechet", "kernel"):
        assert np.all(np.diff(column(found, name)) > 0), name
    assert column(found, "precision").min() > 0.85  # what is left is as good as before
    assert column(found, "coverage")[-1] < 0.5 * column(found, "coverage")[0]


def test_repeating_few_images_lowers_coverage(real: np.ndarray, made: Drawn) -> None:
    found = [numbers(real, made.images[np.arange(COUNT) % kept]) for kept in (COUNT, 70, 20)]
    assert np.all(np.diff(column(found, "coverage")) < -0.05)


def test_wrong_labels_lower_agreement_in_proportion(made: Drawn) -> None:
    """An oracle that knows every image's label stands in for the judge; the share of wrong ones is all it loses."""

    class Oracle:
        def labels(self, images: np.ndarray) -> np.ndarray:
            return made.labels

    random = np.random.default_rng(0)
    order = random.permutation(COUNT)
    own, values = Estimate(1.0, 1.0, 1.0, COUNT), []
    for wrong in (0.0, 0.1, 0.3, 0.6):
        asked = made.labels.copy()
        rows = order[: int(wrong * COUNT)]
        asked[rows] = (asked[rows] + random.integers(1, 7, len(rows))) % 7
        found = measure_agreement(Oracle(), made.images, asked, own, 0)  # type: ignore[arg-type]
        assert found["value"] == pytest.approx(1 - wrong, abs=0.03)
        assert found["low"] <= found["value"] <= found["high"]
        values.append(found["value"])
    assert np.all(np.diff(values) < 0)


def test_doubt_and_dropped_classes_lower_the_inception_score(made: Drawn) -> None:
    sure = np.eye(7)[made.labels]
    scores = [
        inception_score(doubt / 7 + (1 - doubt) * sure, "oracle", seed=0).value
        for doubt in (0.0, 0.2, 0.5, 0.9)
    ]
    assert np.all(np.diff(scores) < 0)
    kept = [inception_score(sure[made.labels < classes], "oracle", seed=0).value for classes in (7, 4, 2)]
    assert np.all(np.diff(kept) < -1)
