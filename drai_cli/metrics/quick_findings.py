"""Quick measures during training of a model whose label is a set of findings: see `quick_measure`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from drai_cli.metrics.finding_judge import FindingJudge
from drai_cli.metrics.finding_set import FindingsConfig, FindingSet
from drai_cli.metrics.finding_swaps import measure_finding_swaps
from drai_cli.metrics.findings import measure_agreement
from drai_cli.metrics.frechet import distance_from_halves, frechet_distance
from drai_cli.metrics.generation import ModelNetworks, sample, style_dim_of

_CONFIG = FindingsConfig(pairs=16, least=2)
_CHANCE = 0.5


def quick_finding_measure(
    data: FindingSet,
    networks: ModelNetworks,
    judge: FindingJudge,
    *,
    count: int = 420,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], object] = lambda _: None,
) -> dict[str, float]:
    """Measures in seconds; `data` are the validation rows.

    Returns:
        As `quick_measure`. `agreement` is the judge's mean AUC over findings on samples, `judge` that on real images,
        `kept` and `leaked` are those of `measure_finding_swaps`. The ratios are of what exceeds chance, 0.5.
    """
    rows = np.random.default_rng(seed).integers(0, len(data.images), count)
    style_dim = style_dim_of(networks, data.images[:1], device)
    made = sample(networks, data.conditions[rows], style_dim, data.images.dtype, seed=seed, device=device)
    progress(1)
    part = str(data.parts[0])
    of_agreement = measure_agreement(
        data, judge, made, data.states[rows], part=part, least=_CONFIG.least, seed=seed
    )
    agreement, own = of_agreement["mean"]["auc"], of_agreement["mean"]["auc_real"]
    features = judge.features(data.images)
    order = np.random.default_rng(seed).permutation(len(features))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    real_distance = frechet_distance(features[halves[0]], features[halves[1]])
    made_features = judge.features(made)
    distance = frechet_distance(features[rows], made_features)
    out = {"agreement": agreement, "judge": own, "chance": _CHANCE}
    out |= {
        "agreement_ratio": _over_chance(agreement, own),
        "frechet": distance,
        "frechet_real": real_distance,
    }
    # Samples are drawn as the images are: any of them are like a half.
    like = [np.arange(len(half)) % count for half in halves]
    out["frechet_images"] = float(min(map(len, halves)))
    out["frechet_matched"] = distance_from_halves(features, halves, made_features, like)
    parts = [min(out["agreement_ratio"], 1.0)]
    progress(1)
    if networks.encoder is not None:
        swaps = measure_finding_swaps(data, networks, judge, _CONFIG, part=part, seed=seed, device=device)
        out |= {name: swaps["mean"][name] for name in ("kept", "leaked", "kept_of_a")}
        out |= {name: swaps[name]["value"] for name in ("followed", "leftover")}
        out["kept_ratio"] = _over_chance(out["kept"], out["kept_of_a"])
        parts += [min(out["kept_ratio"], 1.0), out["followed"] - max(out["leftover"], 0.0)]
    progress(1)
    out["score"] = float(np.mean(parts) - 0.1 * np.log1p(distance / max(real_distance, 1e-9)))
    return out


def _over_chance(value: float, best: float) -> float:
    return max(value - _CHANCE, 0.0) / max(best - _CHANCE, 1e-9)
