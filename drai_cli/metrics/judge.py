"""The judge: a classifier trained on real training images only, which classifies samples and swaps.

Arrays in, labels and features out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, TrainedNet, build, rebuild
from drai_cli.metrics.fitting import FitConfig, FitRecord, Keeping, fit
from drai_cli.metrics.mapping import Images, map_images
from drai_cli.metrics.symmetries import Symmetry, augment
from drai_cli.metrics.training_sets import balanced, rows_of_labels
from drai_cli.model.pixels import to_unit


@dataclass(frozen=True)
class JudgeConfig:
    """How the judge is trained; the defaults are for phantoms of 32 px.

    Attributes:
        widths: Channels per stage.
        depth: Residual blocks per stage.
        patch: Side of the squares of pixels that become channels first.
        fit: Budget and rates.
        balance: Class weights in sampling are n to the power of minus this; 1 draws every class equally often.
        smoothing: Label smoothing.
        symmetry: Flips and rotations under which an image keeps its label; used for augmentation.
        shift: Largest shift in pixels.
        contrast: Spread of the colour gain.
        brightness: Spread of the colour offset.
    """

    widths: tuple[int, ...] = (64, 128, 256)
    depth: int = 1
    patch: int = 2
    fit: FitConfig = field(default_factory=FitConfig)
    balance: float = 1.0
    smoothing: float = 0.05
    symmetry: Symmetry = "none"
    shift: int = 2
    contrast: float = 0.1
    brightness: float = 0.1


def judge_config(image_size: int, symmetry: Symmetry) -> JudgeConfig:
    """The judge of evaluations: for images of 64 px and more it reads squares of 4 x 4 pixels, and trains for longer.

    On seven kinds of skin lesion at 64 px, one seed each, 64,000 images gave a balanced accuracy of 0.65 on test images
    (the best snapshot after 32,000); a net that reads squares of 2 x 2 pixels, with a fourth stage, gave 0.655 after up
    to 192,000 images, at four times the cost per image.
    """
    if image_size < 64:
        return JudgeConfig(symmetry=symmetry)
    fit_config = FitConfig(images=64_000, check_every=4_000, patience=8)
    return JudgeConfig(widths=(32, 64, 128), patch=4, fit=fit_config, symmetry=symmetry, shift=4)


@dataclass(frozen=True)
class Judge(TrainedNet):
    """A trained judge.

    Attributes:
        network: In eval mode.
        device: Where it runs.
        record: How training went, `score` being the balanced accuracy on validation; None for one that was
            loaded.
    """

    network: ConvNet
    device: torch.device
    record: FitRecord | None = None

    @property
    def name(self) -> str:
        """Identifies its features next to numbers measured in them."""
        return "judge"

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in one line."""
        return "numbers in the features of this very judge and of as many images; not with published FID"

    def fits(self, images: Images, label_count: int) -> bool:
        """Whether its network fits such images and this number of labels."""
        size = self.network.config
        return (size.image_size, size.image_channels, size.outputs) == (
            images.shape[1], images.shape[3], label_count,
        )  # fmt: skip

    def logits(self, images: Images) -> Float[np.ndarray, "n labels"]:
        """Scores of stored images."""
        return map_images(self._outputs, images, self.device)

    def labels(self, images: Images) -> Int64[np.ndarray, " n"]:
        """The label that the judge assigns to each image."""
        return self.logits(images).argmax(1)

    def features(self, images: Images) -> Float[np.ndarray, "n features"]:
        """The layer before the logits."""
        return map_images(self._features, images, self.device)

    def judge(self, images: Images) -> tuple[Int64[np.ndarray, " n"], Float[np.ndarray, "n features"]]:
        """Labels and features from one pass."""
        features = self.features(images)
        with torch.inference_mode():
            logits = self.network.head(torch.from_numpy(features).to(self.device))
        return logits.argmax(1).cpu().numpy(), features

    def config_json(self) -> dict[str, Any]:
        """The network's size as plain data, which `load_judge` needs in addition to the tensors of `state`."""
        return asdict(self.network.config)


def load_judge(
    config: Mapping[str, Any], state: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> Judge:
    """A judge from the results of `Judge.config_json` and `Judge.state`; raises as `rebuild`."""
    network = rebuild(config, state)
    return Judge(network.to(device).eval().requires_grad_(False), torch.device(device))


def balanced_accuracy(predicted: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"]) -> float:
    """Mean over the labels present of the share of their rows that were predicted correctly."""
    present = np.unique(labels)
    return float(np.mean([(predicted[labels == label] == label).mean() for label in present]))


def train_judge(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    label_count: int,
    config: JudgeConfig | None = None,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> Judge:
    """Trains on rows whose part is `train`, stops and selects by balanced accuracy on `validation`.

    Args:
        images: Stored images, square.
        labels: Label index per row.
        parts: `train`, `validation` or `test` per row; test rows are not used.
        label_count: Labels in all.
        config: How; None for the defaults.
        seed: Random seed.
        device: Where to train and to run afterwards.
        progress: Called after each step with the images it saw.
        keeping: Where an interrupted training is kept; None: nowhere.
    """
    config = config or JudgeConfig()
    train = np.flatnonzero(parts == "train")
    validation = np.flatnonzero(parts == "validation")
    if not len(train) or not len(validation):
        raise ValueError("a judge needs rows in both parts, train and validation")
    drawn_from = balanced(rows_of_labels(train, labels[train], label_count), config.balance)
    held_images, held_labels = images[validation], labels[validation]

    def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows, drawn = drawn_from.draw(size, generator)
        batch = augment(
            to_unit(images[rows]),
            generator,
            symmetry=config.symmetry,
            shift=config.shift,
            contrast=config.contrast,
            brightness=config.brightness,
        )
        return batch, drawn

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=config.smoothing)

    def score(network: ConvNet) -> float:
        return balanced_accuracy(Judge(network, torch.device(device)).labels(held_images), held_labels)

    size = ConvNetConfig(
        images.shape[1], images.shape[3], label_count, config.widths, config.depth, "mean", config.patch
    )
    network, record = fit(
        build(size, seed), draw, loss, score, config.fit, seed=seed, device=device, progress=progress,
        keeping=keeping,
    )  # fmt: skip
    return Judge(network, torch.device(device), record)
