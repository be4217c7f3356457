"""Membership inference: whether samples or a model reveal which images it was trained on.

Scores in, areas under the ROC curve out. Knows nothing of how images are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from drai_cli.metrics import intervals
from drai_cli.metrics.intervals import Estimate, Weights
from drai_cli.metrics.mapping import Images, batches
from drai_cli.metrics.scores import auc


def measure_attack(
    members: Float[np.ndarray, " m"],
    others: Float[np.ndarray, " n"],
    member_groups: np.ndarray,
    other_groups: np.ndarray,
    seed: int,
) -> Estimate:
    """How well a distance or an error, small for members, separates members from others: 0.5 is chance, 1 perfect.

    The interval is a bootstrap over groups on both sides.

    Args:
        members: Of training images: the distance to the nearest sample, for an attack by samples alone (the
            full black-box attack of Chen et al. 2020, "GAN-Leaks"), or the error of the reconstruction.
        others: The same of images that the model has not seen.
        member_groups: Lesion or patient of each member.
        other_groups: Of each of the others.
        seed: Of the bootstrap.
    """
    first = intervals.group_weights(member_groups, seed)
    second = intervals.group_weights(other_groups, seed + 1)
    return intervals.estimate_two(area_under_curve(members, others), first, second)


FALSE_POSITIVES = (0.01, 0.001)
"""Shares of unseen images that an attack may call members (Carlini et al. 2022): few, as an attacker has to be sure."""


def measure_sure_attack(
    members: Float[np.ndarray, " m"],
    others: Float[np.ndarray, " n"],
    member_groups: np.ndarray,
    other_groups: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """`measure_attack`, and the share of members found at each of `FALSE_POSITIVES`, by that share as text.

    None in place of a share that so few unseen images do not have: 0.1 % of fewer than 1,000 is less than one image.
    """
    first = intervals.group_weights(member_groups, seed)
    second = intervals.group_weights(other_groups, seed + 1)
    found: dict[str, Any] = {}
    for share in FALSE_POSITIVES:
        is_possible = len(others) * share >= 1
        statistic = true_positives(members, others, share)
        found[f"{share:g}"] = (
            intervals.estimate_two(statistic, first, second).to_json() if is_possible else None
        )
    area = intervals.estimate_two(area_under_curve(members, others), first, second)
    return {**area.to_json(), "found_at": found}


def true_positives(
    members: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"], share: float
) -> Callable[[Weights, Weights], Float[np.ndarray, " draws"]]:
    """The share of members below the value that this share of the others is below."""

    def statistic(first: Weights, second: Weights) -> Float[np.ndarray, " draws"]:
        limits = intervals.quantile(others, share)(second)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            out: np.ndarray = (first * (members < limits)).sum(1) / first.sum(1)
        return out

    return statistic


def area_under_curve(
    members: Float[np.ndarray, " m"], others: Float[np.ndarray, " n"]
) -> Callable[[Weights, Weights], Float[np.ndarray, " draws"]]:
    """The share of pairs in which the member's value is smaller, ties counted half (Mann and Whitney 1947)."""
    scores = -np.concatenate([members, others])
    is_member = np.arange(len(scores)) < len(members)

    def statistic(first: Weights, second: Weights) -> Float[np.ndarray, " draws"]:
        return auc(scores, is_member, np.concatenate([first, second], 1))

    return statistic


def reconstruction_errors(
    images: Images, reconstruct: Callable[[Images], Images]
) -> Float64[np.ndarray, " n"]:
    """Mean absolute difference between each image and its reconstruction, in 0..1."""
    peak = float(np.iinfo(images.dtype).max)
    errors = []
    for part in batches(len(images)):
        gap = images[part].astype(np.float64) - reconstruct(images[part]).astype(np.float64)
        errors.append(np.abs(gap).mean((1, 2, 3)) / peak)
    return np.concatenate(errors)
