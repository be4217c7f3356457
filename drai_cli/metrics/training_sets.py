"""Training sets of a classifier: rows by label, how often each label is drawn, and the sets to compare.

Knows nothing of images: labels and counts in, row numbers out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

Counts = Int64[np.ndarray, " labels"]
Kind = Literal["real", "oversampled", "synthetic", "real + synthetic"]


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
    """One of the training sets to compare.

    Attributes:
        kind: Which.
        ratio: Requested synthetic images per real image; None where it does not apply.
        set: Rows to draw; rows from the number of real images on belong to the pool of synthetic images.
        real: Different real images per label.
        synthetic: Different synthetic images per label.
        wanted: Requested synthetic images per label; the pool may have fewer.
    """

    kind: Kind
    ratio: float | None
    set: TrainingSet
    real: Counts
    synthetic: Counts
    wanted: Counts

    @property
    def name(self) -> str:
        return self.kind if self.ratio is None else f"{self.kind} {self.ratio:g}"


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


def fill_up(counts: Counts, total: int) -> Counts:
    """How many to add to each label when `total` are added, smallest labels first.

    The smallest is raised to the next one's count, both together to the third's, and so on, so that all labels that
    gain end at one count; a remainder that cannot be divided evenly is left out. Labels without rows gain nothing.
    """
    present = np.flatnonzero(counts)
    present = present[np.argsort(counts[present], kind="stable")]
    ascending = counts[present]
    with_smallest = total + np.cumsum(ascending)  # in the k smallest labels, if all went there
    reached = np.flatnonzero(ascending * np.arange(1, len(present) + 1) <= with_smallest)[-1]
    added = np.zeros_like(counts)
    added[present[: reached + 1]] = with_smallest[reached] // (reached + 1) - ascending[: reached + 1]
    return added


def synthetic_counts(counts: Counts, ratios: Sequence[float]) -> Counts:
    """The most synthetic images per label that any arm needs: the size of the pool.

    Args:
        counts: Real training images per label.
        ratios: Of the arms.
    """
    asked = [_replacing(counts), *(_in_addition(counts, ratio) for ratio in ratios)]
    return np.max(asked, 0)


def make_arms(
    labels: Int64[np.ndarray, " n"],
    rows: Int64[np.ndarray, " train"],
    made_labels: Int64[np.ndarray, " m"],
    label_count: int,
    ratios: Sequence[float],
    seed: int,
) -> list[Arm]:
    """The sets to compare, `real` and `synthetic` first, then `oversampled` and `real + synthetic` per ratio.

    Contents of each, and how often each label is drawn:

    * `real`: real images, all labels equally often.
    * `synthetic`: as many synthetic images as real ones, the same number of every label; all labels equally often.
    * `real + synthetic` at ratio r: the real images and r times as many synthetic ones, which go to the smallest
      labels first (`fill_up`). Every image is drawn equally often, and so a label in proportion to its share of this
      set: with small ratios, large labels stay more frequent.
    * `oversampled` at ratio r: real images only, with the label frequencies of `real + synthetic` at r: images of small
      labels are repeated. It differs from `real` in label frequencies, and from `real + synthetic` only in that a
      small label's draws repeat few real images instead of adding synthetic ones. So the gain of `real + synthetic`
      over it is not an effect of balancing the labels.

    Args:
        labels: Label per row.
        rows: Training rows.
        made_labels: Labels of the pool of synthetic images.
        label_count: Labels in all; those without a training row are left out of every arm.
        ratios: Synthetic images per real image.
        seed: Of the choice of synthetic images; larger ratios use the same ones and more.
    """
    generator = np.random.default_rng(seed)
    real = rows_of_labels(rows, labels[rows], label_count)
    pool = [
        len(labels) + generator.permutation(np.flatnonzero(made_labels == label))
        for label in range(label_count)
    ]
    counts, none = _counts(real), np.zeros(label_count, np.int64)

    def taken(wanted: Counts) -> tuple[Int64[np.ndarray, " k"], ...]:
        return tuple(each[:count] for each, count in zip(pool, wanted, strict=True))

    wanted = _replacing(counts)
    alone = taken(wanted)
    arms = [
        Arm("real", None, balanced(real), counts, none, none),
        Arm("synthetic", None, balanced(alone), none, _counts(alone), wanted),
    ]
    for ratio in ratios:
        wanted = _in_addition(counts, ratio)
        added = taken(wanted)
        joined = tuple(np.concatenate(both) for both in zip(real, added, strict=True))
        share = _counts(joined) / _counts(joined).sum()
        arms += [
            Arm("oversampled", ratio, TrainingSet(real, share), counts, none, none),
            Arm("real + synthetic", ratio, TrainingSet(joined, share), counts, _counts(added), wanted),
        ]
    return arms


def _replacing(counts: Counts) -> Counts:
    present = counts > 0
    return np.where(present, -(-counts.sum() // max(1, present.sum())), 0)


def _in_addition(counts: Counts, ratio: float) -> Counts:
    return fill_up(counts, round(ratio * int(counts.sum())))


def _counts(rows: Sequence[np.ndarray]) -> Counts:
    return np.array([len(each) for each in rows], np.int64)
