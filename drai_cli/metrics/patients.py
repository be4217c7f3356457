"""Whether samples point to patients: re-identification, and authenticity of samples. Arrays in, numbers out.

Knows nothing of generators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from drai_cli.metrics import intervals
from drai_cli.metrics.intervals import Weights
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.nearest import Features, find_nearest, nearest, views
from drai_cli.metrics.symmetries import Symmetry

FEWEST_PATIENTS = 20
"""Fewest patients with several images on either side for a statement about re-identification."""


def has_siblings(groups: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Which rows share their group with another row."""
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    out: np.ndarray = counts[index] > 1
    return out


def sibling_distance(
    images: Images, groups: np.ndarray, space: Features, symmetry: Symmetry
) -> Float64[np.ndarray, " n"]:
    """Distance of each image to the nearest other image of its group, over all views; infinite without another."""
    distance = np.full(len(images), np.inf)
    shared = np.flatnonzero(has_siblings(groups))
    if not len(shared):
        return distance
    rows = space.features(images[shared]).astype(np.float64)
    names = groups[shared]
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    for seen in views(images[shared], symmetry):
        of_view = space.features(np.ascontiguousarray(seen)).astype(np.float64)
        for mine in members:
            gaps = np.sqrt(np.square(of_view[mine, None] - rows[None, mine]).sum(2))
            np.fill_diagonal(gaps, np.inf)
            places = shared[mine]
            distance[places] = np.minimum(distance[places], gaps.min(1))
    return distance


def measure_reidentification(
    train: Float64[np.ndarray, " m"],
    train_siblings: Float64[np.ndarray, " m"],
    train_groups: np.ndarray,
    unseen: Float64[np.ndarray, " n"],
    unseen_siblings: Float64[np.ndarray, " n"],
    unseen_groups: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """How often a sample is nearer to an image of a patient than that patient's own other images are.

    Args:
        train: Distance of training images to the nearest sample.
        train_siblings: To the nearest other image of the same patient; infinite where there is none.
        train_groups: Patient of each.
        unseen: As `train`, of images that the generator has not seen: with as many samples, chance finds some.
        unseen_siblings: Of those.
        unseen_groups: Of those.
        seed: Of the bootstrap.

    Returns:
        `train`, `unseen` (shares of images, with intervals over patients), `difference`, and `patients` with several
        images on both sides; shares are None below `FEWEST_PATIENTS`.
    """
    sides = []
    for own, siblings, groups in (
        (train, train_siblings, train_groups),
        (unseen, unseen_siblings, unseen_groups),
    ):
        known = np.isfinite(siblings)
        sides.append(((own[known] < siblings[known]).astype(np.float64), groups[known]))
    patients = [len(np.unique(groups)) for _, groups in sides]
    out: dict[str, Any] = {
        "patients": dict(zip(("train", "unseen"), patients, strict=True)),
        "train": None,
        "unseen": None,
        "difference": None,
    }
    if min(patients) < FEWEST_PATIENTS:
        return out
    (inside, inside_groups), (outside, outside_groups) = sides
    first = intervals.group_weights(inside_groups, seed)
    second = intervals.group_weights(outside_groups, seed + 1)

    def difference(left: Weights, right: Weights) -> np.ndarray:
        return intervals.mean(inside)(left) - intervals.mean(outside)(right)

    return {
        **out,
        "train": intervals.estimate(intervals.mean(inside), first).to_json(),
        "unseen": intervals.estimate(intervals.mean(outside), second).to_json(),
        "difference": intervals.estimate_two(difference, first, second).to_json(),
    }


def reidentify(
    made: Images,
    train: Images,
    train_groups: np.ndarray,
    test: Images,
    test_groups: np.ndarray,
    test_distance: Float64[np.ndarray, " n"],
    space: Features,
    symmetry: Symmetry,
    seed: int,
) -> dict[str, Any]:
    """`measure_reidentification` of patients with several images: as many training images as there are test images.

    Args:
        made: Samples.
        train: Training images.
        train_groups: Patient of each.
        test: Images that the generator has not seen.
        test_groups: Patient of each.
        test_distance: Distance of each test image to the nearest sample, in `space`.
        space: Where distances are computed; one that was trained on nothing.
        symmetry: Flips and rotations under which an image is the same.
        seed: Of the choice of patients and the bootstrap.
    """
    names = np.random.default_rng(seed + 3).permutation(np.unique(train_groups[has_siblings(train_groups)]))
    counts = np.cumsum([(train_groups == name).sum() for name in names[: len(test)]])
    chosen = np.isin(train_groups, names[: np.searchsorted(counts, len(test)) + 1])
    images, groups = train[chosen], train_groups[chosen]
    distance = np.empty(0)
    if len(images):
        distance = find_nearest(images, space, [space.features(made)], symmetry)[0].distance
    return measure_reidentification(
        distance, sibling_distance(images, groups, space, symmetry), groups,
        test_distance, sibling_distance(test, test_groups, space, symmetry), test_groups, seed,
    )  # fmt: skip


def is_authentic(
    distance: Float64[np.ndarray, " n"],
    row: Int64[np.ndarray, " n"],
    train_rows: np.ndarray,
    train_groups: np.ndarray,
) -> Bool[np.ndarray, " n"]:
    """Which images are farther from their nearest training image than that one is from its own nearest.

    Authenticity of Alaa et al. 2022; a training image's own nearest is one of another patient here, because two
    images of one patient are near each other whatever a generator does.

    Args:
        distance: To the nearest training image.
        row: That image.
        train_rows: Features of the training images, in the space of the distances.
        train_groups: Patient of each training image.
    """
    used, place = np.unique(row, return_inverse=True)
    _, number = np.unique(train_groups, return_inverse=True)
    own = nearest(train_rows[used], train_rows, (number[used], number)).distance
    out: np.ndarray = distance > own[place]
    return out


def share_of(flags: Bool[np.ndarray, " n"], weights: Weights) -> dict[str, float | int]:
    """The share of true ones with its interval."""
    statistic: Callable[[Weights], np.ndarray] = intervals.mean(flags.astype(np.float64))
    return intervals.estimate(statistic, weights).to_json()
