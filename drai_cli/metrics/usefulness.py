"""Usefulness of synthetic images for training: classifiers trained with and without them, tested on real images.

Arrays in, JSON-able numbers out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from drai_cli.metrics.classifier_training import Trainer, UsefulnessConfig
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import rows_per_label
from drai_cli.metrics.scores import Draws, draw_both, estimate_of, macro_auc, macro_mean_of, recalls
from drai_cli.metrics.training_sets import Arm, make_arms

FEWEST_GROUPS = 6
"""Fewest groups for a conclusion about a label: five that all change one way have a probability of 1 in 16."""
_HELD_PER_LABEL = 200


Scores = dict[str, Float[np.ndarray, "draws *labels"]]
"""`balanced_accuracy`, `recall` (a column per label), `macro_auc` and `small` of an arm, by draw."""


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
    small: Collection[int] | None = None,
    config: UsefulnessConfig | None = None,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Trains classifiers on each arm of `training_sets.make_arms` and tests them on the same real images.

    All arms have the same number of steps, the same initial weights and, where label frequencies are equal, the same
    labels in every batch; the best network of a training is selected by balanced accuracy on real validation images,
    for `synthetic` too. Arms that draw the same (with equal counts, `oversampled` draws like `real`) are trained once.

    Intervals are over test groups and classifiers together (`draw_both`), differences over the same draws of both.
    There is an interval per ratio, label and comparison: without any effect, one or two in forty miss 0 by chance.

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
        small: Labels whose mean is reported in addition; None for those with less than half the mean count.
        config: Training options; None for the defaults.
        seed: Random seed; classifiers use it and the following integers.
        device: Where to train.
        progress: Called after each training with the number done and the total.

    Returns:
        `arms`: by name (`real`, `synthetic`, `oversampled 0.5`, `real + synthetic 0.5`), `kind`, `ratio`,
            `balanced_accuracy`, `macro_auc` (left out where there is one label), `recall` by label index and
            `small`, each with interval and n; `seeds`, `images_seen` (per training); by label index, different
            images trained on (`real`, `synthetic`) and the label's share of the draws (`share`).
        `differences`: by ratio and by the arm compared with (`oversampled` at this ratio, or `real`), each of those
            scores of `real + synthetic` minus that of the other arm.
        `helped`: of the same shape, `helped` where the difference's interval lies above 0, `harmed` below,
            `neither`, or `too few` with fewer than `FEWEST_GROUPS` test groups of the label.
        `short`: arms for which the pool has too few images, and by label index `wanted` and `had`; they were trained
            with the available ones.
        Also `part`, `n`, `groups` (in the part), `small_labels`, `image_size`, `trainings`, `seed` and `config`.

    Raises:
        ValueError: No training or test rows, no synthetic image of any label trained on, or images of another shape.
    """
    config = config or UsefulnessConfig()
    test = np.flatnonzero(parts == part)
    train, held = _fitting_rows(labels, parts, groups, part, seed)
    if not len(train) or not len(held) or not len(test):
        raise ValueError(f"usefulness needs rows for training, selection and test ({part})")
    if made.shape[1:] != images.shape[1:]:
        raise ValueError(f"synthetic images of shape {made.shape[1:]}, real ones of {images.shape[1:]}")
    if not np.isin(made_labels, labels[train]).any():
        raise ValueError("no synthetic image of a training label")

    arms = make_arms(labels, train, made_labels, label_count, config.ratios, seed)
    trainer = Trainer(images, made, labels, held, label_count, config, device)
    keys = [arm.set.key() for arm in arms]
    sets = dict(zip(keys, (arm.set for arm in arms), strict=True))
    total = len(sets) * config.seeds
    logits: dict[bytes, list[Float[np.ndarray, "n labels"]]] = {key: [] for key in sets}
    images_seen = dict.fromkeys(sets, 0)
    for key, rows in sets.items():
        for number in range(config.seeds):
            of_test, images_seen[key] = trainer.train(rows, seed + number, images[test])
            logits[key].append(of_test)
            if progress is not None:
                progress(sum(map(len, logits.values())), total)

    small = _small_labels(labels[train], label_count) if small is None else small
    table = _Table(labels[test], groups[test], sorted(set(small) & set(labels[test].tolist())))
    draws = draw_both(groups[test], config.seeds, seed)
    by_key = {key: table.scores(np.stack(of_seeds), draws) for key, of_seeds in logits.items()}
    scores = {arm.name: by_key[key] for arm, key in zip(arms, keys, strict=True)}
    out: dict[str, Any] = {
        "part": part,
        "n": len(test),
        "groups": table.all_groups,
        "seed": seed,
        "small_labels": table.small,
        "image_size": min(images.shape[1], config.largest),
        "trainings": total,
        "config": asdict(config),
        "arms": {
            arm.name: {
                **_arm_json(arm),
                "seeds": config.seeds,
                "images_seen": images_seen[key],
                **table.estimates(scores[arm.name]),
            }
            for arm, key in zip(arms, keys, strict=True)
        },
        "differences": {},
        "helped": {},
        "short": {arm.name: _short(arm) for arm in arms if (arm.synthetic < arm.wanted).any()},
    }
    for ratio in config.ratios:
        name = f"{ratio:g}"
        mine = scores[f"real + synthetic {name}"]
        against = {"oversampled": scores[f"oversampled {name}"], "real": scores["real"]}
        out["differences"][name] = {
            other: table.estimates({score: mine[score] - theirs[score] for score in mine})
            for other, theirs in against.items()
        }
        out["helped"][name] = {
            other: table.verdicts(difference) for other, difference in out["differences"][name].items()
        }
    return out


class _Table:
    """Turns scores per draw into estimates and verdicts, label by label."""

    def __init__(self, labels: Int64[np.ndarray, " n"], groups: np.ndarray, small: list[int]) -> None:
        self.labels, self.small = labels, small
        self.present = [int(label) for label in np.unique(labels)]
        self.counts = {label: int((labels == label).sum()) for label in self.present}
        self.groups = {label: len(np.unique(groups[labels == label])) for label in self.present}
        self.all_groups = len(np.unique(groups))
        is_small = np.isin(labels, small)
        self.small_count, self.small_groups = int(is_small.sum()), len(np.unique(groups[is_small]))

    def scores(self, logits: Float[np.ndarray, "seeds n outputs"], draws: Draws) -> Scores:
        recall = recalls(logits, self.labels, draws)
        scores = {"balanced_accuracy": macro_mean_of(recall), "recall": recall}
        if len(self.present) > 1:
            scores["macro_auc"] = macro_auc(logits, self.labels, draws)
        if self.small:
            scores["small"] = macro_mean_of(recall[:, np.isin(self.present, self.small)])
        return scores

    def estimates(self, scores: Scores) -> dict[str, Any]:
        def of_labels(columns: np.ndarray) -> dict[str, Any]:
            return {
                str(label): estimate_of(column, self.counts[label]).to_json()
                for label, column in zip(self.present, columns.T, strict=True)
            }

        counts = {"small": self.small_count}
        return {
            name: of_labels(values)
            if name == "recall"
            else estimate_of(values, counts.get(name, len(self.labels))).to_json()
            for name, values in scores.items()
        }

    def verdicts(self, differences: dict[str, Any]) -> dict[str, Any]:
        groups = {"small": self.small_groups}
        return {
            name: {label: _verdict(each, self.groups[int(label)]) for label, each in difference.items()}
            if name == "recall"
            else _verdict(difference, groups.get(name, self.all_groups))
            for name, difference in differences.items()
        }


def _verdict(difference: dict[str, Any], groups: int) -> str:
    if groups < FEWEST_GROUPS:
        return "too few"
    if difference["low"] > 0:
        return "helped"
    return "harmed" if difference["high"] < 0 else "neither"


def _arm_json(arm: Arm) -> dict[str, Any]:
    def by_label(values: np.ndarray) -> dict[str, Any]:
        return {str(label): value for label, value in enumerate(values.tolist())}

    return {
        "kind": arm.kind,
        "ratio": arm.ratio,
        "real": by_label(arm.real),
        "synthetic": by_label(arm.synthetic),
        "share": by_label(arm.set.share),
    }


def _short(arm: Arm) -> dict[str, dict[str, int]]:
    return {
        str(label): {"wanted": int(arm.wanted[label]), "had": int(arm.synthetic[label])}
        for label in np.flatnonzero(arm.synthetic < arm.wanted)
    }


def _small_labels(labels: Int64[np.ndarray, " n"], label_count: int) -> list[int]:
    counts = np.bincount(labels, minlength=label_count)
    return np.flatnonzero((counts > 0) & (counts < counts[counts > 0].mean() / 2)).tolist()


def _fitting_rows(
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
