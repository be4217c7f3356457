"""Measures of samples from the prior: label agreement, spread, Fréchet and kernel distance beside real against real.

Arrays and callables in, JSON-able numbers out.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Integer

from drai_cli.metrics import intervals
from drai_cli.metrics.frechet import frechet_distance, kernel_distance, match_counts
from drai_cli.metrics.generation import ModelNetworks, sample
from drai_cli.metrics.judge import Judge
from drai_cli.metrics.manifold import NEIGHBOURS, measure_manifold

Images = Integer[np.ndarray, "n h w c"]


class Extractor(Protocol):
    """Turns stored images into features for distances and spread; its name stands beside every number."""

    @property
    def name(self) -> str: ...
    def features(self, images: Images) -> Float[np.ndarray, "n d"]: ...


def rows_per_label(
    labels: Int64[np.ndarray, " n"], each: int, seed: int, *, again: bool = True
) -> Int64[np.ndarray, " k"]:
    """`each` rows of every label in turn; rows of rare labels come `again` and again, or there are fewer of them."""
    generator = np.random.default_rng(seed)
    out = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        turns = -(-each // len(rows)) if again else 1
        rounds = [generator.permutation(rows) for _ in range(turns)]
        out.append(np.concatenate(rounds)[:each])
    return np.concatenate(out)


def measure_agreement(
    judge: Judge,
    made: Images,
    made_labels: Int64[np.ndarray, " n"],
    own: intervals.Estimate,
    seed: int,
) -> dict[str, Any]:
    """Balanced accuracy of the judge on samples against the labels asked for, and the share right per label.

    Args:
        judge: Trained on real training images.
        made: Samples.
        made_labels: Labels they were asked for.
        own: The judge's balanced accuracy on real images, the baseline.
        seed: Of the bootstrap.
    """
    said = judge.labels(made)
    weights = intervals.group_weights(np.arange(len(made)), seed)
    found = intervals.estimate(intervals.macro_mean(said == made_labels, made_labels), weights)
    by_label = {str(int(k)): float((said[made_labels == k] == k).mean()) for k in np.unique(made_labels)}
    ratio = found.value / max(own.value, 1e-9)
    return {**found.to_json(), "labels": by_label, "real": own.to_json(), "ratio": ratio}


def measure_distance(
    source: Extractor,
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    networks: ModelNetworks,
    conditions: Float32[np.ndarray, "n t"],
    style_dim: int,
    *,
    part: str,
    draws: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """Distances of samples to the part's images, beside training images' at the same n and class counts.

    Each draw takes from part and training images, without replacement, as many of each label as the smaller
    side has, and samples for the same conditions.

    Returns:
        `frechet`: `samples`, `real` (mean, least and largest over draws, n) and their `ratio`; `kernel`:
            `samples` and `real`, unbiased, with intervals over groups, of the first draw; `manifold`: precision,
            recall, density and coverage of both, of the first draw; `extractor`.
    """
    rows, train = np.flatnonzero(parts == part), np.flatnonzero(parts == "train")
    features = source.features(images[rows])
    values: dict[str, list[float]] = {"samples": [], "real": []}
    kernels, manifolds = {}, {}
    count = 0
    for draw in range(draws):
        chosen, pool = match_counts(labels[rows], labels[train], seed + draw)
        asked, other, count = conditions[rows[chosen]], train[pool], len(chosen)
        made = sample(networks, asked, style_dim, images.dtype, seed=seed + 1000 * (draw + 1), device=device)
        for name, theirs, their_groups in (
            ("samples", source.features(made), np.arange(count)),
            ("real", source.features(images[other]), groups[other]),
        ):
            values[name].append(frechet_distance(features[chosen], theirs))
            if draw == 0:
                mine = groups[rows[chosen]]
                kernels[name] = kernel_distance(features[chosen], theirs, mine, their_groups, seed).to_json()
                manifolds[name] = _manifold(features[chosen], theirs)
    frechet: dict[str, Any] = {
        name: {"value": float(np.mean(found)), "low": min(found), "high": max(found), "n": count}
        for name, found in values.items()
    }
    frechet["ratio"] = frechet["samples"]["value"] / max(frechet["real"]["value"], 1e-12)
    return {
        "extractor": source.name, "draws": draws, "frechet": frechet, "kernel": kernels, "manifold": manifolds,
    }  # fmt: skip


def _manifold(real: Float[np.ndarray, "n d"], other: Float[np.ndarray, "n d"]) -> dict[str, float]:
    """`measure_manifold`; with fewer rows than it needs, as many neighbours as there can be."""
    neighbours = min(NEIGHBOURS, len(real) - 1)
    return {**measure_manifold(real, other, neighbours), "neighbours": neighbours} if neighbours else {}
