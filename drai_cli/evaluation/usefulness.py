"""Usefulness of an evaluation: does training on synthetic images help, how are they best used, and for whom?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from drai_cli.evaluation.best_use import best_use, command_for
from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_usefulness, explain, mark
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.quick import POOL
from drai_cli.evaluation.real_classifiers import RealClassifiers
from drai_cli.evaluation.selected import describe_selection, select
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.heads import FeatureTest, measure_heads
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.power import WORTH_SEEING, cases_for, groups_for, least_gain
from drai_cli.metrics.training_sets import make_arms, small_labels, synthetic_counts
from drai_cli.metrics.usefulness import TestSet, fitting_rows, measure_usefulness
from drai_cli.progress import percent_task
from drai_cli.report.findings import Measure, Part

_REAL, _REPEATED = "trained on real images", "the same real images, repeated as often"
_ACCURACY = Described(
    "balanced_accuracy", "Balanced accuracy", "higher",
    "Balanced accuracy on real test images of a classifier trained on the named set; equal steps for every set.", _REAL,
)  # fmt: skip
_AUC = Described(
    "macro_auc", "Macro AUC", "higher",
    "Area under the ROC curve of each label against the rest; all labels have equal weight.", _REAL,
)  # fmt: skip
_RECALL = Described(
    "recall", "Recall", "higher", "Share of the label's real test images that are recognised.", _REAL
)
_HOW_GAIN = (
    "Gain from this use of synthetic images, compared with real images alone, repeated as often as the synthetic ones "
    "are used; all labels are drawn equally often. Above 0 the synthetic images help."
)
_GAIN = Described("gain", "Gain in balanced accuracy", "higher", _HOW_GAIN, _REPEATED)
_GAIN_SMALL = Described("gain_small", "Gain in recall of the rare labels", "higher", _HOW_GAIN, _REPEATED)
_GAIN_RECALL = Described("gain_recall", "Gain in recall", "higher", _HOW_GAIN, _REPEATED)
_LEAST = Described(
    "least_gain", "Smallest gain that the test cases can show", "lower",
    "Half width of the interval that a gain in balanced accuracy has with so many test cases, expected before any "
    "classifier is trained.",
    "a gain worth seeing",
)  # fmt: skip
_CASES = Described(
    "cases_needed", "Test cases needed to see a gain of 0.05", "lower",
    "Test cases (patients or lesions) with which a gain of 0.05 in balanced accuracy can be seen, in the proportions "
    "of this set.",
    "test cases of this set",
)  # fmt: skip
_SEEDS = Described(
    "seeds_share", "Classifiers' share in the interval", "lower",
    "Share of a gain's variance that comes from the few classifiers, not from the few test cases. Above 0.5 more "
    "classifiers (--usefulness-seeds) narrow the intervals.",
)  # fmt: skip
_CAUTION = (
    "One training budget, one test set. Intervals cover the test groups and, with several classifiers per set, their "
    "seeds, not another generator or data set; among many comparisons some intervals miss 0 by chance."
)
_NO_HEADS = (
    "a second kind of classifier, a linear head on pretrained features: name them with --features; one kind alone "
    "can mislead"
)
_HEAD = "linear head on features"
_HEAD_POOL = 400
"""Most synthetic images of a label whose features are computed for the heads."""


def _measure(evaluation: Evaluation) -> Raw:
    options, real, outside = evaluation.options, evaluation.real, evaluation.outside
    images = UsefulnessConfig.images if options.usefulness_images is None else options.usefulness_images
    config = UsefulnessConfig(
        images, seeds=options.usefulness_seeds, ratios=options.usefulness_ratios, symmetry=real.symmetry
    )
    label_count = len(real.schema.labels)
    counts = np.bincount(real.labels[evaluation.rows("train")], minlength=label_count)
    chosen = sorted({real.schema.label.position(label) for label in options.small_labels})
    small = chosen or small_labels(counts)
    tested = _groups_by_label(evaluation)
    evaluation.reporter.info(_expected(tested))
    made, made_labels = _pool(evaluation, config.ratios, small)
    selected = select(evaluation, made, made_labels)
    classifiers = RealClassifiers(evaluation, config)
    kept = classifiers.load()
    is_new = not kept
    with percent_task(evaluation.reporter, "training classifiers") as advance:
        numbers = measure_usefulness(
            real.images, real.labels, real.parts, real.groups, made, made_labels, label_count,
            part=options.part,
            outside=None if outside is None else TestSet(outside.images, outside.labels, outside.groups),
            small=small, is_selected=selected.is_kept, config=config, kept=kept, seed=options.seed,
            device=evaluation.device, progress=advance,
        )  # fmt: skip
    if is_new:
        classifiers.save(kept)
    heads = None
    if options.features is not None:
        heads = _heads(evaluation, made, made_labels, selected.is_kept, config.ratios, small)
    return {
        **numbers, **selected.numbers, "not_selected": selected.missing, "heads": heads,
        "least_gain": least_gain(tested), "cases_needed": cases_for(tested),
    }  # fmt: skip


def _groups_by_label(evaluation: Evaluation) -> Int64[np.ndarray, " labels"]:
    """Groups of the evaluated part with an image of each label."""
    real, rows = evaluation.real, evaluation.rows(evaluation.options.part)
    return np.array(
        [
            len(np.unique(real.groups[rows][real.labels[rows] == label]))
            for label in range(len(real.schema.labels))
        ]
    )


def _expected(tested: Int64[np.ndarray, " labels"]) -> str:
    """What the test images can show, said before anything is trained."""
    return (
        f"usefulness: with {tested.sum()} test cases a gain below about {least_gain(tested):.2f} in balanced accuracy "
        f"cannot be seen; a gain of {WORTH_SEEING} needs about {cases_for(tested):,} in these proportions"
    )


def _pool(
    evaluation: Evaluation, ratios: tuple[float, ...], small: Sequence[int]
) -> tuple[Images, Int64[np.ndarray, " n"]]:
    """As many synthetic images of each label as any training set needs, under conditions of training images."""
    real, train = evaluation.real, evaluation.rows("train")
    counts = np.bincount(real.labels[train], minlength=len(real.schema.labels))
    wanted = synthetic_counts(counts, ratios, small)
    if evaluation.options.quick:
        wanted = np.minimum(wanted, POOL)
    generator = np.random.default_rng(evaluation.options.seed)
    rows = [
        generator.choice(train[real.labels[train] == label], count, replace=True)
        for label, count in enumerate(wanted)
        if count and counts[label]
    ]
    return evaluation.draw(np.concatenate(rows), evaluation.options.seed + 1)


def _heads(
    evaluation: Evaluation,
    made: Images,
    made_labels: Int64[np.ndarray, " m"],
    is_selected: Bool[np.ndarray, " m"] | None,
    ratios: tuple[float, ...],
    small: Sequence[int],
) -> list[dict[str, Any]]:
    """The same comparison with a linear head on the features of `--features`."""
    options, real, outside, space = (
        evaluation.options, evaluation.real, evaluation.outside, evaluation.features(),
    )  # fmt: skip
    label_count = len(real.schema.labels)
    chosen = np.concatenate(
        [np.flatnonzero(made_labels == label)[:_HEAD_POOL] for label in range(label_count)]
    )
    train, held = fitting_rows(real.labels, real.parts, real.groups, options.part, options.seed)
    of_chosen = None if is_selected is None else is_selected[chosen]
    arms = make_arms(
        real.labels, train, made_labels[chosen], label_count, ratios, small, options.seed, of_chosen
    )
    test = evaluation.rows(options.part)
    features = space.features(real.images)
    tests = [FeatureTest(features[test], real.labels[test], real.groups[test])]
    if outside is not None:
        tests.append(FeatureTest(space.features(outside.images), outside.labels, outside.groups))
    return measure_heads(
        arms,
        features,
        real.labels,
        held,
        space.features(made[chosen]),
        tests,
        label_count,
        small,
        options.seed,
    )


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    labels, arms = evaluation.real.schema.labels, numbers["arms"]
    real, small = arms["real"], numbers["small_labels"]
    measures = [*_of_kind(numbers, "", labels, small), *describe_selection(numbers, labels)]
    measures.append(_LEAST.of(numbers["least_gain"], WORTH_SEEING, n=numbers["groups"]))
    measures.append(_CASES.of(numbers["cases_needed"], numbers["groups"]))
    if numbers["seeds_share"] is not None:
        measures.append(_SEEDS.of(numbers["seeds_share"], n=real["seeds"]))
    heads, outside = numbers["heads"], numbers["outside"]
    if outside is not None:
        where = f"on {evaluation.outside.name}" if evaluation.outside is not None else "outside"
        measures += _of_kind(outside, where, labels, small)
    for index, of_head in enumerate(heads or ()):
        where = (
            _HEAD
            if not index
            else f"{_HEAD}, on {evaluation.outside.name if evaluation.outside else 'outside'}"
        )
        measures += _of_kind(of_head, where, labels, small, is_short=True)
    notes = [
        f"{arm}: for some labels there were fewer synthetic images than requested" for arm in numbers["short"]
    ]
    if numbers["not_selected"]:
        notes.append(numbers["not_selected"])
    if heads is None:
        notes.append(_NO_HEADS)
    if evaluation.outside is None:
        notes.append("gains on images from elsewhere, which are often larger: name a set with --external")
    doubt = doubt_of_usefulness(evaluation, real["balanced_accuracy"], real["images_seen"])
    if doubt:
        return Part(
            "usefulness", USEFULNESS.title, mark(measures, doubt.why, lambda measure: True),
            "No verdict: the classifier trained on real images cannot tell the labels, so nothing can be said of what "
            "synthetic images add.",
            _CAUTION, tuple(notes), (explain(doubt.why, "no number of this part is informative", doubt.way_out),),
        )  # fmt: skip
    return Part(
        "usefulness", USEFULNESS.title, tuple(measures), _verdict(evaluation, numbers), _CAUTION, tuple(notes)
    )


def _of_kind(
    numbers: Raw, where: str, labels: Sequence[str], small: Sequence[int], *, is_short: bool = False
) -> Iterator[Measure]:
    """Measures of one kind of classifier on one test set; those of the built-in one on the test part lead.

    Args:
        numbers: Of that classifier and set.
        where: Which; empty for the built-in one on the test part.
        labels: Names.
        small: The rare labels.
        is_short: Leave out recalls but those of the rare labels.
    """
    arms = numbers["arms"]
    real, prefix = arms["real"], f"{where}: " if where else ""
    for name, arm in arms.items():
        for described in (_ACCURACY, _AUC):
            if described.key in arm:
                baseline = None if name == "real" else real[described.key]
                is_headline = described is _ACCURACY and name == "synthetic" and not where
                yield described.of(
                    arm[described.key], baseline, variant=f"{prefix}{name}", is_headline=is_headline
                )
    for name, difference in numbers["differences"].items():
        if name == "synthetic":
            continue
        more = {"variant": f"{prefix}{name}"}
        yield _GAIN.of(difference["balanced_accuracy"], 0.0, is_headline=True, **more)
        if "small" in difference:
            how_to_read = f"{_HOW_GAIN} Mean over {', '.join(labels[label] for label in small)}."
            yield _GAIN_SMALL.of(
                difference["small"], 0.0, is_headline=not where, how_to_read=how_to_read, **more
            )
        for index, gain in difference["recall"].items():
            if not is_short or int(index) in small:
                yield _GAIN_RECALL.of(gain, 0.0, label=labels[int(index)], **more)
    if not is_short:
        best = max(
            (name for name in arms if name not in ("real", "synthetic")),
            key=lambda name: arms[name]["balanced_accuracy"]["value"],
        )
        for index, recall in arms[best]["recall"].items():
            yield _RECALL.of(
                recall, real["recall"][index], label=labels[int(index)], variant=f"{prefix}{best}"
            )


def _verdict(evaluation: Evaluation, numbers: Raw) -> str:
    labels, arms = evaluation.real.schema.labels, numbers["arms"]
    real, synthetic = (arms[name]["balanced_accuracy"]["value"] for name in ("real", "synthetic"))
    alone = f"trained on synthetic images alone it reaches {synthetic / max(real, 1e-9):.0%} of that with real ones"
    best = best_use(numbers)
    seem, doubt = doubt_of_seeds(arms["real"]["seeds"])
    if best.name:
        gain = numbers["differences"][best.name]["balanced_accuracy"]
        text = (
            f"They {seem}help: the best use, {best.name}, gains {gain['value']:.3f} in balanced accuracy "
            f"[{gain['low']:.3f}, {gain['high']:.3f}]; {alone}."
        )
        if best.objections:
            text += f" But {'; '.join(best.objections)}."
        text += _brief(arms["real"]["images_seen"]) + doubt
        if command := command_for(evaluation, numbers, best.name):
            text += f" To make that data set: {command}"
        return text
    if best.harmful:
        text = f"They {seem}harm: {', '.join(best.harmful)} did worse than real images alone; {alone}."
        return f"{text}{_brief(arms['real']['images_seen'])}{doubt}"
    text = "No use of them showed a gain over real images alone"
    if best.rare:
        text += (
            f", but {', '.join(labels[index] for index in best.rare)} gained in recall with {best.rare_use}"
        )
    needed = groups_for(best.resolution, numbers["groups"]) or numbers["cases_needed"]
    return (
        f"{text}: with {numbers['groups']} test cases, gains under {best.resolution:.2f} cannot be seen "
        f"({WORTH_SEEING} would need about {needed:,}); {alone}."
    )


def doubt_of_seeds(seeds: int) -> tuple[str, str]:
    """What goes before the verb of a verdict and after it where one classifier per set was trained; else empty."""
    if seeds > 1:
        return "", ""
    return "seem to ", (
        " One classifier was trained per set, so intervals leave out the chance of its training: repeat with "
        "--usefulness-seeds 2 before you rely on this."
    )


def _brief(images_seen: int) -> str:
    """That classifiers were trained for less long than usual, which makes gains look larger; else empty."""
    usual = UsefulnessConfig().images_seen
    if images_seen >= usual:
        return ""
    return (
        f" The classifiers saw {images_seen:,} images in training instead of {usual:,}: after longer training the "
        "difference may be smaller (--usefulness-images)."
    )


USEFULNESS = MeasuredPart(
    "Usefulness: do they help my model?",
    _measure,
    _describe,
    (
        "usefulness_images",
        "usefulness_seeds",
        "usefulness_ratios",
        "small_labels",
        "features_sha256",
        "outside_key",
    ),
)
