"""The classifier that compares training sets: its options, and its training on a set of rows.

Arrays in, logits out. Knows nothing of what the rows were chosen for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, build, patch_for, precision
from drai_cli.metrics.fitting import FitConfig, fit
from drai_cli.metrics.judge import balanced_accuracy
from drai_cli.metrics.mapping import Images, map_images
from drai_cli.metrics.symmetries import Symmetry, augment
from drai_cli.metrics.training_sets import Arm
from drai_cli.model.pixels import to_unit


@dataclass(frozen=True)
class UsefulnessConfig:
    """How the classifiers are trained; the same for every arm.

    Attributes:
        images: Images seen per training. At 64 px 24,000 take a quarter of a minute on one core.
        batch_size: Images per step.
        seeds: Classifiers per arm.
        ratios: Synthetic images per real image of the mixed arms.
        widths: Channels per stage of the net.
        largest: Images with longer sides are averaged down to this many pixels, to save time; raise it together with
            the budget where labels differ in detail.
        symmetry: Flips and rotations that keep images plausible: `none`, `flip` or `dihedral`.
        turn_degrees: Largest rotation in augmentation, in addition to the symmetry's quarter turns.
        rate: Peak learning rate.
        smoothing: Label smoothing.
        looks: Validations per training; the best of the validated networks is tested.
    """

    images: int = 24_000
    batch_size: int = 128
    seeds: int = 3
    ratios: tuple[float, ...] = (0.25, 0.5, 1.0)
    widths: tuple[int, ...] = (32, 64, 128)
    largest: int = 64
    symmetry: Symmetry = "none"
    turn_degrees: float = 10.0
    rate: float = 3e-3
    smoothing: float = 0.05
    looks: int = 6

    @property
    def images_seen(self) -> int:
        """Images that each training really sees: whole batches, at least one."""
        return max(1, self.images // self.batch_size) * self.batch_size

    def fit_config(self) -> FitConfig:
        """The whole budget for every arm: early stopping would give some arms fewer steps."""
        every = max(self.batch_size, self.images // self.looks)
        return FitConfig(self.images, self.batch_size, self.rate, check_every=every, patience=self.images + 1)


class Trainer:
    """Trains a classifier on a training set and applies it to the test images."""

    def __init__(
        self,
        images: Images,
        made: Images,
        labels: Int64[np.ndarray, " n"],
        held: Int64[np.ndarray, " k"],
        label_count: int,
        config: UsefulnessConfig,
        device: torch.device | str,
    ) -> None:
        self.images, self.made = images, made
        self.held, self.held_images, self.held_labels = held, images[held], labels[held]
        self.config, self.device = config, device
        self.side = min(images.shape[1], config.largest)
        self.size = ConvNetConfig(
            self.side, images.shape[3], label_count, config.widths, patch=patch_for(self.side)
        )

    def train(
        self, arm: Arm, seed: int, tests: Sequence[Images], progress: Callable[[int], None] | None = None
    ) -> list[Float[np.ndarray, "n labels"]]:
        """Logits of each of the sets of test images; `progress` is called after each step with the images it saw."""
        seen = 0

        def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
            nonlocal seen
            is_first_half = seen < self.config.images_seen // 2
            rows = arm.first if arm.first is not None and is_first_half else arm.set
            seen += size
            chosen, drawn = rows.draw(size, generator)
            batch = augment(
                self._batch(chosen),
                generator,
                symmetry=self.config.symmetry,
                turn_degrees=self.config.turn_degrees,
                shift=max(1, self.side // 16),
            )
            return batch, self.targets(chosen, drawn)

        network, _ = fit(
            build(self.size, seed), draw, self.loss, self.score, self.config.fit_config(), seed=seed,
            device=self.device, progress=progress,
        )  # fmt: skip
        return [self.logits(network, test) for test in tests]

    def targets(self, rows: Int64[np.ndarray, " b"], drawn: Tensor) -> Tensor:
        """What the network learns of these rows; `drawn` are their labels."""
        return drawn

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=self.config.smoothing)

    def score(self, network: ConvNet) -> float:
        """What the best network is chosen by, on the rows held for it."""
        return balanced_accuracy(self.logits(network, self.held_images).argmax(1), self.held_labels)

    def _batch(self, rows: Int64[np.ndarray, " b"]) -> Float[Tensor, "b c h w"]:
        """Real and synthetic images in the order of `rows`."""
        is_made = rows >= len(self.images)
        batch = torch.empty(len(rows), self.images.shape[3], self.side, self.side)
        for chosen, source, first in (~is_made, self.images, 0), (is_made, self.made, len(self.images)):
            if chosen.any():
                batch[torch.from_numpy(chosen)] = self._shrunk(to_unit(source[rows[chosen] - first]))
        return batch

    def _shrunk(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c side side"]:
        if images.shape[-1] == self.side:
            return images
        return F.interpolate(images, (self.side, self.side), mode="area")

    def logits(self, network: ConvNet, images: Images) -> Float[np.ndarray, "n labels"]:
        """Outputs of a network for stored images."""

        def forward(batch: Tensor) -> Tensor:
            with precision(self.device):
                features = network.features(self._shrunk(batch))
            out: Tensor = network.head(features)
            return out

        return map_images(forward, images, self.device)
