"""Fidelity of an evaluation: do the synthetic images look like real ones, and are they as varied?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge, explain, mark
from drai_cli.evaluation.extractors.inception import InceptionFeatures
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.pictures import enlarged_texture, real_and_synthetic
from drai_cli.metrics.inception_score import SPLITS, class_probabilities, inception_score
from drai_cli.metrics.judge import Judge
from drai_cli.metrics.texture import BANDS, measure_texture
from drai_cli.report.findings import Figure, Measure, Part

_REAL = "other real images"
_LEAST_A_SPLIT = 50  # images: with fewer the score depends on their number
_JUDGE = "judge"  # the extractor's name
_FRECHET = Described(
    "frechet", "Fréchet distance", "lower",
    "Distance between means and covariances of the features of both sets. Biased upwards for few images: compare it "
    "only with its baseline at the same n.",
    _REAL,
)  # fmt: skip
_KERNEL = Described(
    "kernel", "Kernel distance (KID)", "lower",
    "Unbiased: near 0 for two sets from one distribution, at any n; may be below 0.", _REAL,
)  # fmt: skip
_SCORE = Described(
    "inception_score", "Inception score", "higher",
    "How certain a classifier is of each image, and how varied its answers are; independent of whether images look "
    "real.",
    _REAL,
)  # fmt: skip
_SPREAD = Described(
    "spread", "Spread within the label", "baseline",
    "Standard deviation of a label's samples relative to its real images: far below 1 means mode collapse.", _REAL,
)  # fmt: skip
_MANIFOLD = (
    Described("precision", "Precision", "higher",
              "Share of synthetic images that lie among real ones: low where images look unreal.", _REAL),
    Described("recall", "Recall", "higher",
              "Share of real images that lie among synthetic ones: low where kinds of images are missing.", _REAL),
    Described("density", "Density", "higher",
              "How many neighbourhoods of real images contain a synthetic image; about 1 for real images.", _REAL),
    Described("coverage", "Coverage", "higher",
              "Share of real images with a synthetic one in their neighbourhood: low where kinds are missing.", _REAL),
)  # fmt: skip
_POWER = Described(
    "power", "Power of texture", "baseline",
    "Mean log power less that of the real images, in nats, by fineness: below 0 images are too smooth, above 0 too "
    "rough or patterned. No network is involved.",
    _REAL,
)  # fmt: skip
_COHERENCE = Described(
    "coherence", "Coherence of texture", "baseline",
    "How strongly texture has a direction at each place (0 noise, 1 parallel lines), less that of the real images: "
    "above 0 there are streaks or worms in place of grain.",
    _REAL,
)  # fmt: skip
_NO_VERDICT = "No verdict: the features in which distances are computed do not distinguish the labels."
_ELSE = "Or use other features (--features)."
_CAUTION = "Distances depend on the features: compare only numbers of the same extractor, data and n."


def _measure(evaluation: Evaluation) -> Raw:
    real, part = evaluation.real, evaluation.options.part
    texture = measure_texture(
        real.images,
        real.labels,
        real.parts,
        real.groups,
        evaluation.source,
        part=part,
        seed=evaluation.options.seed,
    )
    numbers = {**evaluation.measure(("distance", "spread")), "texture": texture}
    extractor, seed = evaluation.features(), evaluation.options.seed
    # The Inception of published scores has its own logits. Otherwise the judge classifies, where there is one: none is
    # trained for a score alone.
    if isinstance(extractor, InceptionFeatures):
        classifier: InceptionFeatures | Judge = extractor
    elif evaluation.has_judge:
        classifier = evaluation.instruments.judge
    else:
        return numbers
    rows = evaluation.rows(evaluation.options.part)
    made, _ = evaluation.draw(rows, seed)
    scores = {}
    for name, images in (("samples", made), ("real", evaluation.real.images[rows])):
        splits = max(1, min(SPLITS, len(images) // _LEAST_A_SPLIT))
        probabilities = class_probabilities(classifier.logits(images))
        scores[name] = asdict(inception_score(probabilities, classifier.name, splits=splits, seed=seed))
    return {**numbers, "inception_score": {**scores, "classifier": classifier.name}}


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    labels, distance = evaluation.real.schema.labels, numbers["distance"]
    extractor, count = distance["extractor"], distance["frechet"]["samples"]["n"]
    measures = list(_distances({**distance, "n": count}, extractor))
    measures += _texture(numbers["texture"])
    if score := numbers.get("inception_score"):
        measures.append(_SCORE.of(score["samples"], score["real"], extractor=score["classifier"]))
    for index, of_label in distance["labels"].items():
        measures += _distances(of_label, extractor, labels[int(index)])
    for index, entry in numbers["spread"]["labels"].items():
        measures.append(_SPREAD.of(entry, entry.get("real"), label=labels[int(index)], extractor=extractor))
    part = Part("fidelity", FIDELITY.title, tuple(measures), _verdict(distance), _CAUTION)
    doubt = doubt_of_judge(evaluation, numbers)
    if not doubt or not any(measure.extractor == _JUDGE for measure in measures):
        return part
    what = "distances and scores in its features are not informative"
    return replace(
        part,
        measures=mark(measures, doubt.why, lambda measure: measure.extractor == _JUDGE),
        verdict=_NO_VERDICT if extractor == _JUDGE else part.verdict,
        doubts=(explain(doubt.why, what, f"{doubt.way_out} {_ELSE}"),),
    )


def _distances(numbers: Raw, extractor: str, label: str = "") -> Iterator[Measure]:
    """Distances and manifold measures of all images, or of one label's; headlines are of all."""
    more: dict[str, Any] = {"extractor": extractor, "label": label}
    for described in (_FRECHET, _KERNEL):
        each = numbers[described.key]
        n = {"n": numbers["n"]} if described is _FRECHET else {}
        yield described.of(each["samples"], each["real"], is_headline=not label, **n, **more)
    manifold = numbers["manifold"]
    for described in _MANIFOLD:
        if described.key in manifold["samples"]:
            made, real = (manifold[side][described.key] for side in ("samples", "real"))
            is_headline = not label and described.key in ("precision", "recall")
            yield described.of(made, real, n=numbers["n"], is_headline=is_headline, **more)


def _texture(numbers: Raw) -> Iterator[Measure]:
    """Power by band, and coherence."""
    for band in BANDS if numbers else ():
        each = numbers["power"][band]
        yield _POWER.of(each["samples"], each["real"], variant=band)
    if numbers:
        yield _COHERENCE.of(numbers["coherence"]["samples"], numbers["coherence"]["real"])


def _verdict(distance: Raw) -> str:
    frechet, manifold = distance["frechet"], distance["manifold"]["samples"]
    verdict = (
        f"With {frechet['samples']['n']} images per side, the Fréchet distance is {frechet['ratio']:.1f} times that of "
        "other real images"
    )
    if not manifold:
        return f"{verdict}."
    return (
        f"{verdict}; {manifold['precision']:.0%} of the synthetic images lie among real ones, and "
        f"{manifold['recall']:.0%} of the real ones among synthetic ones."
    )


def _draw(evaluation: Evaluation, numbers: Raw) -> list[Figure]:
    options = evaluation.options
    sheet, labels = real_and_synthetic(evaluation.real, evaluation.source, options.part, options.seed)
    caption = f"Two rows per label, real images above synthetic ones. Labels in order: {', '.join(labels)}."
    detail = "The middles of images, enlarged: real ones above, synthetic ones below. Compare grain, hairs and edges."
    return [
        Figure("fidelity", "Real and synthetic images", caption, sheet),
        Figure(
            "fidelity",
            "Texture",
            detail,
            enlarged_texture(evaluation.real, evaluation.source, options.part, options.seed),
        ),
    ]


FIDELITY = MeasuredPart(
    "Fidelity: do they look like real images?",
    _measure,
    _describe,
    ("samples", "draws", "features_sha256", "has_judge"),
    _draw,
)
