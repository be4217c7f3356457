"""Where the synthetic images that are measured come from: a model, or a folder that anybody's generator filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float32, Int64

from drai_cli.metrics.generation import ModelNetworks, sample
from drai_cli.metrics.mapping import Images


class SampleSource(Protocol):
    """Makes or picks one synthetic image for each of some real ones, with the same label."""

    def draw(self, rows: Int64[np.ndarray, " n"], seed: int) -> Images:
        """Images for these rows of the real set; raises ValueError if there are fewer of a label than asked for."""
        ...

    def most(self, label: int) -> int | None:
        """How many different images of a label there are; None where they never end."""
        ...


@dataclass(frozen=True)
class ModelSource:
    """Samples of a model under the real images' conditions.

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
    """Images that are there already, each drawn once at most.

    Attributes:
        images: Stored images, at the real ones' size.
        labels: Of those.
        row_labels: Label of each row of the real set.
    """

    images: Images
    labels: Int64[np.ndarray, " m"]
    row_labels: Int64[np.ndarray, " rows"]

    def draw(self, rows: Int64[np.ndarray, " n"], seed: int) -> Images:
        generator = np.random.default_rng(seed)
        wanted = self.row_labels[rows]
        chosen = np.empty(len(rows), np.int64)
        for label in np.unique(wanted):
            places, pool = np.flatnonzero(wanted == label), np.flatnonzero(self.labels == label)
            if len(pool) < len(places):
                raise ValueError(f"{len(places)} images of label {label} wanted, {len(pool)} there")
            chosen[places] = generator.permutation(pool)[: len(places)]
        out: np.ndarray = self.images[chosen]
        return out

    def most(self, label: int) -> int | None:
        return int((self.labels == label).sum())


def drawable(
    source: SampleSource, rows: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"]
) -> Int64[np.ndarray, " k"]:
    """Positions within `rows` that the source can serve, the first of each label where there are too few."""
    kept = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        most = source.most(int(label))
        kept.append(places if most is None else places[:most])
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)
