"""Quick measures of a model during training: shown at each tick, and used to choose the best snapshot."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Int64

from drai_cli.metrics.bands import power_ratios
from drai_cli.metrics.frechet import frechet_distance
from drai_cli.metrics.generation import ModelNetworks, sample, style_dim_of
from drai_cli.metrics.intervals import estimate, group_weights, macro_mean
from drai_cli.metrics.judge import Judge, balanced_accuracy
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import rows_per_label
from drai_cli.metrics.swaps import choose_pairs, measure_swaps, swap_images

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

    Returns:
        `agreement`, `agreement_ratio` (relative to the judge's on real images) and `frechet` in the judge's features;
        `frechet_real`, the distance between two halves of the real images; `power_coarse`, `power_middle` and
        `power_fine`, as in `power_ratios`; the baselines of agreement: `judge`, the judge's balanced accuracy on the
        real images, `judge_low`, the lower end of its 95 % interval where there are few images, and `chance`. With an
        encoder also `kept`, `kept_of_a` (the judge on the real images), `kept_ratio`, `leaked`, `followed`,
        `leftover`, as in `measure_swaps`. `score`, higher is better: the mean of agreement ratio, kept ratio and
        followed minus leftover (those that exist), minus 0.1 log(1 + distance / distance between two halves of the
        real images).
    """
    chosen = rows_per_label(labels, -(-count // len(np.unique(labels))), seed)
    style_dim = style_dim_of(networks, images[:1], device)
    made = sample(networks, conditions[chosen], style_dim, images.dtype, seed=seed, device=device)
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
    out |= {f"power_{band}": ratio for band, ratio in power_ratios(made, images[chosen]).items()}
    parts = [min(out["agreement_ratio"], 1.0)]
    if networks.encoder is not None:
        pairs = choose_pairs(labels, count, seed)
        swapped = swap_images(networks, images, conditions, pairs, device, cycle=False)
        rows = measure_swaps(swapped, images, labels, groups, pairs, judge, seed=seed)["rows"]
        for name in ("kept", "leaked", "followed", "leftover"):
            out[name] = rows["swap"][name]["value"]
        out["kept_of_a"] = rows["a"]["kept"]["value"]
        out["kept_ratio"] = out["kept"] / max(out["kept_of_a"], 1e-9)
        parts += [min(out["kept_ratio"], 1.0), out["followed"] - max(out["leftover"], 0.0)]
    out["score"] = float(np.mean(parts) - 0.1 * np.log1p(distance / max(real_distance, 1e-9)))
    return out
