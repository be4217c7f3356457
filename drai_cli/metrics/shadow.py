"""Membership inference with shadow models: each image is compared with what models with and without it give for it.

Statistics in, scores out. Knows nothing of how models are trained.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

_LEAST = 1e-12


def halves(groups: np.ndarray, models: int, seed: int) -> Bool[np.ndarray, "models n"]:
    """Which images each shadow model is trained on: halves of all groups, in complementary pairs.

    So each image is in half of the models, and all images of a group (patient, lesion) are in the same ones.

    Args:
        groups: Group per image.
        models: An even number.
        seed: Of the choice.

    Raises:
        ValueError: An odd number of models, or fewer than two groups.
    """
    names, index = np.unique(groups, return_inverse=True)
    if models % 2 or models < 2 or len(names) < 2:
        raise ValueError(f"expected an even number of models and two groups, got {models} and {len(names)}")
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(models // 2):
        is_in = np.zeros(len(names), bool)
        is_in[generator.permutation(len(names))[: len(names) // 2]] = True
        rows += [is_in[index], ~is_in[index]]
    return np.stack(rows)


def likelihood_scores(
    target: Float[np.ndarray, " n"],
    shadows: Float[np.ndarray, "models n"],
    is_in: Bool[np.ndarray, "models n"],
) -> Float64[np.ndarray, " n"]:
    """How unlikely each image is a member, small for members: minus the log likelihood ratio of two normal laws.

    The attack of Carlini et al. 2022 ("Membership Inference Attacks From First Principles") with means of each image
    and, as they advise for few shadow models, one variance for all. Statistics are logarithms, standardised over the
    images of each model, since models differ in how far they are trained.

    Args:
        target: Of the attacked model: a distance or an error, small for members.
        shadows: The same of each shadow model.
        is_in: Which images each shadow model was trained on; each image in some, but not in all.
    """
    own = _standardised(target)
    others = np.stack([_standardised(each) for each in shadows])
    inside, outside = (_mean(others, mask) for mask in (is_in, ~is_in))
    spread = others - np.where(is_in, inside, outside)
    variance = max(float(spread.var()), _LEAST)
    out: np.ndarray = ((own - inside) ** 2 - (own - outside) ** 2) / (2 * variance)
    return out


def _standardised(values: Float[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    logs = np.log(np.maximum(np.asarray(values, np.float64), _LEAST))
    out: np.ndarray = (logs - logs.mean()) / max(float(logs.std()), _LEAST)
    return out


def _mean(values: Float64[np.ndarray, "models n"], mask: Bool[np.ndarray, "models n"]) -> np.ndarray:
    out: np.ndarray = (values * mask).sum(0) / mask.sum(0)
    return out
