"""Swaps of styles between real images: which label and which style the swaps have, and whether swapping back works.

a is the content image, b the style image. Three controls are measured alike: a, b and the reconstruction G(c_a, z_a).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from drai_cli.metrics import intervals
from drai_cli.metrics.factors import FactorRegressor, Factors, factor_table
from drai_cli.metrics.generation import ModelNetworks, encode, generate
from drai_cli.metrics.judge import Judge
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import rows_in_turn


@dataclass(frozen=True)
class Pairs:
    """Rows of both members of each pair: `content` is a, `style` is b."""

    content: Int64[np.ndarray, " pairs"]
    style: Int64[np.ndarray, " pairs"]


@dataclass(frozen=True)
class SwapImages:
    """Swapped and reconstructed images of all pairs.

    Attributes:
        swap: G(c_a, z_b).
        reconstruction: G(c_a, z_a).
        back_a: a after both cycles, from the codes of G(c_a, z_b) and G(c_b, z_a).
        back_b: b after both cycles.
    """

    swap: Images
    reconstruction: Images
    back_a: Images
    back_b: Images


def choose_pairs(labels: Int64[np.ndarray, " n"], count: int, seed: int) -> Pairs:
    """Pairs of rows with different labels, each ordered pair of labels equally often.

    Within a label, rows are used in turn in random order, so that the rows of a rare label are used equally often.
    The count is rounded up to a multiple of the number of ordered label pairs.
    """
    generator = np.random.default_rng(seed)
    present = np.unique(labels)
    if len(present) < 2:
        raise ValueError("pairs need at least two labels")
    combinations = [(a, b) for a in present for b in present if a != b]
    each = -(-count // len(combinations))

    length = each * (len(present) - 1)
    as_content, as_style = (
        {
            label: iter(rows_in_turn(np.flatnonzero(labels == label), length, generator).reshape(-1, each))
            for label in present
        }
        for _ in range(2)
    )
    content = np.concatenate([next(as_content[a]) for a, _ in combinations])
    style = np.concatenate([next(as_style[b]) for _, b in combinations])
    return Pairs(content.astype(np.int64), style.astype(np.int64))


def swap_images(
    networks: ModelNetworks,
    images: Images,
    conditions: Float[np.ndarray, "n t"],
    pairs: Pairs,
    device: torch.device | str = "cpu",
    *,
    cycle: bool = True,
) -> SwapImages:
    """Generates swaps, reconstructions and (with `cycle`) the images swapped back from the codes of the swaps."""
    dtype = images.dtype
    used, inverse = np.unique(np.concatenate([pairs.content, pairs.style]), return_inverse=True)
    codes = encode(networks, images[used], conditions[used], device)
    a, b = np.split(inverse, 2)
    first = np.unique(a)
    made = generate(networks, codes.content[first], codes.style[first], dtype, device)
    reconstruction = made[np.searchsorted(first, a)]
    swap = generate(networks, codes.content[a], codes.style[b], dtype, device)
    if not cycle:
        return SwapImages(swap, reconstruction, swap[:0], swap[:0])
    other = generate(networks, codes.content[b], codes.style[a], dtype, device)
    of_swap = encode(networks, swap, conditions[pairs.content], device)
    of_other = encode(networks, other, conditions[pairs.style], device)
    back_a = generate(networks, of_swap.content, of_other.style, dtype, device)
    back_b = generate(networks, of_other.content, of_swap.style, dtype, device)
    return SwapImages(swap, reconstruction, back_a, back_b)


def frame_colour(images: Images) -> Float[np.ndarray, "n c"]:
    """Mean colour of the outer eighth of the frame: the band along the edge, an eighth of the side wide."""
    height, width = images.shape[1:3]
    band = np.ones((height, width), bool)
    band[height // 8 : height - height // 8, width // 8 : width - width // 8] = False
    colour: np.ndarray = images[:, band].mean(1, dtype=np.float64)
    return colour


def measure_swaps(
    made: SwapImages,
    images: Images,
    labels: Int64[np.ndarray, " n"],
    groups: np.ndarray,
    pairs: Pairs,
    judge: Judge,
    *,
    regressor: FactorRegressor | None = None,
    factors: Factors | None = None,
    seed: int,
) -> dict[str, Any]:
    """All swap measures with intervals over groups.

    Args:
        made: From `swap_images`.
        images: The real images that `pairs` refers to.
        labels: Of those images.
        groups: Of those images.
        pairs: a and b of each swap.
        judge: Trained on real training images.
        regressor: Predicts factors from images; None where none are known.
        factors: True factors of `images`; None where none are known.
        seed: Of the bootstrap.

    Returns:
        `rows`: for `swap`, `a`, `b` and `reconstruction` each `kept` (share that the judge assigns a's label, mean over
            a's labels), `leaked` (share with b's label), `followed` and `leftover` (correlation of the frame's colour
            with b's and with a's, mean over channels) and `factors`. The `kept` and `leaked` of row `a` are the
            baselines. Per factor: `r2_b` and `r2_a`, 1 - residual/total of the predicted factors with respect to the
            true ones of b and a; `r2_b_linear` and `r2_a_linear`, the squared correlation, which ignores scale and
            so is stricter for a.
        `cifc`: see `consistency`.
    """
    a, b = pairs.content, pairs.style
    weights = intervals.pair_weights(groups[a], groups[b], seed)
    rows: dict[str, Any] = {}
    features: dict[str, np.ndarray] = {}
    used, inverse = np.unique(np.concatenate([a, b]), return_inverse=True)
    real_labels, real_features = judge.judge(images[used])
    of_a, of_b = np.split(inverse, 2)
    real_factors = regressor.predict(images[used]) if regressor else None
    colours = frame_colour(images[used])
    for name, shown, index in (
        ("swap", made.swap, None),
        ("a", None, of_a),
        ("b", None, of_b),
        ("reconstruction", made.reconstruction, None),
    ):
        if shown is None:
            predicted, features[name], colour = real_labels[index], real_features[index], colours[index]
        else:
            predicted, features[name] = judge.judge(shown)
            colour = frame_colour(shown)
        rows[name] = {
            "kept": _json(intervals.macro_mean(predicted == labels[a], labels[a]), weights),
            "leaked": _json(intervals.macro_mean(predicted == labels[b], labels[a]), weights),
            "followed": _json(intervals.correlation(colour, colours[of_b]), weights),
            "leftover": _json(intervals.correlation(colour, colours[of_a]), weights),
        }
        if regressor is not None and factors is not None and real_factors is not None:
            read = real_factors[index] if shown is None else regressor.predict(shown)
            rows[name]["factors"] = _factor_rows(read, factors, a, b, weights)
    out: dict[str, Any] = {"pairs": len(a), "rows": rows}
    if len(made.back_a):
        out["cifc"] = consistency(made, images, pairs, judge, features, weights)
    return out


def consistency(
    made: SwapImages,
    images: Images,
    pairs: Pairs,
    judge: Judge,
    features: dict[str, np.ndarray],
    weights: intervals.Weights,
) -> dict[str, Any]:
    """Cross-image feature consistency: mean L1 between the images swapped back and the originals, both sides averaged.

    Compared with the distance of the reconstruction, and with that between a and b as the scale. A model with all
    information in one code undoes every swap: the number is meaningful only where `kept` and `followed` are good.

    Returns:
        `features` (judge's penultimate) and `pixels` (0..1), each with `twice_swapped`, `reconstruction`,
        `a_to_b`.
    """
    a, b = images[pairs.content], images[pairs.style]
    back = judge.features(made.back_a), judge.features(made.back_b)
    peak = float(np.iinfo(images.dtype).max)
    real_a, real_b = features["a"], features["b"]
    distances = {
        "features": {
            "twice_swapped": (_l1(back[0], real_a) + _l1(back[1], real_b)) / 2,
            "reconstruction": _l1(features["reconstruction"], real_a),
            "a_to_b": _l1(real_a, real_b),
        },
        "pixels": {
            "twice_swapped": (_l1(made.back_a, a, peak) + _l1(made.back_b, b, peak)) / 2,
            "reconstruction": _l1(made.reconstruction, a, peak),
            "a_to_b": _l1(a, b, peak),
        },
    }
    return {
        space: {name: _json(intervals.mean(values), weights) for name, values in by_name.items()}
        for space, by_name in distances.items()
    }


def _factor_rows(
    read: np.ndarray, factors: Factors, a: np.ndarray, b: np.ndarray, weights: intervals.Weights
) -> dict[str, Any]:
    names, table = factor_table(factors)
    out: dict[str, Any] = {}
    for column, name in enumerate(names):
        entry: dict[str, Any] = {}
        for side, rows in (("b", b), ("a", a)):
            true, predicted = table[rows, column], read[:, column]
            entry[f"r2_{side}"] = _json(intervals.explained(predicted, true), weights)
            linear = intervals.correlation(predicted[:, None], true[:, None])
            entry[f"r2_{side}_linear"] = _json(lambda w, linear=linear: linear(w) ** 2, weights)
        out[name] = entry
    return out


def _json(statistic: Any, weights: intervals.Weights) -> dict[str, float | int]:
    return intervals.estimate(statistic, weights).to_json()


def _l1(left: np.ndarray, right: np.ndarray, scale: float = 1.0) -> np.ndarray:
    gap = np.abs(left.astype(np.float32) - right.astype(np.float32)).reshape(len(left), -1)
    out: np.ndarray = gap.mean(1) / scale
    return out
