"""Privacy of an evaluation: are samples copies of training images, and can training images be identified?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge, explain, mark
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.pictures import sheet_of
from drai_cli.evaluation.real import NO_TRAINING_DATA
from drai_cli.metrics.copies import PIXELS
from drai_cli.metrics.generation import encode, generate
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.nearest import views
from drai_cli.metrics.privacy import measure_privacy
from drai_cli.report.findings import Figure, Measure, Part

_UNSEEN = "unseen real images"
_COPIES = Described(
    "copies", "Copies", "lower",
    "Share of samples much closer in pixels to a training image than unseen real images are, or closer than 99 % of "
    "those in pixels and in features at once; mirrored and rotated copies count.",
    _UNSEEN,
)  # fmt: skip
_IDENTICAL = Described(
    "identical", "Samples equal to a training image", "lower",
    "Number of samples with the same pixels as a training image, mirrored and rotated ones included.", "expected",
)  # fmt: skip
_NEAR = Described(
    "near", "Closer than 1 % of unseen images", "lower",
    "Share of samples as close to a training image as the closest 1 % of unseen real images, in one feature space.",
    "expected",
)  # fmt: skip
_MEDIAN = Described(
    "median", "Median distance relative to unseen images", "baseline",
    "Median distance of samples to the nearest training image, divided by that of unseen images; below 1 is closer.",
    _UNSEEN,
)  # fmt: skip
_MEMBERSHIP = Described(
    "membership", "Membership inference", "baseline",
    "How well an attack separates training images from unseen ones (area under the ROC curve): 0.5 is chance, 1 "
    "perfect.",
    "chance",
)  # fmt: skip
_BY_RECONSTRUCTION, _BY_DISTANCE = "reconstruction error", "distance to samples, "
_IN_JUDGE = ("judge", f"{_BY_DISTANCE}judge")
_ELSE = "Or add other features (--features)."
_CAUTION = (
    "This is evidence, not a guarantee: it finds copies and tries some attacks, and cannot show that no other attack "
    "would work."
)


def _measure(evaluation: Evaluation) -> Raw:
    options, real = evaluation.options, evaluation.real
    made, _ = evaluation.draw(_like_training(evaluation), options.seed + 2)
    train, test = evaluation.rows("train"), evaluation.rows(options.part)
    extractors = {
        extractor.name: extractor for extractor in (evaluation.instruments.judge, evaluation.features())
    }
    # A rotated copy is a copy, whatever symmetry the set has.
    numbers = measure_privacy(
        made, np.asarray(real.images[train]), np.asarray(real.images[test]), real.groups[test], real.groups[train],
        extractors=extractors, symmetry="dihedral", reconstruct=_reconstruction(evaluation), seed=options.seed,
    )  # fmt: skip
    return {**numbers, **evaluation.judge_on_real()}


def _like_training(evaluation: Evaluation) -> Int64[np.ndarray, " n"]:
    """Rows whose conditions the samples are generated for: labels as frequent as in training."""
    train, count = evaluation.rows("train"), evaluation.options.privacy_samples
    drawn = np.random.default_rng(evaluation.options.seed).choice(train, count, replace=count > len(train))
    return np.sort(drawn)


def _reconstruction(evaluation: Evaluation) -> Callable[[Images], Images] | None:
    """Reconstructs images with the model; None where it has no encoder, or needs the label for content."""
    model, device = evaluation.subject.model, evaluation.device
    if model is None or model.encoder is None or not model.infers_content:
        return None
    unused = np.zeros((1, evaluation.real.schema.dim), np.float32)

    def reconstruct(images: Images) -> Images:
        codes = encode(model, images, unused.repeat(len(images), 0), device)
        return generate(model, codes.content, codes.style, images.dtype, device)

    return reconstruct


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    copies, count, verdict = numbers["copies"], numbers["n"]["samples"], numbers["verdict"]
    measures = [
        _COPIES.of(copies["rate"], copies["test_rate"], is_headline=True),
        _IDENTICAL.of(copies["identical"], 0.0, n=count),
    ]
    for space, entry in numbers["spaces"].items():
        rate = entry["copy_rate"]
        measures.append(_NEAR.of(rate, rate["expected"], variant=space))
        if ratio := entry["median"]["ratio"]:
            measures.append(_MEDIAN.of(ratio, 1.0, variant=space))
    measures += _membership(numbers["membership"])
    text = (
        f"{len(copies['flagged'])} of {count} samples are copies by this measure, more than chance explains"
        if verdict["copies_found"]
        else f"No more of {count} samples lie near training images than unseen real images do"
    )
    text += (
        "; training images can be told from unseen ones."
        if verdict["membership_leaks"]
        else "; the attacks do not separate training images from unseen ones."
    )
    part = Part("privacy", PRIVACY.title, tuple(measures), text, _CAUTION)
    if not (doubt := doubt_of_judge(evaluation, numbers)):
        return part
    what = "copies and attacks are searched for in pixels only"
    return replace(
        part,
        measures=mark(measures, doubt.why, lambda measure: measure.variant in _IN_JUDGE),
        verdict=f"{text} Numbers in the judge's features are not informative.",
        doubts=(explain(doubt.why, what, f"{doubt.way_out} {_ELSE}"),),
    )


def _membership(numbers: Raw) -> Iterator[Measure]:
    attacks = {f"{_BY_DISTANCE}{space}": attack for space, attack in numbers["distance"].items()}
    if numbers["reconstruction"]:
        attacks[_BY_RECONSTRUCTION] = numbers["reconstruction"]
    for name, attack in attacks.items():
        is_headline = name in (_BY_RECONSTRUCTION, f"{_BY_DISTANCE}{PIXELS}")
        yield _MEMBERSHIP.of(attack, 0.5, variant=name, is_headline=is_headline)


def _draw(evaluation: Evaluation, numbers: Raw) -> list[Figure]:
    pairs = numbers["closest"]
    if not pairs:
        return []
    made, _ = evaluation.draw(_like_training(evaluation), evaluation.options.seed + 2)
    train = evaluation.real.images[evaluation.rows("train")]
    turned = [list(views(made[pair["sample"]][None], "dihedral"))[pair["view"]][0] for pair in pairs]
    caption = (
        "Above: the synthetic images closest to a training image, mirrored or rotated to match it. Below: the training "
        "images. Look for the same hairs, edges and marks: images of one kind are similar without being copies."
    )
    sheet = sheet_of([np.stack(turned), train[[pair["train"] for pair in pairs]]])
    return [Figure("privacy", "The ten closest pairs", caption, sheet)]


def _refuse(evaluation: Evaluation) -> str:
    return "" if evaluation.real.is_training_known else NO_TRAINING_DATA


PRIVACY = MeasuredPart(
    "Privacy: do they reveal the images they were trained on?",
    _measure,
    _describe,
    ("privacy_samples", "features_sha256"),
    _draw,
    _refuse,
)
