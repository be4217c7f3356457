"""Privacy of an evaluation: are samples copies of training images, and can training images be identified?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import doubt_of_judge, explain, mark
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.pictures import sheet_of
from drai_cli.evaluation.quick import UNSEEN
from drai_cli.evaluation.real import NO_TRAINING_DATA
from drai_cli.evaluation.shadow import ENOUGH, measure_shadow
from drai_cli.metrics.copies import PIXELS
from drai_cli.metrics.generation import encode, generate
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.nearest import views
from drai_cli.metrics.patients import FEWEST_PATIENTS
from drai_cli.metrics.privacy import Labels, leaks, measure_privacy
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
    "median", "Median distance relative to unseen images", "higher",
    "Median distance of samples to the nearest training image, divided by that of unseen images. Below 1 samples are "
    "closer than chance; above 1 is no risk (but may be a lack of realism).",
    _UNSEEN,
)  # fmt: skip
_MEMBERSHIP = Described(
    "membership", "Membership inference", "baseline",
    "How well an attack separates training images from unseen ones (area under the ROC curve): 0.5 is chance, 1 "
    "perfect.",
    "chance",
)  # fmt: skip
_FOUND_AT = Described(
    "found_at", "Training images found with few false alarms", "lower",
    "Share of training images that the attack names while it wrongly names the given share of unseen images: the "
    "images that an attacker can be sure of.",
    "expected",
)  # fmt: skip
_AUTHENTIC = Described(
    "authentic", "Authenticity", "higher",
    "Share of samples that are farther from their nearest training image than that image is from its nearest of "
    "another patient, in pixels.",
    _UNSEEN,
)  # fmt: skip
_PATIENTS = Described(
    "reidentification", "Patients pointed to", "lower",
    "Share of images, of patients with several, that are nearer to a sample than to any other image of the same "
    "patient, in pixels.",
    "patients not trained on",
)  # fmt: skip
_BY_RECONSTRUCTION, _BY_DISTANCE = "reconstruction error", "distance to samples, "
_STRONGEST = "strongest attack"
_SHADOW = "shadow models, "
_IN_JUDGE = ("judge",)
_FEWEST = 30
"""Fewest unseen patients or images for an answer."""
_ELSE = "Or add other features (--features)."
_CAUTION = (
    "This is evidence, not a guarantee: it finds copies and tries some attacks, and cannot show that no other attack "
    "would work."
)


def _measure(evaluation: Evaluation) -> Raw:
    options, real = evaluation.options, evaluation.real
    made, made_shown = evaluation.draw_shown(_like_training(evaluation), options.seed + 2, exact=True)
    train, test = evaluation.rows("train"), _unseen(evaluation)
    extractors = {
        extractor.name: extractor
        for extractor in (evaluation.instruments.judge_of_set, evaluation.features())
    }
    # A rotated copy is a copy, whatever symmetry the set has.
    numbers = measure_privacy(
        made, np.asarray(real.images[train]), np.asarray(real.images[test]), real.groups[test], real.groups[train],
        extractors=extractors, symmetry="dihedral", trained_on=(evaluation.instruments.judge_of_set.name,),
        reconstruct=_reconstruction(evaluation),
        labels=Labels(made_shown, real.shown[train], real.shown[test]), seed=options.seed,
    )  # fmt: skip
    shadow: Raw | None = None
    if options.attack == "shadow":
        members = train[np.random.default_rng(options.seed).permutation(len(train))[: len(test)]]
        shadow = measure_shadow(evaluation, members, test)
        if any(leaks(attack) for attack in shadow["attacks"].values()):
            numbers["verdict"]["membership_leaks"] = True
    return {**numbers, "shadow": shadow, **evaluation.judge_on_real()}


def _unseen(evaluation: Evaluation) -> Int64[np.ndarray, " n"]:
    """Rows that the model has not seen: the evaluated part, with --quick some patients of it."""
    rows = evaluation.rows(evaluation.options.part)
    if not evaluation.options.quick or len(rows) <= UNSEEN:
        return rows
    names, of_row, counts = np.unique(evaluation.real.groups[rows], return_inverse=True, return_counts=True)
    order = np.random.default_rng(evaluation.options.seed).permutation(len(names))
    chosen = order[: 1 + np.searchsorted(np.cumsum(counts[order]), UNSEEN)]
    out: np.ndarray = rows[np.isin(of_row, chosen)]
    return out


def _like_training(evaluation: Evaluation) -> Int64[np.ndarray, " n"]:
    """Rows whose conditions the samples are generated for: labels as frequent as in training."""
    train, count = evaluation.rows("train"), evaluation.options.privacy_samples
    drawn = np.random.default_rng(evaluation.options.seed).choice(train, count, replace=count > len(train))
    return np.sort(drawn)


def _reconstruction(evaluation: Evaluation) -> Callable[[Images], Images] | None:
    """Reconstructs images with the model; None where it has no encoder, or needs the label for content."""
    model, networks, device = evaluation.subject.model, evaluation.networks, evaluation.device
    if model is None or networks is None or model.encoder is None or not model.infers_content:
        return None
    unused = np.zeros((1, evaluation.real.schema.dim), np.float32)

    def reconstruct(images: Images) -> Images:
        codes = encode(networks, images, unused.repeat(len(images), 0), device)
        return generate(networks, codes.content, codes.style, images.dtype, device)

    return reconstruct


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    copies, count, labels = numbers["copies"], numbers["n"]["samples"], evaluation.real.schema.labels
    measures = [
        _COPIES.of(copies["rate"], copies["test_rate"], is_headline=True),
        _IDENTICAL.of(copies["identical"], 0.0, n=count),
    ]
    for index, entry in numbers["labels"].items():
        measures.append(_COPIES.of(entry["copies"], label=labels[int(index)]))
    for space, entry in numbers["spaces"].items():
        rate = entry["copy_rate"]
        measures.append(_NEAR.of(rate, rate["expected"], variant=space))
        if ratio := entry["median"]["ratio"]:
            measures.append(_MEDIAN.of(ratio, 1.0, variant=space))
    measures.append(_AUTHENTIC.of(numbers["authentic"]["samples"], numbers["authentic"]["test"]))
    attacks, missing = _attacks(numbers["membership"], numbers["shadow"])
    measures += attacks
    for index, entry in numbers["labels"].items():
        measures.append(
            _MEMBERSHIP.of(entry["membership"], 0.5, label=labels[int(index)], variant=_STRONGEST)
        )
    patients = numbers["reidentification"]
    if patients["train"] is not None:
        measures.append(_PATIENTS.of(patients["train"], patients["unseen"], is_headline=True))
    else:
        least = min(patients["patients"].values())
        missing.append(
            f"patients pointed to: {least} patients with several images on one side, {FEWEST_PATIENTS} are needed"
        )
    doubt = doubt_of_judge(evaluation, numbers)
    part = Part("privacy", PRIVACY.title, tuple(measures), answer(numbers, labels), _CAUTION, tuple(missing))
    if not doubt:
        return part
    what = "copies are searched for in pixels only"
    return replace(
        part,
        measures=mark(measures, doubt.why, lambda measure: measure.variant in _IN_JUDGE),
        verdict=f"{part.verdict} Numbers in the judge's features are not informative.",
        doubts=(explain(doubt.why, what, f"{doubt.way_out} {_ELSE}"),),
    )


def answer(numbers: Raw, labels: Sequence[str]) -> str:
    """Whether the images may be shared, in one sentence; then what was found, and what lowers the risk."""
    verdict, copies, n = numbers["verdict"], numbers["copies"], numbers["n"]
    found = []
    if verdict["copies_found"]:
        share = len(copies["flagged"]) / n["samples"]
        found.append(f"{share:.1%} of the samples are copies of training images, more than chance explains")
    if verdict["patients_found"]:
        share = numbers["reidentification"]["difference"]["value"]
        found.append(f"samples point to patients: {share:.0%} more of their images than chance")
    if verdict["membership_leaks"]:
        found.append(
            "from the samples one can tell, better than by guessing, which images the model was trained on"
        )
    if leaking := verdict["leaking_labels"]:
        found.append(f"the label {', '.join(labels[int(index)] for index in leaking)} leaks more than others")
    if found:
        return (
            f"Not yet to be shared: {'; '.join(found)}. What lowers the risk: sampling with --reject-copies, "
            "training on fewer images seen (--kimg), with more augmentation, or on more patients."
        )
    if min(n["test_groups"], n["test"]) < _FEWEST:
        return (
            f"It cannot be told whether they may be shared: {n['test_groups']} patients or lesions that the "
            f"generator has not seen are too few to compare with ({_FEWEST} are needed)."
        )
    signs = ["no copies of training images", "no trace of who was trained on"]
    if verdict["patients_found"] is not None:
        signs.append("no patient pointed to")
    return (
        f"They may be shared as far as these tests reach: {n['samples']} samples show {', '.join(signs)}, beyond "
        "chance. Not covered: other attacks, an attacker who has the model itself, and rules that apply to you."
    )


def _attacks(numbers: Raw, shadow: Raw | None) -> tuple[list[Measure], list[str]]:
    """Measures of the attacks, and which shares of false alarms could not be measured."""
    attacks = {f"{_BY_DISTANCE}{space}": attack for space, attack in numbers["distance"].items()}
    if numbers["reconstruction"]:
        attacks[_BY_RECONSTRUCTION] = numbers["reconstruction"]
    measures, missing = [], []
    if shadow is None:
        missing.append("an attack with shadow models, for small sets: add --attack shadow")
    else:
        names = {PIXELS: f"{_BY_DISTANCE}{PIXELS}", "reconstruction": _BY_RECONSTRUCTION}
        attacks |= {f"{_SHADOW}{names[name]}": attack for name, attack in shadow["attacks"].items()}
        missing += _brief(shadow)
    for name, attack in attacks.items():
        is_headline = name in (_BY_RECONSTRUCTION, f"{_BY_DISTANCE}{PIXELS}") or name.startswith(_SHADOW)
        measures.append(_MEMBERSHIP.of(attack, 0.5, variant=name, is_headline=is_headline))
    for name, attack in attacks.items():
        for share, found in attack["found_at"].items():
            if found is not None:
                variant = f"{name}, {float(share):.1%} false alarms"
                measures.append(_FOUND_AT.of(found, float(share), variant=variant))
            else:
                needed = f"fewer than {1 / float(share):,.0f} unseen images"
                missing.append(f"attacks at {float(share):.1%} false alarms: {needed}")
    return measures, list(dict.fromkeys(missing))


def _brief(shadow: Raw) -> list[str]:
    """That the shadow models were trained for less long than the evaluated one, which makes their attack weaker."""
    own, passes = shadow["own_passes"], shadow["passes"]
    if own is None or passes >= ENOUGH * own:
        return []
    return [
        f"a strong attack with shadow models: each of the {shadow['models']} saw its images {passes:.1f} times, the "
        f"evaluated model {own:.0f} times; a larger --attack-minutes makes it stronger"
    ]


def _draw(evaluation: Evaluation, numbers: Raw) -> list[Figure]:
    pairs = numbers["closest"]
    if not pairs:
        return []
    made, _ = evaluation.draw(_like_training(evaluation), evaluation.options.seed + 2, exact=True)
    train = evaluation.real.images[evaluation.rows("train")]
    turned = [list(views(made[pair["sample"]][None], "dihedral"))[pair["view"]][0] for pair in pairs]
    caption = (
        "Above: the synthetic images closest to a training image, mirrored or rotated to match it. Below: the training "
        "images. Look for the same edges and marks: images of one kind are similar without being copies."
    )
    rows = [np.stack(turned), train[[pair["train"] for pair in pairs]]]
    sheet = sheet_of(rows, ("synthetic", "training"))
    return [Figure("privacy", "The ten closest pairs", caption, sheet)]


def _refuse(evaluation: Evaluation) -> str:
    return "" if evaluation.real.is_training_known else NO_TRAINING_DATA


PRIVACY = MeasuredPart(
    "Privacy: may they be shared?",
    _measure,
    _describe,
    ("privacy_samples", "features_sha256", "attack", "attack_minutes"),
    _draw,
    _refuse,
)
