"""Usefulness of an evaluation: does training on synthetic images help more than oversampling real ones?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_usefulness, explain, mark
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.training_sets import synthetic_counts
from drai_cli.metrics.usefulness import measure_usefulness
from drai_cli.report.findings import Measure, Part

_REAL, _REPEATED = "trained on real images", "oversampled real images"
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
    "Gain from adding synthetic images, compared with oversampling real images to the same counts per label: above 0 "
    "the synthetic images help."
)
_GAIN = Described("gain", "Gain in balanced accuracy", "higher", _HOW_GAIN, _REPEATED)
_GAIN_SMALL = Described("gain_small", "Gain in recall of the small labels", "higher", _HOW_GAIN, _REPEATED)
_GAIN_RECALL = Described("gain_recall", "Gain in recall", "higher", _HOW_GAIN, _REPEATED)
_CAUTION = (
    "One classifier architecture, one training budget, one test set. Intervals cover the test groups and the "
    "classifiers' seeds, not another generator or data set; among many comparisons some intervals miss 0 by chance."
)


def _measure(evaluation: Evaluation) -> Raw:
    options, real = evaluation.options, evaluation.real
    images = UsefulnessConfig.images if options.usefulness_images is None else options.usefulness_images
    config = UsefulnessConfig(
        images, seeds=options.usefulness_seeds, ratios=options.usefulness_ratios, symmetry=real.symmetry
    )
    small = {real.schema.label.position(label) for label in options.small_labels} or None
    made, made_labels = _pool(evaluation, config.ratios)
    with evaluation.reporter.task("training classifiers", 100, "%") as task:
        done_before = 0

        def advance(done: int, total: int) -> None:
            nonlocal done_before
            share = 100 * done // total
            task.advance(share - done_before)
            done_before = share

        return measure_usefulness(
            real.images, real.labels, real.parts, real.groups, made, made_labels, len(real.schema.labels),
            part=options.part, small=small, config=config, seed=options.seed, device=evaluation.device,
            progress=advance,
        )  # fmt: skip


def _pool(evaluation: Evaluation, ratios: tuple[float, ...]) -> tuple[Images, Int64[np.ndarray, " n"]]:
    """As many synthetic images of each label as any training set needs, under conditions of training images."""
    real, train = evaluation.real, evaluation.rows("train")
    counts = np.bincount(real.labels[train], minlength=len(real.schema.labels))
    generator = np.random.default_rng(evaluation.options.seed)
    rows = [
        generator.choice(train[real.labels[train] == label], wanted, replace=True)
        for label, wanted in enumerate(synthetic_counts(counts, ratios))
        if wanted and counts[label]
    ]
    return evaluation.draw(np.concatenate(rows), evaluation.options.seed + 1)


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    labels, arms = evaluation.real.schema.labels, numbers["arms"]
    real = arms["real"]
    measures: list[Measure] = []
    for name, arm in arms.items():
        for described in (_ACCURACY, _AUC):
            if described.key in arm:
                baseline = None if name == "real" else real[described.key]
                is_headline = described is _ACCURACY and name == "synthetic"
                measures.append(
                    described.of(arm[described.key], baseline, variant=name, is_headline=is_headline)
                )
    for ratio, against in numbers["differences"].items():
        measures += _gains(against["oversampled"], ratio, labels, numbers["small_labels"])
    best = max(
        (name for name in arms if name.startswith("real + ")),
        key=lambda name: arms[name]["balanced_accuracy"]["value"],
    )
    for index, recall in arms[best]["recall"].items():
        measures.append(_RECALL.of(recall, real["recall"][index], label=labels[int(index)], variant=best))
    notes = [
        f"{arm}: for some labels there were fewer synthetic images than requested" for arm in numbers["short"]
    ]
    doubt = doubt_of_usefulness(evaluation, real["balanced_accuracy"], real["images_seen"])
    compared = (_ACCURACY.key, _AUC.key, _RECALL.key)
    what = "numbers compared with it are not informative"
    return Part(
        "usefulness",
        USEFULNESS.title,
        mark(measures, doubt.why if doubt else "", lambda measure: measure.key in compared),
        _verdict(numbers, labels, doubt is not None),
        _CAUTION,
        tuple(notes),
        (explain(doubt.why, what, doubt.way_out),) if doubt else (),
    )


def _gains(numbers: Raw, ratio: str, labels: tuple[str, ...], small: Sequence[int]) -> Iterator[Measure]:
    more = {"variant": f"{ratio} synthetic images per real image"}
    yield _GAIN.of(numbers["balanced_accuracy"], 0.0, is_headline=True, **more)
    if "small" in numbers:
        how_to_read = f"{_HOW_GAIN} Mean over {', '.join(labels[label] for label in small)}."
        yield _GAIN_SMALL.of(numbers["small"], 0.0, is_headline=True, how_to_read=how_to_read, **more)
    for index, gain in numbers["recall"].items():
        yield _GAIN_RECALL.of(gain, 0.0, label=labels[int(index)], **more)


def _verdict(numbers: Raw, labels: tuple[str, ...], is_doubted: bool) -> str:
    real, synthetic = (numbers["arms"][name]["balanced_accuracy"]["value"] for name in ("real", "synthetic"))
    text = (
        "The value of synthetic images alone cannot be determined"
        if is_doubted
        else f"Trained on synthetic images alone, the classifier reaches {synthetic / max(real, 1e-9):.0%} of its "
        "balanced accuracy with real ones"
    )
    effects = {"helped": set[str](), "harmed": set[str]()}
    overall = set[str]()
    for against in numbers["helped"].values():
        oversampled = against["oversampled"]
        if oversampled["balanced_accuracy"] in effects:
            overall.add(oversampled["balanced_accuracy"])
        for index, effect in oversampled["recall"].items():
            if effect in effects:
                effects[effect].add(labels[int(index)])
    if overall == {"helped"}:
        text += "; added to real images, they helped more than oversampling"
    elif overall == {"harmed"}:
        text += "; added to real images, they did worse than oversampling"
    else:
        text += "; added to real images, they showed no overall gain over oversampling"
    for effect, which in effects.items():
        if which:
            text += f"; at some ratio they {effect} {', '.join(sorted(which))}"
    return f"{text}."


USEFULNESS = MeasuredPart(
    "Usefulness: does training on them help?",
    _measure,
    _describe,
    ("usefulness_images", "usefulness_seeds", "usefulness_ratios", "small_labels"),
)
