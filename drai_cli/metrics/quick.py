"""Quick measures of a model during training: shown at each tick, and used to choose the best snapshot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, Int64

from drai_cli.metrics.appearance import appearance_distance, describe_appearance
from drai_cli.metrics.frechet import distance_from_halves, frechet_distance
from drai_cli.metrics.generation import ModelNetworks, sample, style_dim_of
from drai_cli.metrics.intervals import estimate, group_weights, macro_mean
from drai_cli.metrics.judge import Judge, balanced_accuracy
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import rows_per_label
from drai_cli.metrics.swaps import choose_pairs, measure_swaps, swap_images
from drai_cli.metrics.texture import BANDS, texture_of

MEASURING_STEPS = 3
"""How often `quick_measure` calls `progress(1)`: after the samples, their measures, and the swaps."""
_FEW = 2000
"""Most images for which the judge's interval is computed; with more it is narrow, and needs much memory."""


def quick_measure(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    groups: np.ndarray,
    networks: ModelNetworks,
    conditions: Float32[np.ndarray, "n t"],
    judge: Judge,
    *,
    count: int = 420,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, float]:
    """Measures in seconds, during training; pass only the validation rows.

    Args:
        images: Validation images.
        labels: Of those images.
        groups: Of those images.
        networks: The averaged networks, in eval mode.
        conditions: Of those images.
        judge: Already trained; the same one at every tick.
        count: Samples, and pairs to swap.
        seed: The same at every tick, so that ticks are comparable.
        device: Where the networks are.
        progress: Called with 1 after each of `MEASURING_STEPS`.

    Returns:
        `agreement`, `agreement_ratio` (relative to the judge's on real images) and `frechet` in the judge's features;
        `frechet_real`, the distance between two halves of the real images, and `frechet_matched`, that of a half from
        as many samples of the other half's labels: with few images every distance is large, so only these two can be
        compared; `frechet_images`, the images per side of these two; `power_coarse`, `power_middle` and
        `power_fine`, the power of texture relative to that of real images, 1 being as real; the baselines of
        agreement: `judge`, the judge's balanced accuracy on the real images, `judge_low`, the lower end of its 95 %
        interval where there are few images, and `chance`. With an encoder also `kept`, `kept_of_a` (the judge on the
        real images), `kept_ratio`, `leaked`, `followed`, `leftover`, as in `measure_swaps`. `appearance`: a distance
        in light, colour and texture by a fixed formula, relative to that between two halves of the real images.
        `score`, higher is better: the mean of agreement ratio, kept ratio and followed minus leftover (those that
        exist), minus 0.1 log(1 + distance / distance between the halves) for the judge's features, and the same for
        appearance. The judge alone would choose swirls of the right colours.
    """
    chosen = rows_per_label(labels, -(-count // len(np.unique(labels))), seed)
    style_dim = style_dim_of(networks, images[:1], device)
    made = sample(networks, conditions[chosen], style_dim, images.dtype, seed=seed, device=device)
    progress(1)
    made_predicted, made_features = judge.judge(made)
    predicted, features = judge.judge(images)
    own = balanced_accuracy(predicted, labels)
    agreement = balanced_accuracy(made_predicted, labels[chosen])
    order = np.random.default_rng(seed).permutation(len(images))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    real_distance = frechet_distance(features[halves[0]], features[halves[1]])
    balanced = features[chosen]
    distance = frechet_distance(balanced, made_features)
    out = {"agreement": agreement, "judge": own, "chance": 1 / len(np.unique(labels))}
    if len(labels) <= _FEW:
        low = estimate(macro_mean(predicted == labels, labels), group_weights(groups, seed)).low
        out |= {"judge_low": low} if np.isfinite(low) else {}
    out |= {"agreement_ratio": agreement / max(own, 1e-9), "frechet": distance, "frechet_real": real_distance}
    like = [rows_like(labels[half], labels[chosen]) for half in halves]
    out["frechet_images"] = float(min(map(len, halves)))
    out["frechet_matched"] = distance_from_halves(features, halves, made_features, like)
    out |= power_ratios(made, images[chosen])
    out["appearance"] = _appearance_ratio(images, chosen, halves, made)
    parts = [min(out["agreement_ratio"], 1.0)]
    progress(1)
    if networks.encoder is not None:
        pairs = choose_pairs(labels, count, seed)
        swapped = swap_images(networks, images, conditions, pairs, device, cycle=False)
        rows = measure_swaps(swapped, images, labels, groups, pairs, judge, seed=seed)["rows"]
        for name in ("kept", "leaked", "followed", "leftover"):
            out[name] = rows["swap"][name]["value"]
        out["kept_of_a"] = rows["a"]["kept"]["value"]
        out["kept_ratio"] = out["kept"] / max(out["kept_of_a"], 1e-9)
        parts += [min(out["kept_ratio"], 1.0), out["followed"] - max(out["leftover"], 0.0)]
    progress(1)
    ratios = np.array([distance / max(real_distance, 1e-9), out["appearance"]])
    out["score"] = float(np.mean(parts) - 0.1 * np.log1p(ratios).sum())
    return out


def rows_like(labels: Int64[np.ndarray, " n"], of_made: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, " n"]:
    """Rows of generated images with these labels, as often as there are; repeated only where too few were made."""
    values, counts = np.unique(labels, return_counts=True)
    return np.concatenate(
        [np.resize(np.flatnonzero(of_made == v), n) for v, n in zip(values, counts, strict=True)]
    )


def _appearance_ratio(
    images: Images,
    chosen: Int64[np.ndarray, " k"],
    halves: tuple[Int64[np.ndarray, " half"], Int64[np.ndarray, " other_half"]],
    made: Images,
) -> float:
    real = describe_appearance(images)
    scale = real.std(0) + 1e-6
    between_halves = appearance_distance(real[halves[0]], real[halves[1]], scale)
    distance = appearance_distance(real[chosen], describe_appearance(made), scale)
    return distance / max(between_halves, 1e-9)


def power_ratios(made: Images, real: Images) -> dict[str, float]:
    """The power of texture of generated images relative to real ones, by band; 1 is as real, less is blurred."""
    own, other = texture_of(made), texture_of(real)
    return {f"power_{band}": float(np.exp(own[band].mean() - other[band].mean())) for band in BANDS}
