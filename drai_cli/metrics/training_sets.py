"""What a classifier is trained on: rows by label, how often each label is drawn, and the sets that are compared.

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
    """Rows to draw from, with replacement: first the label, then any of its rows alike.

    Attributes:
        rows: Row numbers of each label.
        share: How often each label is drawn; sums to 1, and is 0 for labels without rows.
    """

    rows: tuple[Int64[np.ndarray, " k"], ...]
    share: Float[np.ndarray, " labels"]

    def draw(self, size: int, generator: torch.Generator) -> tuple[Int64[np.ndarray, " size"], Tensor]:
        """Row numbers and labels `[size]`. Labels and places come from the generator alone, whatever the rows."""
        drawn = torch.multinomial(torch.from_numpy(self.share), size, replacement=True, generator=generator)
        places = torch.rand(size, generator=generator).numpy()
        counts = np.array([len(rows) for rows in self.rows])
        starts, labels = np.cumsum(counts) - counts, drawn.numpy()
        within = (places * counts[labels].astype(np.float32)).astype(np.int64)
        return np.concatenate(self.rows)[starts[labels] + within], drawn

    def key(self) -> bytes:
        """The same for sets that draw the same."""
        return (
            b"".join(part.tobytes() for rows in self.rows for part in (np.array([len(rows)]), rows))
            + self.share.tobytes()
        )


@dataclass(frozen=True, eq=False)
class Arm:
    """One of the training sets that are compared.

    Attributes:
        kind: Which.
        ratio: Synthetic images over real ones in all that were asked for; None where there is none.
        set: What is drawn; rows from the number of real images on are those of the pool of synthetic ones.
        real: Different real images per label.
        synthetic: Different synthetic images per label.
        wanted: Synthetic images per label that were asked for; the pool may have had fewer.
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
    """Draws a label of n rows as often as n to the power of 1 - `balance` says: at 1 all labels alike."""
    counts = np.array([len(found) for found in rows])
    share = np.where(counts > 0, counts.clip(1) ** (1 - balance), 0.0)
    return TrainingSet(tuple(rows), share / share.sum())


def fill_up(counts: Counts, total: int) -> Counts:
    """How many to add to each label when `total` are added and the smallest labels are filled first.

    The smallest is raised to the next one's count, both together to the third's, and so on, so that all that
    gain anything end at one count; the few that cannot be shared out evenly are left out. Labels with nothing
    gain nothing.
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
    """Synthetic images per label that no arm asks more than: what a pool should hold.

    Args:
        counts: Real training images per label.
        ratios: Of the arms.
    """
    asked = [_in_place_of(counts), *(_beside(counts, ratio) for ratio in ratios)]
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

    What each is drawn from, and how often each label comes:

    * `real`: real images, every label alike.
    * `synthetic`: as many synthetic images as there are real ones, the same number of every label; every label alike.
    * `real + synthetic` at ratio r: the real images and r times as many synthetic ones, which go to the smallest
      labels first (`fill_up`). Every image comes alike, so a label comes as often as its share of this set says:
      small ratios leave large labels the more frequent ones.
    * `oversampled` at ratio r: real images alone, the labels as frequent as in `real + synthetic` at r, because the
      images of small labels are repeated as often as that takes. It differs from `real` in how frequent labels
      are, and from `real + synthetic` only in that a small label's draws are repeats of few real images and not
      new synthetic ones: so what that one gains over this one is not the gain of evening out the labels.

    Args:
        labels: Label per row.
        rows: Training rows.
        made_labels: Labels of the pool of synthetic images.
        label_count: Labels in all; those without a training row are left out of every arm.
        ratios: Synthetic images over real ones.
        seed: Of which synthetic images are taken; larger ratios take the same and more.
    """
    generator = np.random.default_rng(seed)
    real = rows_of_labels(rows, labels[rows], label_count)
    pool = [
        len(labels) + generator.permutation(np.flatnonzero(made_labels == label))
        for label in range(label_count)
    ]
    counts, none = _counts(real), np.zeros(label_count, np.int64)

    def taken(wanted: Counts) -> tuple[Int64[np.ndarray, " k"], ...]:
        return tuple(found[:count] for found, count in zip(pool, wanted, strict=True))

    wanted = _in_place_of(counts)
    alone = taken(wanted)
    arms = [
        Arm("real", None, balanced(real), counts, none, none),
        Arm("synthetic", None, balanced(alone), none, _counts(alone), wanted),
    ]
    for ratio in ratios:
        wanted = _beside(counts, ratio)
        added = taken(wanted)
        joined = tuple(np.concatenate(both) for both in zip(real, added, strict=True))
        share = _counts(joined) / _counts(joined).sum()
        arms += [
            Arm("oversampled", ratio, TrainingSet(real, share), counts, none, none),
            Arm("real + synthetic", ratio, TrainingSet(joined, share), counts, _counts(added), wanted),
        ]
    return arms


def _in_place_of(counts: Counts) -> Counts:
    present = counts > 0
    return np.where(present, -(-counts.sum() // max(1, present.sum())), 0)


def _beside(counts: Counts, ratio: float) -> Counts:
    return fill_up(counts, round(ratio * int(counts.sum())))


def _counts(rows: Sequence[np.ndarray]) -> Counts:
    return np.array([len(found) for found in rows], np.int64)
