"""Privacy of an evaluation: are samples copies of training images, and can one tell whose images were trained on?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Int64, Integer

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge, marked, says_nothing
from drai_cli.evaluation.measured import MeasuredPart, Raw, measure_of
from drai_cli.evaluation.pictures import pairs_sheet
from drai_cli.evaluation.real import NO_TRAINING_DATA
from drai_cli.metrics.generation import encode, generate
from drai_cli.metrics.nearest import views
from drai_cli.metrics.privacy import measure_privacy
from drai_cli.report.findings import Baseline, Figure, Measure, Part

Images = Integer[np.ndarray, "n h w c"]

_COPIES = (
    "Share of samples far nearer to a training image in pixels than unseen real images are, or nearer than 99 % of "
    "those in pixels and in features at once; mirrored or turned as may be."
)
_NEAR = "The same in one space alone, in which 1 % of unseen real images lie as near."
_MEDIAN = "Typical distance of a sample to the nearest training image over that of an unseen image; below 1 is close."
_MEMBERSHIP = (
    "How well training images are told from unseen ones (area under the curve): 0.5 is chance, 1 no error."
)
_IN_JUDGE = ("judge", "distance to samples, judge")
_ELSE = "Or take other features, too (--features)."
_CAUTION = (
    "This is evidence, not a guarantee: it finds copies and the attacks that were tried, and cannot show that no other "
    "attack would work."
)


def _measure(evaluation: Evaluation) -> Raw:
    options, real = evaluation.options, evaluation.real
    made, _ = evaluation.draw(_like_training(evaluation), options.seed + 2)
    train, test = evaluation.rows("train"), evaluation.rows(options.part)
    extractors = {
        extractor.name: extractor for extractor in (evaluation.instruments.judge, evaluation.features())
    }
    # A turned copy is a copy, whatever symmetry the set has.
    found = measure_privacy(
        made, np.asarray(real.images[train]), np.asarray(real.images[test]), real.groups[test], real.groups[train],
        extractors=extractors, symmetry="dihedral", reconstruct=_reconstruction(evaluation), seed=options.seed,
    )  # fmt: skip
    return {**found, **evaluation.judge_on_real()}


def _like_training(evaluation: Evaluation) -> Int64[np.ndarray, " n"]:
    """Rows whose conditions the samples get: labels as frequent as in training."""
    train, count = evaluation.rows("train"), evaluation.options.privacy_samples
    drawn = np.random.default_rng(evaluation.options.seed).choice(train, count, replace=count > len(train))
    return np.sort(drawn)


def _reconstruction(evaluation: Evaluation) -> Callable[[Images], Images] | None:
    """The model's image of an image; None where it has no encoder, or infers no content and would need the label."""
    model, device = evaluation.subject.model, evaluation.device
    if model is None or model.encoder is None or not model.infers_content:
        return None
    unused = np.zeros((1, evaluation.real.schema.dim), np.float32)

    def reconstruct(images: Images) -> Images:
        codes = encode(model, images, unused.repeat(len(images), 0), device)
        return generate(model, codes.content, codes.style, images.dtype, device)

    return reconstruct


def _describe(evaluation: Evaluation, found: Raw) -> Part:
    copies, count = found["copies"], found["n"]
    measures = [
        measure_of(
            "copies", "Copies", copies["rate"], "lower", _COPIES, "unseen real images", copies["test_rate"],
            is_headline=True,
        ),
        Measure(
            "identical", "Samples equal to a training image", copies["identical"], "lower",
            "Equal pixel by pixel, mirrored or turned as may be.", n=count["samples"],
            baseline=Baseline("expected", 0.0),
        ),
    ]  # fmt: skip
    for space, entry in found["spaces"].items():
        rate = entry["copy_rate"]
        measures.append(
            measure_of(
                "near", "Nearer than 1 % of unseen images", rate, "lower", _NEAR, "expected",
                {"value": rate["expected"]}, variant=space,
            )
        )  # fmt: skip
        if ratio := entry["median"]["ratio"]:
            measures.append(
                measure_of(
                    "median", "Median distance over that of unseen images", ratio, "baseline", _MEDIAN,
                    "unseen real images", {"value": 1.0}, variant=space,
                )
            )  # fmt: skip
    measures += _membership(found["membership"])
    verdict = found["verdict"]
    said = (
        f"{len(copies['flagged'])} of {count['samples']} samples are copies by this measure, more than chance allows"
        if verdict["copies_found"]
        else f"No more of {count['samples']} samples lie near training images than unseen real images do"
    )
    said += (
        "; training images can be told from unseen ones."
        if verdict["membership_leaks"]
        else "; the attacks tried do not tell training images from unseen ones to any use."
    )
    doubt = doubt_of_judge(evaluation, found)
    if not doubt:
        return Part("privacy", PRIVACY.title, tuple(measures), said, _CAUTION)
    return Part(
        "privacy",
        PRIVACY.title,
        marked(measures, doubt.why, lambda measure: measure.variant in _IN_JUDGE),
        f"{said} What is said of the judge's features says nothing.",
        _CAUTION,
        doubts=(
            says_nothing(
                doubt.why, "copies and attacks are looked for in pixels alone", f"{doubt.way_out} {_ELSE}"
            ),
        ),
    )


def _membership(found: Raw) -> Iterator[Measure]:
    attacks = {f"distance to samples, {space}": attack for space, attack in found["distance"].items()}
    if found["reconstruction"]:
        attacks["error of the reconstruction"] = found["reconstruction"]
    for name, attack in attacks.items():
        yield measure_of(
            "membership", "Membership inference", attack, "baseline", _MEMBERSHIP, "chance", {"value": 0.5},
            variant=name, is_headline=name == "error of the reconstruction" or name.endswith("pixels"),
        )  # fmt: skip


def _draw(evaluation: Evaluation, found: Raw) -> list[Figure]:
    pairs = found["closest"]
    if not pairs:
        return []
    made, _ = evaluation.draw(_like_training(evaluation), evaluation.options.seed + 2)
    train = evaluation.real.images[evaluation.rows("train")]
    turned = [list(views(made[pair["sample"]][None], "dihedral"))[pair["view"]][0] for pair in pairs]
    caption = (
        "The synthetic images nearest to a training image, turned as it lies, above; the training images below. Look "
        "for the same hairs, edges and marks: images of one kind are alike without being copied."
    )
    sheet = pairs_sheet(np.stack(turned), train[[pair["train"] for pair in pairs]])
    return [Figure("privacy", "The ten closest pairs", caption, sheet)]


def _refuse(evaluation: Evaluation) -> str:
    return "" if evaluation.real.is_training_known else NO_TRAINING_DATA


PRIVACY = MeasuredPart(
    "Privacy: do they give away the images they were trained on?",
    _measure,
    _describe,
    ("privacy_samples", "features_sha256"),
    _draw,
    _refuse,
)
