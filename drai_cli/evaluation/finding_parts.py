"""Fidelity and usefulness of a model whose label is a set of findings, as parts of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.fidelity import FIDELITY, describe_distances, describe_texture, verdict_on_distance
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.usefulness import USEFULNESS, doubt_of_seeds
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.fidelity import measure_fidelity
from drai_cli.metrics.finding_set import FindingsConfig
from drai_cli.metrics.finding_usefulness import (
    ADDED,
    CONTROLS,
    FILLED,
    OVERSAMPLED,
    REAL,
    SYNTHETIC,
    measure_finding_usefulness,
    rows_to_make,
)
from drai_cli.metrics.texture import measure_texture
from drai_cli.metrics.usefulness import fitting_rows
from drai_cli.progress import percent_task
from drai_cli.report.findings import Measure, Part

_AUC = Described(
    "macro_auc", "Mean AUC of the findings", "higher",
    "Area under the ROC curve of each finding on real test images, mean over the findings, of a classifier trained on "
    "the named set; equal steps for every set.",
    "trained on real images",
)  # fmt: skip
_HOW_GAIN = (
    "Gain from this use of synthetic images over as many real images of the same findings, which are repeated for it. "
    "Above 0 the synthetic images help."
)
_GAIN = Described("gain", "Gain in mean AUC", "higher", _HOW_GAIN, "the same findings, real images repeated")
_GAIN_ONE = Described(
    "gain_auc", "Gain in AUC", "higher", _HOW_GAIN, "the same findings, real images repeated"
)
_REPEATED = Described(
    "gain_repeated", "Gain in mean AUC from repeating rare findings", "higher",
    "What oversampling alone does: half of each batch has rare findings more often.",
    "real images as they are",
)  # fmt: skip
_CAUTION = (
    "One training budget, one test set. Intervals cover the test groups and, with several classifiers per set, their "
    "seeds, not another generator or data set; among many findings some intervals miss 0 by chance."
)
_CAUTION_DISTANCE = (
    "Distances depend on the features: compare only numbers of the same extractor, data and n. The judge's features "
    "notice what tells findings apart, and little of fine detail; pretrained ones (--features) notice more."
)


def _measure_fidelity(evaluation: Evaluation) -> Raw:
    """Distances and texture, at equal counts of each rarest finding."""
    options, real = evaluation.options, evaluation.real
    of_set = real.images, real.labels, real.parts, real.groups, evaluation.source
    return {
        "distance": measure_fidelity(
            evaluation.features(), *of_set, part=options.part, draws=options.draws, seed=options.seed
        ),
        "texture": measure_texture(*of_set, part=options.part, seed=options.seed),
        **({} if options.features is not None else {"judge": {}}),
    }


def _describe_fidelity(evaluation: Evaluation, numbers: Raw) -> Part:
    distance = numbers["distance"]
    count = distance["frechet"]["samples"]["n"]
    measures = [
        *describe_distances({**distance, "n": count}, distance["extractor"]),
        *describe_texture(numbers["texture"]),
    ]
    return Part("fidelity", FIDELITY.title, tuple(measures), verdict_on_distance(distance), _CAUTION_DISTANCE)


def _measure_usefulness(evaluation: Evaluation) -> Raw:
    """Classifiers of findings trained with and without synthetic images."""
    options, real, data = evaluation.options, evaluation.real, evaluation.finding_set
    images = UsefulnessConfig.images if options.usefulness_images is None else options.usefulness_images
    config = UsefulnessConfig(images, seeds=options.usefulness_seeds, symmetry=real.symmetry)
    train, _ = fitting_rows(real.labels, real.parts, real.groups, options.part, options.seed)
    two = rows_to_make(real.labels, train, len(data.names), options.seed)
    # A folder has each image once, and the two sets may share them: no classifier sees both.
    draws = two if evaluation.subject.model is None else (np.concatenate(two),)
    drawn = [evaluation.draw_findings(rows, options.seed + 1) for rows in draws]
    made, states = (np.concatenate([one[side] for one in drawn]) for side in (0, 1))
    added = len(made) // 2 if len(drawn) == 1 else len(drawn[0][0])
    with percent_task(evaluation.reporter, "training classifiers") as advance:
        return measure_finding_usefulness(
            data, real.labels, made, states, added=added, part=options.part, least=FindingsConfig.least,
            config=config, seed=options.seed, device=evaluation.device, progress=advance,
        )  # fmt: skip


def _describe_usefulness(evaluation: Evaluation, numbers: Raw) -> Part:
    measures = tuple(describe_usefulness(numbers))
    return Part("usefulness", USEFULNESS.title, measures, _verdict(numbers), _CAUTION)


def describe_usefulness(numbers: Raw) -> Iterator[Measure]:
    """The numbers of `measure_finding_usefulness` as measures; those of all findings lead."""
    arms, gains = numbers["arms"], numbers["gains"]
    for name, arm in arms.items():
        baseline = None if name == REAL else arms[REAL]["macro_auc"]
        yield _AUC.of(arm["macro_auc"], baseline, variant=name, is_headline=name == SYNTHETIC)
    yield _REPEATED.of(gains[OVERSAMPLED]["macro_auc"], 0.0, variant=OVERSAMPLED)
    for name in (ADDED, FILLED):
        yield _GAIN.of(gains[name]["macro_auc"], 0.0, variant=name, is_headline=True)
    for finding in numbers["findings"]:
        for name, arm in arms.items():
            baseline = None if name == REAL else arms[REAL]["auc"][finding]
            yield _AUC.of(arm["auc"][finding], baseline, label=finding, variant=name)
        for name in (ADDED, FILLED):
            yield _GAIN_ONE.of(gains[name]["auc"][finding], 0.0, label=finding, variant=name)


def _verdict(numbers: Raw) -> str:
    arms, gains = numbers["arms"], numbers["gains"]
    alone, real = (arms[name]["macro_auc"]["value"] for name in (SYNTHETIC, REAL))
    text = f"Trained on synthetic images alone, classifiers reach a mean AUC of {alone:.2f} ({real:.2f} with real ones)"
    best = max((ADDED, FILLED), key=lambda name: gains[name]["macro_auc"]["value"])
    gain: dict[str, Any] = gains[best]["macro_auc"]
    shown = f"{gain['value']:+.3f} [{gain['low']:.3f}, {gain['high']:.3f}]"
    seem, doubt = doubt_of_seeds(numbers["seeds"])
    if gain["low"] > 0:
        return f"They {seem}help: {best!r} gains {shown} over {CONTROLS[best]!r}. {text}.{doubt}"
    if gain["high"] < 0:
        return f"They {seem}harm: {best!r} does worse than {CONTROLS[best]!r}, {shown}. {text}.{doubt}"
    return f"No gain was shown: the best use, {best!r}, has {shown} over {CONTROLS[best]!r}. {text}."


FIDELITY_OF_FINDINGS = MeasuredPart(
    FIDELITY.title, _measure_fidelity, _describe_fidelity, ("draws", "features_sha256")
)
USEFULNESS_OF_FINDINGS = MeasuredPart(
    USEFULNESS.title, _measure_usefulness, _describe_usefulness, ("usefulness_images", "usefulness_seeds")
)
