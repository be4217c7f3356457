"""Fidelity of an evaluation: do the synthetic images look like real ones, and are they as varied?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge, explain, mark
from drai_cli.evaluation.extractors.inception import InceptionFeatures
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.pictures import enlarged_texture, real_and_synthetic
from drai_cli.metrics.inception_score import SPLITS, class_probabilities, inception_score
from drai_cli.metrics.judge import Judge
from drai_cli.metrics.ranges import measure_ranges
from drai_cli.metrics.rules import Rule, measure_rules
from drai_cli.metrics.texture import BANDS, measure_texture
from drai_cli.report.findings import FIRST, Figure, Measure, Part

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
_BLUR = Described(
    "frechet_blurred", "Fréchet distance of blurred real images", "lower",
    "The same distance of real training images after a blur of two pixels of 64: near the distance of other real "
    "images, the features miss an obvious fault.",
    _REAL,
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
_IN_RANGE = Described(
    "in_range", "Within the range of real images", "higher",
    "Share of images whose brightness, contrast and edges, channel by channel, lie within the range of the real "
    "training images (all but 0.1 % on either side).",
    _REAL,
)  # fmt: skip
_RULE = Described(
    "rule", "Keeps to your rule", "higher",
    "Share of images whose measured quantity lies in the range that the rule names (--rule).",
    _REAL,
)  # fmt: skip
_SUBGROUP = Described(
    "subgroup", "Coverage of the subgroup", "higher",
    "Share of the subgroup's real images with a synthetic one in their neighbourhood: low where it is missing.",
    _REAL,
)  # fmt: skip
_LACKING, _UNIFORM = 0.7, 0.8
"""Coverage, and spread, relative to other real images, below which kinds of images are called missing."""
_BLUR_SEEN = 2.0
"""Least Fréchet distance of blurred real images, relative to other real images, for features that notice a blur."""
_NO_VERDICT = "No verdict: the features in which distances are computed do not distinguish the labels."
_NO_VERDICT_BLUR = "No verdict: the features in which distances are computed do not notice an obvious blur."
_ELSE = "Or use other features (--features)."
_CAUTION = (
    "Distances depend on the features: compare only numbers of the same extractor, data and n. The judge's features "
    "notice what tells labels apart, and little of fine detail; pretrained ones (--features) notice more."
)


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
    rows, real = evaluation.rows(evaluation.options.part), evaluation.real
    made, _ = evaluation.draw(rows, seed)
    numbers["ranges"] = measure_ranges(
        made, real.images[rows], real.groups[rows], real.images[evaluation.rows("train")], seed
    )
    if evaluation.options.rules:
        rules = [Rule.parse(text) for text in evaluation.options.rules]
        numbers["rules"] = measure_rules(rules, made, real.images[rows], real.groups[rows], seed)
    # The Inception of published scores has its own logits. Otherwise the judge classifies, where there is one: none is
    # trained for a score alone.
    if isinstance(extractor.extractor, InceptionFeatures):
        classifier: InceptionFeatures | Judge = extractor.extractor
    elif evaluation.has_judge:
        classifier = evaluation.instruments.judge
    else:
        return numbers
    scores = {}
    for name, images in (("samples", made), ("real", evaluation.real.images[rows])):
        splits = max(1, min(SPLITS, len(images) // _LEAST_A_SPLIT))
        probabilities = class_probabilities(classifier.logits(images))
        scores[name] = asdict(inception_score(probabilities, classifier.name, splits=splits, seed=seed))
    return {**numbers, "inception_score": {**scores, "classifier": classifier.name}}


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    labels, distance = evaluation.real.schema.labels, numbers["distance"]
    extractor, count = distance["extractor"], distance["frechet"]["samples"]["n"]
    measures = list(describe_distances({**distance, "n": count}, extractor))
    measures += describe_texture(numbers["texture"])
    if score := numbers.get("inception_score"):
        measures.append(_SCORE.of(score["samples"], score["real"], extractor=score["classifier"]))
    for index, of_label in distance["labels"].items():
        measures += describe_distances(of_label, extractor, labels[int(index)])
    measures.append(_IN_RANGE.of(numbers["ranges"]["samples"], numbers["ranges"]["real"]))
    for text, share in numbers.get("rules", {}).items():
        measures.append(_RULE.of(share["samples"], share["real"], variant=text))
    for column, by_value in distance["subgroups"].items():
        for value, entry in by_value.items():
            measures.append(
                _SUBGROUP.of(
                    entry["samples"], entry["real"], label=value, variant=column, extractor=extractor
                )
            )
    for index, entry in numbers["spread"]["labels"].items():
        measures.append(_SPREAD.of(entry, entry.get("real"), label=labels[int(index)], extractor=extractor))
    verdict = f"{verdict_on_distance(distance)}{_lacking(distance, numbers['spread'], labels)}"
    part = Part("fidelity", FIDELITY.title, tuple(measures), verdict, _CAUTION)
    if doubt := doubt_of_judge(evaluation, numbers):
        if not any(measure.extractor == _JUDGE for measure in measures):
            return part
        what = "distances and scores in its features are not informative"
        return replace(
            part,
            measures=mark(measures, doubt.why, lambda measure: measure.extractor == _JUDGE),
            verdict=_NO_VERDICT if extractor == _JUDGE else part.verdict,
            doubts=(explain(doubt.why, what, f"{doubt.way_out} {_ELSE}"),),
        )
    if why := _blind_to_blur(distance, extractor):
        what = "distances in them say nothing of sharpness, and there is no verdict"
        longer = f"Train the judge for longer (--judge-images). {_ELSE}" if extractor == _JUDGE else _ELSE
        return replace(
            part,
            measures=mark(measures, why, lambda measure: measure.key in (_FRECHET.key, _KERNEL.key)),
            verdict=f"{_NO_VERDICT_BLUR}{_lacking(distance, numbers['spread'], labels)}",
            doubts=(explain(why, what, longer),),
        )
    return part


def _lacking(distance: Raw, spread: Raw, labels: Sequence[str]) -> str:
    """Which labels and subgroups are lacking among synthetic images, in a sentence; empty where none is known to be."""
    texts = []
    for where, entries in (
        *((("label", {labels[int(i)]: each["manifold"] for i, each in distance["labels"].items()}),)),
        *((column, by_value) for column, by_value in distance["subgroups"].items()),
    ):
        missing = [name for name, each in entries.items() if _is_lacking(each, where == "label")]
        if missing:
            is_all = len(missing) == len(entries) > 1
            texts.append(f"of every {where}" if is_all else f"{where} {', '.join(missing)}")
    out = f" Kinds of real images are missing among the synthetic ones: {'; '.join(texts)}." if texts else ""
    uniform = [
        labels[int(index)]
        for index, each in spread["labels"].items()
        if each["high"] < _UNIFORM * each.get("real", 1.0)
    ]
    return out + (f" Less varied than real images: {', '.join(uniform)}." if uniform else "")


def _is_lacking(sides: Raw, is_label: bool) -> bool:
    """Whether the interval of coverage lies clearly below that of other real images."""
    if is_label and "coverage" not in sides["samples"]:
        return False
    made, real = (sides[side]["coverage"] if is_label else sides[side] for side in ("samples", "real"))
    is_below: bool = made["high"] < real["low"] and made["value"] < _LACKING * real["value"]
    return is_below


def _blind_to_blur(distance: Raw, extractor: str) -> str:
    """Why distances in these features are not informative: they do not notice a plain blur. Empty where they do."""
    frechet = distance["frechet"]
    ratio = frechet["blurred"] / max(frechet["real"]["value"], 1e-12)
    if ratio >= _BLUR_SEEN:
        return ""
    return (
        f"the features of {extractor} hardly notice a plain blur (blurred real images are {ratio:.1f} times as far as "
        "other real images)"
    )


def describe_distances(numbers: Raw, extractor: str, label: str = "") -> Iterator[Measure]:
    """Distances and manifold measures of all images, or of one label's; headlines are of all."""
    more: dict[str, Any] = {"extractor": extractor, "label": label}
    for described in (_FRECHET, _KERNEL):
        each = numbers[described.key]
        n = {"n": numbers["n"]} if described is _FRECHET else {}
        yield described.of(each["samples"], each["real"], is_headline=not label, **n, **more)
        if described is _FRECHET and not label:
            yield _BLUR.of(each["blurred"], each["real"], n=numbers["n"], **more)
    manifold = numbers["manifold"]
    for described in _MANIFOLD:
        if described.key in manifold["samples"]:
            made, real = (manifold[side][described.key] for side in ("samples", "real"))
            is_headline = not label and described.key in ("precision", "recall")
            yield described.of(made, real, is_headline=is_headline, **more)


def describe_texture(numbers: Raw) -> Iterator[Measure]:
    """Power by band, and coherence."""
    for band in BANDS if numbers else ():
        each = numbers["power"][band]
        yield _POWER.of(each["samples"], each["real"], variant=band)
    if numbers:
        yield _COHERENCE.of(numbers["coherence"]["samples"], numbers["coherence"]["real"])


def verdict_on_distance(distance: Raw) -> str:
    frechet, manifold = distance["frechet"], distance["manifold"]["samples"]
    blurred = frechet["blurred"] / max(frechet["real"]["value"], 1e-12)
    far = (
        " They are as far from real ones as plainly blurred real images."
        if frechet["ratio"] > 0.8 * blurred
        else ""
    )
    verdict = (
        f"With {frechet['samples']['n']} images per side, the Fréchet distance is {frechet['ratio']:.1f} times that of "
        f"other real images (plainly blurred ones: {blurred:.1f} times)"
    )
    if not manifold:
        return f"{verdict}.{far}"
    return (
        f"{verdict}; {manifold['precision']['value']:.0%} of the synthetic images lie among real ones, and "
        f"{manifold['recall']['value']:.0%} of the real ones among synthetic ones.{far}"
    )


def _draw(evaluation: Evaluation, numbers: Raw) -> list[Figure]:
    options = evaluation.options
    sheet, _ = real_and_synthetic(evaluation.real, evaluation.source, options.part, options.seed)
    caption = "Two rows per label, real images of the evaluated part above synthetic ones."
    first, _ = real_and_synthetic(evaluation.real, evaluation.source, options.part, options.seed, few=True)
    detail = "The middles of images, enlarged: real ones above, synthetic ones below. Compare grain, lines and edges."
    return [
        Figure(FIRST, "Real and synthetic images", f"{caption} More below.", first),
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
    ("samples", "draws", "features_sha256", "has_judge", "subgroups", "rules"),
    _draw,
)
