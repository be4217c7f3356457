"""Usefulness of synthetic images for training: classifiers trained with and without them, tested on real images.

Arrays in, JSON-able numbers out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from drai_cli.metrics.classifier_training import Trainer, UsefulnessConfig
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import rows_per_label
from drai_cli.metrics.score_table import ScoreTable, compare
from drai_cli.metrics.scores import draw_both
from drai_cli.metrics.side_by_side import side_by_side
from drai_cli.metrics.training_sets import REAL, Arm, make_arms, small_labels

_HELD_PER_LABEL = 200

Kept = list[list[Float[np.ndarray, "n labels"]]]
"""Logits by classifier and set of test images."""


@dataclass(frozen=True, eq=False)
class TestSet:
    """Real images that classifiers are tested on.

    Attributes:
        images: Stored images, of the training images' shape.
        labels: Label index per row.
        groups: Lesion or patient per row.
    """

    images: Images
    labels: Int64[np.ndarray, " n"]
    groups: np.ndarray

    __test__ = False  # no test of pytest's


def measure_usefulness(
    images: Images,
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    made: Images,
    made_labels: Int64[np.ndarray, " m"],
    label_count: int,
    *,
    part: str = "test",
    outside: TestSet | None = None,
    small: Collection[int] | None = None,
    is_selected: Bool[np.ndarray, " m"] | None = None,
    config: UsefulnessConfig | None = None,
    kept: Kept | None = None,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Trains classifiers on each arm of `training_sets.make_arms` and tests them on the same real images.

    All arms have the same number of steps, the same initial weights and the same labels in every batch; the best
    network of a training is selected by balanced accuracy on real validation images, for `synthetic` too. Arms that
    draw the same are trained once.

    Intervals are over test groups and classifiers together (`draw_both`), differences over the same draws of both.
    There is an interval per arm and label: without any effect, one or two in forty miss 0 by chance.

    Args:
        images: Stored real images of all parts, square.
        labels: Label index per row.
        parts: `train`, `validation` or `test` per row. Without validation rows, or if `part` is `validation`, a fifth
            of the training groups is used for selection.
        groups: Lesion or patient per row.
        made: The pool of synthetic images, of the same size; `training_sets.synthetic_counts` gives the number
            needed of each label. None is used twice.
        made_labels: Requested labels.
        label_count: Labels in all.
        part: Rows that are tested on.
        outside: Real images from elsewhere to test on in addition.
        is_selected: Synthetic images that a classifier of real images finds neither wrong nor trivial, for one more
            arm; None: that arm is left out.
        small: Labels whose mean is reported in addition, and which one arm fills up; None for those with less than
            half the mean count.
        config: Training options; None for the defaults.
        kept: Logits of the classifiers that saw real images alone, which do not depend on the synthetic ones; an empty
            list is filled. None: they are trained.
        seed: Random seed; classifiers use it and the following integers.
        device: Where to train.
        progress: Called after each step with images seen in all trainings together, and the total.

    Returns:
        `arms`: by name, `kind`, `ratio`, `balanced_accuracy`, `macro_auc` (left out where there is one label),
            `recall` by label index and `small`, each with interval and n; `seeds`, `images_seen` (per training); by
            label index, different images trained on (`real`, `synthetic`).
        `differences`: by arm, each of those scores minus that of `real`.
        `helped`: of the same shape, `helped` where the difference's interval lies above 0, `harmed` below,
            `neither`, or `too few` with fewer than `FEWEST_GROUPS` test groups of the label.
        `outside`: `arms` (scores only), `differences`, `helped`, `n` and `groups` on the images from elsewhere; None
            without any.
        `short`: arms for which the pool has too few images, and by label index `wanted` and `had`; they were trained
            with the available ones.
        `seeds_share`: how much of the variance of a gain comes from the few classifiers rather than from the few test
            images, as the median over arms; None with one classifier.
        Also `part`, `n`, `groups` (in the part), `small_labels`, `image_size`, `trainings`, `seed` and `config`.

    Raises:
        ValueError: No training or test rows, no synthetic image of any label trained on, or images of another shape.
    """
    config = config or UsefulnessConfig()
    test = np.flatnonzero(parts == part)
    train, held = fitting_rows(labels, parts, groups, part, seed)
    if not len(train) or not len(held) or not len(test):
        raise ValueError(f"usefulness needs rows for training, selection and test ({part})")
    for others, what in ((made, "synthetic"), (None if outside is None else outside.images, "outside")):
        if others is not None and others.shape[1:] != images.shape[1:]:
            raise ValueError(f"{what} images of shape {others.shape[1:]}, real ones of {images.shape[1:]}")
    if not np.isin(made_labels, labels[train]).any():
        raise ValueError("no synthetic image of a training label")

    counts = np.bincount(labels[train], minlength=label_count)
    small = small_labels(counts) if small is None else sorted(small)
    arms = make_arms(labels, train, made_labels, label_count, config.ratios, small, seed, is_selected)
    tests = [TestSet(images[test], labels[test], groups[test]), *([] if outside is None else [outside])]
    trainer = Trainer(images, made, labels, held, label_count, config, device)
    by_key = {arm.key(): arm for arm in arms}
    real_key = arms[0].key()
    known = {real_key: kept} if kept else {}
    jobs = [(key, number) for key in by_key if key not in known for number in range(config.seeds)]
    total = len(jobs) * config.images_seen
    seen = 0

    def count(images_seen: int) -> None:
        nonlocal seen
        seen += images_seen
        if progress is not None:
            progress(seen, total)

    def train_one(job: tuple[bytes, int], step: Callable[[int], None]) -> list[np.ndarray]:
        key, number = job
        return trainer.train(by_key[key], seed + number, [each.images for each in tests], step)

    logits: dict[bytes, list[list[Float[np.ndarray, "n labels"]]]] = {key: [] for key in by_key}
    for (key, _), of_tests in zip(jobs, side_by_side(train_one, jobs, count, device), strict=True):
        logits[key].append(of_tests)
    logits |= known
    if kept is not None and not kept:
        kept += logits[real_key]

    scored = []
    for index, each in enumerate(tests):
        table = ScoreTable(each.labels, each.groups, sorted(set(small) & set(each.labels.tolist())))
        draws = draw_both(each.groups, config.seeds, seed)
        scores = {
            arm.name: table.scores(np.stack([of[index] for of in logits[arm.key()]]), draws) for arm in arms
        }
        differences, helped = compare(table, scores, REAL)
        estimates = {name: table.estimates(one) for name, one in scores.items()}
        scored.append((table, estimates, differences, helped))
    table, estimates, differences, helped = scored[0]
    return {
        "part": part,
        "n": len(test),
        "groups": table.all_groups,
        "seed": seed,
        "small_labels": table.small,
        "image_size": min(images.shape[1], config.largest),
        "trainings": len(by_key) * config.seeds,
        "config": asdict(config),
        "arms": {
            arm.name: {
                **_arm_json(arm),
                "seeds": config.seeds,
                "images_seen": config.images_seen,
                **estimates[arm.name],
            }
            for arm in arms
        },
        "differences": differences,
        "helped": helped,
        "outside": None
        if outside is None
        else {
            "n": len(outside.labels),
            "groups": scored[1][0].all_groups,
            "arms": scored[1][1],
            "differences": scored[1][2],
            "helped": scored[1][3],
        },
        "short": {arm.name: _short(arm) for arm in arms if (arm.synthetic < arm.wanted).any()},
        "seeds_share": _share_of_seeds(
            labels[test], [np.stack([of[0] for of in logits[arm.key()]]) for arm in arms]
        ),
    }


def _arm_json(arm: Arm) -> dict[str, Any]:
    def by_label(values: np.ndarray) -> dict[str, Any]:
        return {str(label): value for label, value in enumerate(values.tolist())}

    return {
        "kind": arm.kind,
        "ratio": arm.ratio,
        "real": by_label(arm.real),
        "synthetic": by_label(arm.synthetic),
    }


def _short(arm: Arm) -> dict[str, dict[str, int]]:
    return {
        str(label): {"wanted": int(arm.wanted[label]), "had": int(arm.synthetic[label])}
        for label in np.flatnonzero(arm.synthetic < arm.wanted)
    }


def fitting_rows(
    labels: Int64[np.ndarray, " n"], parts: np.ndarray, groups: np.ndarray, part: str, seed: int
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " held"]]:
    """Rows to train on and rows to select on, at most `_HELD_PER_LABEL` of each label."""
    train, held = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "validation")
    if part == "validation" or not len(held):
        generator = np.random.default_rng(seed)
        names, first, of_row = np.unique(groups[train], return_index=True, return_inverse=True)
        is_held = np.zeros(len(names), bool)
        for label in np.unique(labels[train]):
            own = generator.permutation(np.flatnonzero(labels[train][first] == label))
            is_held[own[: len(own) // 5]] = True
        train, held = train[~is_held[of_row]], train[is_held[of_row]]
    if len(held):
        held = np.sort(held[rows_per_label(labels[held], _HELD_PER_LABEL, seed, again=False)])
    return train, held


def _share_of_seeds(
    labels: Int64[np.ndarray, " n"], logits: Sequence[Float[np.ndarray, "seeds n labels"]]
) -> float | None:
    """The share of the classifiers in the variance of a gain, the rest being the test images'; the median over arms.

    Args:
        labels: Of the test images.
        logits: By arm, that of real images first.
    """
    seeds, shares = len(logits[0]), []
    if seeds < 2:
        return None
    counts = np.bincount(labels)[labels] * len(np.unique(labels))
    right = [(each.argmax(2) == labels) / counts for each in logits]
    for other in right[1:]:
        of_each = (other - right[0]).sum(1)  # gain of each pair of classifiers
        by_case = (other - right[0]).mean(0)
        of_seeds = of_each.var(ddof=1) / seeds
        of_cases = sum(
            (labels == label).sum() * by_case[labels == label].var() for label in np.unique(labels)
        )
        shares.append(of_seeds / max(of_seeds + of_cases, 1e-12))
    return float(np.median(shares))
