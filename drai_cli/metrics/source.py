"""The source of the synthetic images: a model, or a folder of images from any generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float32, Int64

from drai_cli.metrics.generation import ModelNetworks, sample
from drai_cli.metrics.mapping import Images


class SampleSource(Protocol):
    """Generates or picks one synthetic image for each of some real ones, with the same label."""

    def draw(self, rows: Int64[np.ndarray, " n"], seed: int) -> Images:
        """Images for these rows of the real set; raises ValueError if there are too few of a label."""
        ...

    def most(self, label: int) -> int | None:
        """How many different images of a label there are; None for any number."""
        ...


@dataclass(frozen=True)
class ModelSource:
    """Samples of a model with the real images' conditions.

    Attributes:
        networks: In eval mode.
        conditions: Condition vector of each row of the real set.
        style_dim: Of the model.
        dtype: Of stored images.
        device: Where the networks are.
    """

    networks: ModelNetworks
    conditions: Float32[np.ndarray, "rows t"]
    style_dim: int
    dtype: np.dtype[np.generic]
    device: torch.device | str = "cpu"

    def draw(self, rows: Int64[np.ndarray, " n"], seed: int) -> Images:
        return sample(
            self.networks, self.conditions[rows], self.style_dim, self.dtype, seed=seed, device=self.device
        )

    def most(self, label: int) -> int | None:
        return None


@dataclass(frozen=True)
class FolderSource:
    """Existing images, each drawn at most once.

    Attributes:
        images: Stored images, at the real ones' size.
        labels: Of those.
        row_labels: Label of each row of the real set.
    """

    images: Images
    labels: Int64[np.ndarray, " m"]
    row_labels: Int64[np.ndarray, " rows"]

    def draw(self, rows: Int64[np.ndarray, " n"], seed: int) -> Images:
        out: np.ndarray = self.images[self.pick(rows, seed)]
        return out

    def pick(self, rows: Int64[np.ndarray, " n"], seed: int) -> Int64[np.ndarray, " n"]:
        """Which of the images `draw` gives for these rows."""
        generator = np.random.default_rng(seed)
        wanted = self.row_labels[rows]
        chosen = np.empty(len(rows), np.int64)
        for label in np.unique(wanted):
            places, pool = np.flatnonzero(wanted == label), np.flatnonzero(self.labels == label)
            if len(pool) < len(places):
                raise ValueError(f"expected {len(places)} images of label {label}, got {len(pool)}")
            chosen[places] = generator.permutation(pool)[: len(places)]
        return chosen

    def most(self, label: int) -> int | None:
        return int((self.labels == label).sum())


_LARGEST_KEPT = 1 << 26  # bytes of a draw: 5,000 colour images of 64 px


class RememberedSource:
    """A source whose last draws are kept: several measures look at the same samples.

    Args:
        source: Draws them.
        most: Draws to keep.
    """

    def __init__(self, source: SampleSource, most: int = 4) -> None:
        self.source, self.most_kept = source, most
        self.kept: dict[tuple[bytes, int], Images] = {}

    def draw(self, rows: Int64[np.ndarray, " n"], seed: int) -> Images:
        key = rows.tobytes(), seed
        if key in self.kept:
            return self.kept[key]
        images = self.source.draw(rows, seed)
        if images.nbytes <= _LARGEST_KEPT:
            while len(self.kept) >= self.most_kept:
                del self.kept[next(iter(self.kept))]
            self.kept[key] = images
        return images

    def most(self, label: int) -> int | None:
        return self.source.most(label)


def drawable(
    source: SampleSource, rows: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"]
) -> Int64[np.ndarray, " k"]:
    """Positions within `rows` for which the source has images; the first of each label where there are too few."""
    positions = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        most = source.most(int(label))
        positions.append(places if most is None else places[:most])
    return np.sort(np.concatenate(positions)) if positions else np.zeros(0, np.int64)
