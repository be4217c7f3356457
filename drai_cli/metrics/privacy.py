"""Whether samples are copies of training images, and whether training images can be identified.

Arrays and callables in, JSON-able numbers out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from drai_cli.metrics import intervals
from drai_cli.metrics.copies import IDENTICAL, PIXELS, QUANTILE, is_copy, spaces_of, threshold
from drai_cli.metrics.intervals import Weights
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.membership import (
    FALSE_POSITIVES,
    measure_attack,
    measure_sure_attack,
    reconstruction_errors,
)
from drai_cli.metrics.nearest import Features, Nearest, search_spaces
from drai_cli.metrics.patients import is_authentic, reidentify, share_of
from drai_cli.metrics.symmetries import Symmetry

Distances = dict[str, Float64[np.ndarray, " n"]]

CLOSEST = 10
LEAST_A_LABEL = 10
"""Fewest images of a label on each side for numbers of that label."""
LEAK, LEAK_OF_LABEL = 0.55, 0.65
"""Least area under the curve that counts as a leak; of one label of several, where the highest is looked at."""
FOUND = 0.02
"""Least share of patients' images found beyond chance that counts as re-identification."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Which labels each sample, training image and test image shows: one of them, or several findings."""

    made: Bool[np.ndarray, "n labels"]
    train: Bool[np.ndarray, "m labels"]
    test: Bool[np.ndarray, "k labels"]


def measure_privacy(
    made: Images,
    train: Images,
    test: Images,
    test_groups: np.ndarray,
    train_groups: np.ndarray,
    *,
    extractors: Mapping[str, Features],
    symmetry: Symmetry,
    trained_on: Collection[str] = (),
    reconstruct: Callable[[Images], Images] | None = None,
    labels: Labels | None = None,
    seed: int,
) -> dict[str, Any]:
    """Copies among samples and membership inference, both compared with real images that the model has not seen.

    Samples and test images are treated alike: the nearest training image in pixels over all flips and rotations of the
    symmetry, and in features unchanged and as it is nearest in pixels. The members of the attacks are random training
    images, as many as test images; those of re-identification are of patients with several images.

    Args:
        made: Samples with the label proportions of the training images: distances differ between labels.
        train: All images that the model was trained on.
        test: Real images used neither for training nor for selection.
        test_groups: Lesion or patient of each; intervals resample these.
        train_groups: Of the training images.
        extractors: Feature spaces by name.
        symmetry: Of the data set.
        trained_on: Extractors that were trained on these training images. They tell them from others by themselves,
            whatever the samples are, and so are left out of the attacks.
        reconstruct: The model's reconstruction of an image, G(ĉ, ẑ), at the same size and depth; None without encoder.
        labels: Of samples, training and test images, for numbers by label; None: none are given.
        seed: Of the members drawn and of the bootstrap.

    Returns:
        `n`: images on each side. `spaces`: by name, `threshold` (1 % quantile of test-to-train distances),
            `copy_rate` (share of samples below it, with the share `expected` of new images), `median` (distance to the
            nearest training image of `samples` and `test`, and their `ratio`). `copies`: `rate` of samples that are
            copies by `is_copy`, `test_rate` of test images, the `bar` that the rate's interval has to exceed for copies
            to count as found (the upper end of the test images' interval, but at least the rate that is compatible with
            no copy among so many groups), how many are `identical`, and the `flagged` ones.
            `closest`: the nearest pairs in pixels, each training image at most once. `membership`: as
            `measure_sure_attack` gives it, by `distance` to the nearest sample, by space, and by error of the
            `reconstruction`. `authentic`: share of `samples` and of `test` images that are farther from a training
            image than that is from its nearest of another patient, in pixels. `reidentification`: see
            `measure_reidentification`. `labels`: by label index, `copies` (share of its samples) and `membership` (the
            strongest attack's area, and which), for labels with `LEAST_A_LABEL` images on all sides. `verdict`:
            `copies_found`, `membership_leaks`, `patients_found` (None where it cannot be told) and `leaking_labels`.
            Intervals of rates resample the samples and the test images by
            group, the threshold drawn anew each time.

    Raises:
        ValueError: A side without images, of another size than the others, or with another number of groups.
    """
    _check(made, train, test, test_groups, train_groups)
    members = np.random.default_rng(seed).permutation(len(train))[: len(test)]
    spaces = spaces_of(extractors)
    nearest = _find_all(made, train, test, members, spaces, symmetry)

    def attack(inside: np.ndarray, outside: np.ndarray) -> dict[str, Any]:
        return measure_sure_attack(inside, outside, train_groups[members], test_groups, seed + 2)

    fair = [name for name in spaces if name not in trained_on]
    scores = {f"distance {name}": (nearest.members[name], nearest.others[name]) for name in fair}
    by_distance = {name: attack(*scores[f"distance {name}"]) for name in fair}
    by_error = None
    if reconstruct is not None:
        inside, outside = (reconstruction_errors(images, reconstruct) for images in (train[members], test))
        scores["reconstruction"] = inside, outside
        by_error = attack(inside, outside)
    attacks = [*by_distance.values(), *([] if by_error is None else [by_error])]

    samples, real = _distances(nearest.made), _distances(nearest.test)
    weights = intervals.group_weights(np.arange(len(made)), seed)
    test_weights = intervals.group_weights(test_groups, seed + 1)
    thresholds = {name: threshold(distance) for name, distance in real.items()}
    copies = is_copy(samples, thresholds)
    rate = intervals.estimate_two(_rate(samples, real), weights, test_weights)
    test_rate = intervals.estimate(lambda each: _rate(real, real)(each, each), test_weights)
    group_count = len(np.unique(test_groups))
    # No copy among n groups is compatible with a rate of 3 / n (the rule of three), where a bootstrap gives 0 only.
    bar = max(test_rate.high, 3 / group_count)
    identical = samples[PIXELS] <= IDENTICAL

    def pairs(rows: np.ndarray) -> list[dict[str, Any]]:
        return [_pair(int(row), nearest.made[PIXELS], thresholds[PIXELS], copies) for row in rows]

    pixels = spaces[PIXELS]
    train_pixels = pixels.features(train)
    authentic = {
        side: share_of(is_authentic(near.distance, near.row, train_pixels, train_groups), of_side)
        for side, near, of_side in (
            ("samples", nearest.made[PIXELS], weights),
            ("test", nearest.test[PIXELS], test_weights),
        )
    }
    patients = reidentify(
        made, train, train_groups, test, test_groups, nearest.others[PIXELS], pixels, symmetry, seed
    )
    by_label = {} if labels is None else _by_label(labels, members, copies, scores, seed)
    return {
        "symmetry": symmetry,
        "seed": seed,
        "n": {
            "samples": len(made), "train": len(train), "test": len(test),
            "test_groups": group_count, "members": len(members),
        },
        "spaces": {
            name: _measure_space(samples[name], real[name], weights, test_weights) for name in samples
        },
        "copies": {
            "rate": rate.to_json(), "test_rate": test_rate.to_json(), "bar": bar,
            "identical": int(identical.sum()), "flagged": pairs(np.flatnonzero(copies)),
        },
        "closest": pairs(_closest(nearest.made[PIXELS])),
        "membership": {"distance": by_distance, "reconstruction": by_error},
        "authentic": authentic,
        "reidentification": patients,
        "labels": by_label,
        "verdict": {
            "copies_found": bool(rate.low > bar or identical.any()),
            "membership_leaks": any(leaks(one) for one in attacks),
            "patients_found": None
            if patients["difference"] is None
            else bool(patients["difference"]["low"] > 0 and patients["difference"]["value"] >= FOUND),
            "leaking_labels": [
                label for label, one in by_label.items()
                if one["membership"]["low"] > LEAK and one["membership"]["value"] >= LEAK_OF_LABEL
            ],
        },
    }  # fmt: skip


def leaks(attack: Mapping[str, Any]) -> bool:
    """Whether an attack is better than chance on average, or for the images of which it is sure."""
    sure = attack["found_at"][f"{FALSE_POSITIVES[0]:g}"]
    is_sure = sure is not None and sure["low"] > 2 * FALSE_POSITIVES[0]
    return bool((attack["low"] > 0.5 and attack["value"] >= LEAK) or is_sure)


def _by_label(
    labels: Labels,
    members: np.ndarray,
    copies: Bool[np.ndarray, " n"],
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]],
    seed: int,
) -> dict[str, Any]:
    """Copies and the strongest attack, label by label: rare labels are seen more often each, and leak first."""
    of_members = labels.train[members]
    out: dict[str, Any] = {}
    for label in range(labels.test.shape[1]):
        inside, outside, of_made = of_members[:, label], labels.test[:, label], labels.made[:, label]
        if min(inside.sum(), outside.sum(), of_made.sum()) < LEAST_A_LABEL:
            continue
        attacks = {
            name: measure_attack(
                left[inside], right[outside], np.arange(inside.sum()), np.arange(outside.sum()), seed
            )
            for name, (left, right) in scores.items()
        }
        name = max(attacks, key=lambda each: attacks[each].value)
        out[str(label)] = {
            "copies": share_of(copies[of_made], intervals.group_weights(np.arange(of_made.sum()), seed)),
            "membership": {**attacks[name].to_json(), "by": name},
        }
    return out


@dataclass(frozen=True)
class _NearestImages:
    """Nearest images in each space: training images to samples and test images, samples to real images."""

    made: dict[str, Nearest]
    test: dict[str, Nearest]
    members: Distances
    others: Distances


def _find_all(
    made: Images,
    train: Images,
    test: Images,
    members: np.ndarray,
    spaces: Mapping[str, Features],
    symmetry: Symmetry,
) -> _NearestImages:
    """All nearest images in all spaces."""
    train_rows = {name: space.features(train) for name, space in spaces.items()}
    made_rows = {name: space.features(made) for name, space in spaces.items()}
    members_to_made = search_spaces(train[members], spaces, made_rows, symmetry)
    test_to_made = search_spaces(test, spaces, made_rows, symmetry)
    return _NearestImages(
        search_spaces(made, spaces, train_rows, symmetry),
        search_spaces(test, spaces, train_rows, symmetry),
        _distances(members_to_made),
        _distances(test_to_made),
    )


def _check(
    made: Images, train: Images, test: Images, test_groups: np.ndarray, train_groups: np.ndarray
) -> None:
    """Raises ValueError for sides that cannot be compared."""
    sizes = [len(images) for images in (made, train, test)]
    shapes = {images.shape[1:] for images in (made, train, test)}
    if not all(sizes) or len(shapes) > 1:
        raise ValueError(f"expected samples, training and test images of one size, got {sizes} of {shapes}")
    if (len(train_groups), len(test_groups)) != (len(train), len(test)):
        raise ValueError(
            f"{len(train_groups)} and {len(test_groups)} groups for {len(train)} and {len(test)}"
        )


def _distances(by_space: Mapping[str, Nearest]) -> Distances:
    return {name: near.distance for name, near in by_space.items()}


def _rate(images: Distances, real: Distances) -> Callable[[Weights, Weights], np.ndarray]:
    """Share of images that are copies, at thresholds from real ones."""

    def statistic(weights: Weights, real_weights: Weights) -> np.ndarray:
        thresholds = {
            name: intervals.quantile(distance, QUANTILE)(real_weights)[:, None]
            for name, distance in real.items()
        }
        out: np.ndarray = (weights * is_copy(images, thresholds)).sum(1) / weights.sum(1)
        return out

    return statistic


def _measure_space(
    samples: Float64[np.ndarray, " n"], real: Float64[np.ndarray, " m"], first: Weights, second: Weights
) -> dict[str, Any]:
    """Threshold, copy rate and medians in one space."""

    def rate(weights: Weights, real_weights: Weights) -> np.ndarray:
        below = samples < intervals.quantile(real, QUANTILE)(real_weights)[:, None]
        out: np.ndarray = (weights * below).sum(1) / weights.sum(1)
        return out

    def ratio(weights: Weights, real_weights: Weights) -> np.ndarray:
        medians = intervals.quantile(samples, 0.5)(weights), intervals.quantile(real, 0.5)(real_weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            out: np.ndarray = medians[0] / medians[1]
        return out

    copy_rate = intervals.estimate_two(rate, first, second)
    median = float(np.median(real))  # 0 where half of the test images are training images
    return {
        "threshold": threshold(real),
        "copy_rate": {**copy_rate.to_json(), "expected": max(QUANTILE, 1 / (len(real) + 1))},
        "median": {
            "samples": float(np.median(samples)),
            "test": median,
            "ratio": intervals.estimate_two(ratio, first, second).to_json() if median > 0 else None,
        },
    }


def _closest(near: Nearest) -> np.ndarray:
    """Samples by distance, only the nearest one of each training image."""
    # A blank training image must not fill the figure.
    order = np.argsort(near.distance, kind="stable")
    _, first = np.unique(near.row[order], return_index=True)
    out: np.ndarray = order[np.sort(first)][:CLOSEST]
    return out


def _pair(row: int, near: Nearest, limit: float, copies: Bool[np.ndarray, " n"]) -> dict[str, Any]:
    """A sample and its nearest training image in pixels; `view` is the sample's view that is nearest (see `views`)."""
    distance = float(near.distance[row])
    return {
        "sample": row,
        "train": int(near.row[row]),
        "view": int(near.view[row]),
        "distance": distance,
        "over_threshold": distance / limit if limit > 0 else None,
        "is_copy": bool(copies[row]),
    }
