"""Fidelity: distances of synthetic images to real ones, compared with those of other real images at the same n.

Arrays and callables in, JSON-able numbers out. The caller chooses the features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from drai_cli.metrics import intervals
from drai_cli.metrics.blur import blurred
from drai_cli.metrics.frechet import frechet_distance, kernel_distance, match_counts
from drai_cli.metrics.manifold import NEIGHBOURS, manifold_rows
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import Extractor
from drai_cli.metrics.source import SampleSource, drawable

LEAST_A_LABEL = 10
"""Fewest images of a label, or of a subgroup, for measures of it."""
_DRAWS = 400
_OF_OTHER = ("precision", "density")  # means over the rows that are not the part's


@dataclass(frozen=True)
class _Side:
    """Features of one side of a comparison, and the groups that its interval resamples."""

    features: Float[np.ndarray, "n d"]
    groups: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> _Side:
        return _Side(self.features[rows], self.groups[rows])


def measure_fidelity(
    extractor: Extractor,
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    source: SampleSource,
    *,
    part: str,
    columns: Mapping[str, np.ndarray] | None = None,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Distances of synthetic and of training images to the part's images, at the same n and class counts.

    Each draw takes images of the part and training images without replacement, as many of each label as the smaller
    side (and the source) has, and synthetic images of the same labels.

    Args:
        extractor: Features to measure in.
        images: Stored images of all parts.
        labels: Of those.
        parts: Of those.
        groups: Of those: intervals resample them.
        source: Of the synthetic images.
        part: Real images to compare with: `test` or `validation`.
        columns: Values by row of columns whose subgroups are measured; empty text where a value is missing.
        draws: Independent draws, over which the Fréchet distance is averaged.
        seed: Of the draws and the bootstrap.

    Returns:
        `frechet`: `samples`, `real` (mean, least and largest over draws, n) and their `ratio`, and of the first draw
        `blurred`, of the same training images after a plain blur: what features have to notice; `kernel`: `samples` and
        `real`, unbiased, with intervals over groups, of the first draw; `manifold`: precision, recall, density and
        coverage of both, of the first draw; `labels`: the same three by label index, of the first draw, for labels
        with `LEAST_A_LABEL` images or more; `subgroups`: by column and value, the share of the subgroup's real images
        with a sample in their neighbourhood (coverage), of `samples` and of `real` others; `extractor`; `draws`.

    Raises:
        ValueError: No label is on all sides.
    """
    rows, train = np.flatnonzero(parts == part), np.flatnonzero(parts == "train")
    features = extractor.features(images[rows])
    values: dict[str, list[float]] = {"samples": [], "real": []}
    first: dict[str, Any] = {}
    by_label: dict[str, Any] = {}
    count, of_blurred = 0, 0.0
    for draw in range(draws):
        chosen, pool = match_counts(labels[rows], labels[train], seed + draw)
        possible = drawable(source, rows[chosen], labels[rows[chosen]])
        chosen, pool = chosen[possible], pool[possible]
        if not len(chosen):
            raise ValueError("no label is among the synthetic, the held-out and the training images")
        count = len(chosen)
        made = source.draw(rows[chosen], seed + 1000 * (draw + 1))
        real = _Side(features[chosen], groups[rows[chosen]])
        others = {
            "samples": _Side(extractor.features(made), np.arange(count)),
            "real": _Side(extractor.features(images[train[pool]]), groups[train[pool]]),
        }
        for name, other in others.items():
            values[name].append(frechet_distance(real.features, other.features))
        if draw == 0:
            first = _compare(real, others, seed)
            by_row = {name: values[rows[chosen]] for name, values in (columns or {}).items()}
            first["subgroups"] = _measure_subgroups(real, others, by_row, seed)
            dull = extractor.features(blurred(images[train[pool]]))
            of_blurred = frechet_distance(real.features, dull)
            of = labels[rows[chosen]]
            for label in np.unique(of):
                mine = np.flatnonzero(of == label)
                if len(mine) >= LEAST_A_LABEL:
                    theirs = {name: other[mine] for name, other in others.items()}
                    frechets = {
                        name: frechet_distance(real[mine].features, other.features)
                        for name, other in theirs.items()
                    }
                    compared = _compare(real[mine], theirs, seed)
                    by_label[str(int(label))] = {"n": len(mine), "frechet": frechets, **compared}
    frechet: dict[str, Any] = {
        name: {"value": float(np.mean(of_draws)), "low": min(of_draws), "high": max(of_draws), "n": count}
        for name, of_draws in values.items()
    }
    frechet["blurred"] = of_blurred
    frechet["ratio"] = frechet["samples"]["value"] / max(frechet["real"]["value"], 1e-12)
    return {"extractor": extractor.name, "draws": draws, "frechet": frechet, **first, "labels": by_label}


def _compare(real: _Side, others: dict[str, _Side], seed: int) -> dict[str, Any]:
    """Kernel distance and manifold measures of either side."""
    kernel, manifold = {}, {}
    for name, other in others.items():
        kernel[name] = kernel_distance(
            real.features, other.features, real.groups, other.groups, seed
        ).to_json()
        manifold[name] = _manifold(real, other, seed)
    return {"kernel": kernel, "manifold": manifold}


def _manifold(real: _Side, other: _Side, seed: int) -> dict[str, Any]:
    """Manifold measures with intervals over the groups of the rows that they are means of.

    With fewer rows than they need, as many neighbours as there can be.
    """
    neighbours = min(NEIGHBOURS, len(real.features) - 1)
    if not neighbours:
        return {}
    weights = {
        len_of: intervals.group_weights(side.groups, seed, _DRAWS)
        for len_of, side in (("other", other), ("real", real))
    }
    return {
        name: intervals.estimate(
            intervals.mean(values), weights["other" if name in _OF_OTHER else "real"]
        ).to_json()
        for name, values in manifold_rows(real.features, other.features, neighbours).items()
    }


def _measure_subgroups(
    real: _Side, others: dict[str, _Side], columns: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Coverage of the real images of each value of each column by samples, and by other real images."""
    neighbours = min(NEIGHBOURS, len(real.features) - 1)
    if not neighbours or not columns:
        return {}
    covered = {
        name: manifold_rows(real.features, other.features, neighbours)["coverage"]
        for name, other in others.items()
    }
    out: dict[str, Any] = {}
    for column, values in columns.items():
        out[column] = {}
        for value in np.unique(values[values != ""]):
            mine = np.flatnonzero(values == value)
            if len(mine) >= LEAST_A_LABEL:
                weights = intervals.group_weights(real.groups[mine], seed, _DRAWS)
                out[column][str(value)] = {
                    name: intervals.estimate(intervals.mean(rows[mine]), weights).to_json()
                    for name, rows in covered.items()
                }
    return out
