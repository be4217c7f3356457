"""Fidelity of an evaluation: do the synthetic images look like real ones, and are they as varied?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge, marked, says_nothing
from drai_cli.evaluation.extractors.inception import InceptionFeatures
from drai_cli.evaluation.measured import MeasuredPart, Raw, measure_of
from drai_cli.evaluation.pictures import beside_real
from drai_cli.metrics.inception_score import SPLITS, class_probabilities, inception_score
from drai_cli.metrics.judge import Judge
from drai_cli.report.findings import Baseline, Figure, Measure, Part

_REAL = "other real images"
_LEAST_A_SPLIT = 50  # images: with fewer the score says how many there are
_FRECHET = (
    "Distance of the two sets' means and covariances in the features. Biased upwards for few images: only beside its "
    "baseline at the same n does it say anything."
)
_KERNEL = "Unbiased: near 0 for two draws from one distribution, at any n; may fall below 0."
_SCORE = "How sure and how varied a classifier finds the images; says nothing of whether they look real."
_SPREAD = "Spread of a label's samples over that of its real images: far below 1 is collapse."
_MANIFOLD = {
    "precision": "Share of synthetic images that lie among real ones: low where images look unreal.",
    "recall": "Share of real images that lie among synthetic ones: low where kinds of images are missing.",
    "density": "How deep among real images the synthetic ones lie; about 1 for real images.",
    "coverage": "Share of real images with a synthetic one in their neighbourhood: low where kinds are missing.",
}


def _measure(evaluation: Evaluation) -> Raw:
    found = evaluation.measure(("distance", "spread"))
    extractor, seed = evaluation.features(), evaluation.options.seed
    # The Inception of published scores brings its own logits; else it is the judge that is asked, where there is one:
    # none is trained for a score alone.
    if isinstance(extractor, InceptionFeatures):
        classifier: InceptionFeatures | Judge = extractor
    elif evaluation.has_judge:
        classifier = evaluation.instruments.judge
    else:
        return found
    rows = evaluation.rows(evaluation.options.part)
    made, _ = evaluation.draw(rows, seed)
    scores = {}
    for name, images in (("samples", made), ("real", evaluation.real.images[rows])):
        splits = max(1, min(SPLITS, len(images) // _LEAST_A_SPLIT))
        probabilities = class_probabilities(classifier.logits(images))
        scores[name] = asdict(inception_score(probabilities, classifier.name, splits=splits, seed=seed))
    return {**found, "inception_score": {**scores, "classifier": classifier.name}}


def _describe(evaluation: Evaluation, found: Raw) -> Part:
    labels, distance = evaluation.real.schema.labels, found["distance"]
    extractor, frechet, kernel = distance["extractor"], distance["frechet"], distance["kernel"]
    manifold, count = distance["manifold"], frechet["samples"]["n"]
    measures = [
        measure_of(
            "frechet", "Fréchet distance", frechet["samples"], "lower", _FRECHET, _REAL, frechet["real"],
            extractor=extractor, is_headline=True,
        ),
        measure_of(
            "kernel", "Kernel distance (KID)", kernel["samples"], "lower", _KERNEL, _REAL, kernel["real"],
            extractor=extractor, is_headline=True,
        ),
        *_manifold(manifold, count, extractor),
    ]  # fmt: skip
    if score := found.get("inception_score"):
        measures.append(
            measure_of(
                "inception_score", "Inception score", score["samples"], "higher", _SCORE, _REAL, score["real"],
                extractor=score["classifier"],
            )
        )  # fmt: skip
    for index, of_label in distance["labels"].items():
        measures += _of_label(labels[int(index)], of_label, extractor)
    for index, entry in found["spread"]["labels"].items():
        control = {"value": entry["real"]} if "real" in entry else None
        measures.append(
            measure_of(
                "spread", "Spread within the label", entry, "baseline", _SPREAD, _REAL, control,
                label=labels[int(index)], extractor=extractor,
            )
        )  # fmt: skip
    doubt = doubt_of_judge(evaluation, found)
    of_judge = [measure.key for measure in measures if measure.extractor == _JUDGE]
    if not doubt or not of_judge:
        return Part("fidelity", FIDELITY.title, tuple(measures), _verdict(distance), _CAUTION)
    return Part(
        "fidelity",
        FIDELITY.title,
        marked(measures, doubt.why, lambda measure: measure.extractor == _JUDGE),
        _NO_VERDICT if extractor == _JUDGE else _verdict(distance),
        _CAUTION,
        doubts=(
            says_nothing(
                doubt.why, "distances and scores in its features say nothing sure", f"{doubt.way_out} {_ELSE}"
            ),
        ),
    )


_JUDGE = "judge"
_NO_VERDICT = "No verdict: the features that distances are taken in do not tell the labels apart."
_ELSE = "Or take other features (--features)."
_CAUTION = (
    "Distances hold for the named features alone: compare only numbers of the same extractor, data and n."
)


def _verdict(distance: Raw) -> str:
    frechet, manifold = distance["frechet"], distance["manifold"]["samples"]
    said = (
        f"At {frechet['samples']['n']} images a side the Fréchet distance is {frechet['ratio']:.1f} times that of "
        "other real images"
    )
    if not manifold:
        return f"{said}."
    return (
        f"{said}; {manifold['precision']:.0%} of the synthetic images lie among real ones, and "
        f"{manifold['recall']:.0%} of the real ones among synthetic ones."
    )


def _of_label(label: str, found: Raw, extractor: str) -> Iterator[Measure]:
    frechet, kernel = found["frechet"], found["kernel"]
    yield Measure(
        "frechet", "Fréchet distance", frechet["samples"], "lower", _FRECHET, n=found["n"], label=label,
        baseline=Baseline(_REAL, frechet["real"]), extractor=extractor,
    )  # fmt: skip
    yield measure_of(
        "kernel", "Kernel distance (KID)", kernel["samples"], "lower", _KERNEL, _REAL, kernel["real"],
        label=label, extractor=extractor,
    )  # fmt: skip
    yield from _manifold(found["manifold"], found["n"], extractor, label)


def _manifold(found: Raw, count: int, extractor: str, label: str = "") -> Iterator[Measure]:
    for key, how in _MANIFOLD.items():
        if key in found["samples"]:
            yield Measure(
                key, key.capitalize(), found["samples"][key], "higher", how, n=count, label=label,
                baseline=Baseline(_REAL, found["real"][key]), extractor=extractor,
                is_headline=not label and key in ("precision", "recall"),
            )  # fmt: skip


def _draw(evaluation: Evaluation, found: Raw) -> list[Figure]:
    options = evaluation.options
    sheet, labels = beside_real(evaluation.real, evaluation.source, options.part, options.seed)
    caption = f"Two rows a label, real images above synthetic ones, in this order: {', '.join(labels)}."
    return [Figure("fidelity", "Synthetic images beside real ones", caption, sheet)]


FIDELITY = MeasuredPart(
    "Fidelity: do they look like real images?",
    _measure,
    _describe,
    ("samples", "draws", "features_sha256", "has_judge"),
    _draw,
)
