"""Training sets of a classifier: rows by label, how often each label is drawn, and the sets to compare.

Knows nothing of images: labels and counts in, row numbers out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

Counts = Int64[np.ndarray, " labels"]
Kind = Literal["real", "synthetic", "mixed", "rare", "selected", "pretrained"]
REAL, SYNTHETIC, RARE, PRETRAINED, SELECTED = (
    "real", "synthetic", "rare labels filled up", "pretrained on synthetic", "real + selected synthetic",
)  # fmt: skip
"""Names of arms that have no ratio."""
MIXED = "real + synthetic"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Rows to draw from with replacement: first the label, then any of its rows with equal probability.

    Attributes:
        rows: Row numbers of each label.
        share: How often each label is drawn; sums to 1, and is 0 for labels without rows.
    """

    rows: tuple[Int64[np.ndarray, " k"], ...]
    share: Float[np.ndarray, " labels"]

    def draw(self, size: int, generator: torch.Generator) -> tuple[Int64[np.ndarray, " size"], Tensor]:
        """Row numbers and labels `[size]`; labels and positions depend on the generator only, not on the rows."""
        drawn = torch.multinomial(torch.from_numpy(self.share), size, replacement=True, generator=generator)
        places = torch.rand(size, generator=generator).numpy()
        counts = np.array([len(rows) for rows in self.rows])
        starts, labels = np.cumsum(counts) - counts, drawn.numpy()
        within = (places * counts[labels].astype(np.float32)).astype(np.int64)
        return np.concatenate(self.rows)[starts[labels] + within], drawn

    def key(self) -> bytes:
        """Equal for sets that draw the same."""
        return (
            b"".join(part.tobytes() for rows in self.rows for part in (np.array([len(rows)]), rows))
            + self.share.tobytes()
        )


@dataclass(frozen=True, eq=False)
class Arm:
    """One of the training sets to compare: a way of using synthetic images, or none.

    Attributes:
        kind: Which.
        name: Unique among the arms.
        ratio: Requested synthetic images per real image; None where it does not apply.
        set: Rows to draw; rows from the number of real images on belong to the pool of synthetic images.
        real: Different real images per label.
        synthetic: Different synthetic images per label.
        wanted: Requested synthetic images per label; the pool may have fewer.
        first: Rows to draw in the first half of the training; None: those of `set`.
    """

    kind: Kind
    name: str
    ratio: float | None
    set: TrainingSet
    real: Counts
    synthetic: Counts
    wanted: Counts
    first: TrainingSet | None = None

    def key(self) -> bytes:
        """Equal for arms that draw the same."""
        return self.set.key() + (b"" if self.first is None else self.first.key())


def rows_of_labels(
    rows: Int64[np.ndarray, " n"], labels: Int64[np.ndarray, " n"], label_count: int
) -> tuple[Int64[np.ndarray, " k"], ...]:
    """The rows of each label; `labels` are theirs."""
    return tuple(rows[labels == label] for label in range(label_count))


def balanced(rows: Sequence[Int64[np.ndarray, " k"]], balance: float = 1.0) -> TrainingSet:
    """Draws a label of n rows in proportion to n to the power of 1 - `balance`; at 1 all labels equally."""
    counts = _counts(rows)
    share = np.where(counts > 0, counts.clip(1) ** (1 - balance), 0.0)
    return TrainingSet(tuple(rows), share / share.sum())


def small_labels(counts: Counts) -> list[int]:
    """Labels with fewer than half the mean number of images, of those that have any."""
    present = counts[counts > 0]
    return np.flatnonzero((counts > 0) & (counts < present.mean() / 2)).tolist() if len(present) else []


def synthetic_counts(counts: Counts, ratios: Sequence[float], small: Collection[int]) -> Counts:
    """The most synthetic images per label that any arm needs: the size of the pool.

    Args:
        counts: Real training images per label.
        ratios: Of the mixed arms.
        small: The rare labels.
    """
    asked = [_replacing(counts), _filling(counts, small), *(_in_addition(counts, ratio) for ratio in ratios)]
    return np.max(asked, 0)


def make_arms(
    labels: Int64[np.ndarray, " n"],
    rows: Int64[np.ndarray, " train"],
    made_labels: Int64[np.ndarray, " m"],
    label_count: int,
    ratios: Sequence[float],
    small: Collection[int],
    seed: int,
    is_selected: Bool[np.ndarray, " m"] | None = None,
) -> list[Arm]:
    """The sets to compare; every arm draws all labels equally often, so that none differs by balancing alone.

    Contents of each:

    * `real`: the real images. Where an arm below draws a synthetic image, this one draws a real image of the same
      label once more: it is the count-matched duplicate that every other arm is compared with.
    * `synthetic`: as many synthetic images as real ones, the same number of every label.
    * `real + synthetic` at ratio r: the real images and, of every label, r times as many synthetic ones.
    * `rare labels filled up`: the real images, and synthetic ones of the small labels up to the mean count. Left out
      where there is no small label.
    * `real + selected synthetic`: as `real + synthetic` at the largest ratio, with synthetic images that a classifier
      finds neither wrong nor trivial, as far as the pool has them. Left out where there are none, or none were chosen.
    * `pretrained on synthetic`: the synthetic images of `synthetic` in the first half of the steps, the real images
      in the second.

    Args:
        labels: Label per row.
        rows: Training rows.
        made_labels: Labels of the pool of synthetic images.
        label_count: Labels in all; those without a training row are left out of every arm.
        ratios: Synthetic images per real image.
        small: The rare labels.
        seed: Of the choice of synthetic images; larger ratios use the same ones and more.
        is_selected: Images of the pool that `selection.Selection` keeps; None: none were chosen.
    """
    generator = np.random.default_rng(seed)
    real = rows_of_labels(rows, labels[rows], label_count)
    pool = [
        len(labels) + generator.permutation(np.flatnonzero(made_labels == label))
        for label in range(label_count)
    ]
    counts, none = _counts(real), np.zeros(label_count, np.int64)

    def taken(wanted: Counts, pool: Sequence[np.ndarray] = pool) -> tuple[Int64[np.ndarray, " k"], ...]:
        return tuple(each[:count] for each, count in zip(pool, wanted, strict=True))

    def added(
        kind: Kind, name: str, ratio: float | None, wanted: Counts, pool: Sequence[np.ndarray] = pool
    ) -> Arm:
        more = taken(wanted, pool)
        joined = tuple(np.concatenate(both) for both in zip(real, more, strict=True))
        return Arm(kind, name, ratio, balanced(joined), counts, _counts(more), wanted)

    wanted = _replacing(counts)
    alone = taken(wanted)
    arms = [
        Arm("real", REAL, None, balanced(real), counts, none, none),
        Arm("synthetic", SYNTHETIC, None, balanced(alone), none, _counts(alone), wanted),
        *(
            added("mixed", f"{MIXED} {ratio:g}", ratio, _in_addition(counts, ratio))
            for ratio in ratios
        ),
    ]  # fmt: skip
    filling = _filling(counts, small)
    if filling.any():
        arms.append(added("rare", RARE, None, filling))
    if is_selected is not None:
        chosen = [each[is_selected[each - len(labels)]] for each in pool]
        possible = np.minimum(_in_addition(counts, max(ratios)), _counts(chosen))
        if possible.any():
            arms.append(added("selected", SELECTED, max(ratios), possible, chosen))
    first = balanced(alone)
    arms.append(
        Arm("pretrained", PRETRAINED, None, balanced(real), counts, _counts(alone), wanted, first)
    )  # fmt: skip
    return arms


def _replacing(counts: Counts) -> Counts:
    present = counts > 0
    return np.where(present, -(-counts.sum() // max(1, present.sum())), 0)


def _in_addition(counts: Counts, ratio: float) -> Counts:
    return np.ceil(ratio * counts - 1e-9).astype(np.int64)


def _filling(counts: Counts, small: Collection[int]) -> Counts:
    mean = _replacing(counts)
    is_small = np.isin(np.arange(len(counts)), list(small))
    return np.where(is_small & (counts > 0), np.maximum(mean - counts, 0), 0)


def _counts(rows: Sequence[np.ndarray]) -> Counts:
    return np.array([len(each) for each in rows], np.int64)
