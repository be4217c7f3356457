"""Usefulness of an evaluation: does training on the synthetic images help, beyond repeating real ones?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int64, Integer

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_usefulness, marked, says_nothing
from drai_cli.evaluation.measured import MeasuredPart, Raw, measure_of
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.training_sets import synthetic_counts
from drai_cli.metrics.usefulness import measure_usefulness
from drai_cli.report.findings import Measure, Part

Images = Integer[np.ndarray, "n h w c"]

_ACCURACY = (
    "Balanced accuracy on real test images of one classifier, by what it was trained on for as many steps."
)
_AUC = "Area under the curve of each label against the rest, labels weighing equally."
_GAIN = (
    "What real + synthetic has over real images repeated to the same counts of each label: above 0 the synthetic "
    "images add something."
)
_RECALL = "Share of the label's real test images that are recognised."
_CAUTION = (
    "One classifier, one budget, one test set. Intervals cover the test groups and the classifiers' seeds, not another "
    "generator or another set; of many comparisons some miss 0 by chance."
)
_BESIDE_REAL = ("balanced_accuracy", "macro_auc", "recall")
_REAL = "trained on real images"
_REPEATED = "real images repeated"


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
    """As many synthetic images of each label as any training set asks for, under conditions of training images."""
    real, train = evaluation.real, evaluation.rows("train")
    counts = np.bincount(real.labels[train], minlength=len(real.schema.labels))
    generator = np.random.default_rng(evaluation.options.seed)
    rows = [
        generator.choice(train[real.labels[train] == label], wanted, replace=True)
        for label, wanted in enumerate(synthetic_counts(counts, ratios))
        if wanted and counts[label]
    ]
    return evaluation.draw(np.concatenate(rows), evaluation.options.seed + 1)


def _describe(evaluation: Evaluation, found: Raw) -> Part:
    labels, arms = evaluation.real.schema.labels, found["arms"]
    real = arms["real"]
    measures: list[Measure] = []
    for name, arm in arms.items():
        baseline = None if name == "real" else real["balanced_accuracy"]
        measures.append(
            measure_of(
                "balanced_accuracy", "Balanced accuracy", arm["balanced_accuracy"], "higher", _ACCURACY, _REAL,
                baseline, variant=name, is_headline=name == "synthetic",
            )
        )  # fmt: skip
        if "macro_auc" in arm:
            baseline = None if name == "real" else real["macro_auc"]
            measures.append(
                measure_of(
                    "macro_auc", "Macro AUC", arm["macro_auc"], "higher", _AUC, _REAL, baseline, variant=name
                )
            )
    for ratio, against in found["differences"].items():
        measures += _gains(against["oversampled"], ratio, labels, found["small_labels"])
    best = max(
        (name for name in arms if name.startswith("real + ")),
        key=lambda n: arms[n]["balanced_accuracy"]["value"],
    )
    for index, recall in arms[best]["recall"].items():
        measures.append(
            measure_of(
                "recall", "Recall", recall, "higher", _RECALL, _REAL, real["recall"][index], label=labels[int(index)],
                variant=best,
            )
        )  # fmt: skip
    notes = [
        f"{arm}: of some labels there were fewer synthetic images than asked for" for arm in found["short"]
    ]
    doubt = doubt_of_usefulness(evaluation, real["balanced_accuracy"], real["images_seen"])
    return Part(
        "usefulness",
        USEFULNESS.title,
        marked(measures, doubt.why if doubt else "", lambda measure: measure.key in _BESIDE_REAL),
        _verdict(found, labels, doubt is not None),
        _CAUTION,
        tuple(notes),
        (says_nothing(doubt.why, "what stands beside it says nothing", doubt.way_out),) if doubt else (),
    )


def _gains(found: Raw, ratio: str, labels: tuple[str, ...], small: Sequence[int]) -> Iterator[Measure]:
    zero = {"value": 0.0}
    variant = f"{ratio} synthetic images a real one"
    yield measure_of(
        "gain", "Gain in balanced accuracy", found["balanced_accuracy"], "higher", _GAIN, _REPEATED, zero,
        variant=variant, is_headline=True,
    )  # fmt: skip
    if "small" in found:
        how_to_read = f"{_GAIN} Mean over {', '.join(labels[label] for label in small)}."
        yield measure_of(
            "gain_small", "Gain in recall of the small labels", found["small"], "higher", how_to_read, _REPEATED, zero,
            variant=variant, is_headline=True,
        )  # fmt: skip
    for index, gain in found["recall"].items():
        yield measure_of(
            "gain_recall", "Gain in recall", gain, "higher", _GAIN, _REPEATED, zero, label=labels[int(index)],
            variant=variant,
        )  # fmt: skip


def _verdict(found: Raw, labels: tuple[str, ...], is_doubted: bool) -> str:
    arms = found["arms"]
    share = arms["synthetic"]["balanced_accuracy"]["value"] / max(
        arms["real"]["balanced_accuracy"]["value"], 1e-9
    )
    said = f"Trained on synthetic images alone the classifier reaches {share:.0%} of what it reaches on real ones"
    if is_doubted:
        said = "What synthetic images alone are worth cannot be said"
    words = {"helped": set[str](), "harmed": set[str]()}
    overall = set[str]()
    for against in found["helped"].values():
        beyond = against["oversampled"]
        if beyond["balanced_accuracy"] in words:
            overall.add(beyond["balanced_accuracy"])
        for index, word in beyond["recall"].items():
            if word in words:
                words[word].add(labels[int(index)])
    if overall == {"helped"}:
        said += "; added to real ones they helped beyond repeating real images"
    elif overall == {"harmed"}:
        said += "; added to real ones they harmed, against repeating real images"
    else:
        said += "; added to real ones no gain beyond repeating real images was shown overall"
    for word, which in words.items():
        if which:
            said += f"; at some ratio they {word} {', '.join(sorted(which))}"
    return f"{said}."


USEFULNESS = MeasuredPart(
    "Usefulness: does training on them help?",
    _measure,
    _describe,
    ("usefulness_images", "usefulness_seeds", "usefulness_ratios", "small_labels"),
)
