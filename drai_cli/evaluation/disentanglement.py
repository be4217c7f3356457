"""Disentanglement of an evaluation: does content carry the label, and style everything else?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import Doubt, doubt_of_judge, doubts_of_factors, explain, mark
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.pictures import swaps_across_labels
from drai_cli.report.findings import Figure, Measure, Part

_AGREEMENT = Described(
    "agreement", "Label agreement", "higher",
    "Share of samples that the judge (a classifier trained on real images) assigns the requested label; all labels "
    "have equal weight.",
    "the judge on real images",
)  # fmt: skip
_CONTENT_LABEL = (
    "Share of swaps G(content of a, style of b) that the judge assigns the label of a, the content image."
)
_STYLE_LABEL = (
    "Share of swaps G(content of a, style of b) that the judge assigns the label of b, the style image."
)
_KEPT = Described(
    "kept", "Swap has the content image's label", "higher",
    f"{_CONTENT_LABEL} The baseline, the same for the real image a, is the upper limit.", "real content images",
)  # fmt: skip
_LEAKED = Described(
    "leaked", "Swap has the style image's label", "lower",
    f"{_STYLE_LABEL} The aim is the baseline, the same for the real image a.", "real content images",
)  # fmt: skip
_FOLLOWED = Described(
    "followed", "Colour correlation with the style image", "higher",
    "Correlation between the mean colour of the frame (background, light) of a swap and of its style image.",
    "reconstructions with their originals",
)  # fmt: skip
_LEFTOVER = Described(
    "leftover", "Colour correlation with the content image", "lower",
    "The same correlation with the content image, whose style was replaced: the aim is 0.",
    "real content and style images",
)  # fmt: skip
_CONTROLS = {
    "kept": Described("control_kept", "Control: content image's label", "baseline", _CONTENT_LABEL),
    "leaked": Described("control_leaked", "Control: style image's label", "baseline", _STYLE_LABEL),
}
_CIFC = Described(
    "cifc", "Cross-image feature consistency", "lower",
    "Distance of images whose styles were swapped twice to the originals, in the judge's features. Meaningful only "
    "where swaps have the content image's label and the style image's colour: a model that ignores one code undoes "
    "every swap.",
    "reconstruction without swaps",
)  # fmt: skip
_FACTOR = Described(
    "factor", "Factor of the style image, R²", "higher",
    "R² between a factor predicted from the swap and its true value in the style image; 1 means the style was adopted.",
)  # fmt: skip
_FACTOR_LEFT = Described(
    "factor_left", "Factor of the content image, R²", "lower",
    "Squared correlation with the factor's true value in the content image; 0 means its style was replaced.",
)  # fmt: skip
_PROBES = (
    Described(
        "label_in_style", "Label in style", "lower",
        "Balanced accuracy of a classifier that predicts the label from the style code, which should not contain it. "
        "The baseline predicts the label from true style (place, size, light), which may be related to it.",
    ),
    Described(
        "label_in_content", "Label in content", "higher",
        "Balanced accuracy of a classifier that predicts the label from the content code, which should contain it.",
    ),
)  # fmt: skip
_CODES = (
    Described(
        "mig", "MIG", "higher",
        "Mutual information gap: difference between the two code dimensions most informative about each factor; 1 is "
        "best.",
    ),
    Described(
        "disentanglement", "DCI disentanglement", "higher", "Whether each code dimension encodes one factor; 1 is best."
    ),
    Described(
        "completeness", "DCI completeness", "higher", "Whether each factor is encoded in one dimension; 1 is best."
    ),
    Described(
        "informativeness", "DCI informativeness", "higher", "How well codes predict the factors; 1 is best."
    ),
)  # fmt: skip
_OF_JUDGE = ("agreement", "kept", "leaked", "control_kept", "control_leaked", "cifc")
_OF_REGRESSOR = (_FACTOR.key, _FACTOR_LEFT.key)
_SELDOM = 0.5
"""Agreement of a label, relative to the judge on real images, below which it is named."""
_NO_VERDICT = "No verdict: the judge cannot distinguish the labels."
_MORE = "Train the regressor on more images, or for longer (--judge-images)."
_CAUTION = "The judge makes errors too: compare every number with its baseline on real images."


def _measure(evaluation: Evaluation) -> Raw:
    return evaluation.measure(("agreement", "swaps", "probes", "codes"))


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    labels, agreement = evaluation.real.schema.labels, numbers["agreement"]
    measures = [_AGREEMENT.of(agreement, agreement["real"], is_headline=True)]
    measures += [_AGREEMENT.of(share, label=labels[int(i)]) for i, share in agreement["labels"].items()]
    verdict = (
        f"The judge assigns the requested label to {agreement['value']:.0%} of the samples "
        f"({agreement['real']['value']:.0%} of real images)"
    )
    if wrong := _seldom(agreement, labels):
        verdict += f", most seldom for {wrong}"
    not_measured = []
    if swaps := numbers["swaps"]:
        measures += _swaps(swaps)
        swap, a = swaps["rows"]["swap"], swaps["rows"]["a"]
        verdict += (
            f"; it assigns the content image's label to {swap['kept']['value']:.0%} of the swaps "
            f"({a['kept']['value']:.0%} of the real images) and the style image's label to "
            f"{swap['leaked']['value']:.0%} ({a['leaked']['value']:.0%})"
        )
    else:
        not_measured.append("swaps and labels in codes: they need a model with an encoder")
    if probes := numbers["probes"]:
        measures += _probes(probes)
        verdict += _leak(probes)
    if codes := numbers["codes"]:
        measures += [described.of(codes[described.key], n=codes["n"]) for described in _CODES]
    elif swaps:
        not_measured.append("MIG and DCI: they need known factors, such as those of drai phantom")
    part = Part(
        "disentanglement", DISENTANGLEMENT.title, tuple(measures), f"{verdict}.", _CAUTION, tuple(not_measured)
    )  # fmt: skip
    return _doubted(part, doubt_of_judge(evaluation, numbers), doubts_of_factors(numbers))


def _seldom(agreement: Raw, labels: Sequence[str]) -> str:
    """Labels that the judge assigns to their samples much less often than other labels; empty where there is none."""
    shares = {labels[int(index)]: share for index, share in agreement["labels"].items()}
    few = [
        f"{name} ({share:.0%})"
        for name, share in shares.items()
        if share < _SELDOM * agreement["real"]["value"]
    ]
    return ", ".join(few) if len(few) < len(shares) else ""


def _leak(probes: Raw) -> str:
    """That the style code contains the label, where it contains more of it than measured style does; else empty."""
    probe = probes.get("label_in_style")
    if not probe:
        return ""
    floor = probe.get("floor") or {"value": probe["chance"], "high": probe["chance"]}
    if probe["low"] <= floor["high"]:
        return ""
    return (
        f"; the style code gives the label away: a small classifier reads it from the code with accuracy "
        f"{probe['value']:.2f}, from size, place and tone alone with {floor['value']:.2f}"
    )


def _doubted(part: Part, of_judge: Doubt | None, of_factors: Mapping[str, str]) -> Part:
    """The part with its uninformative measures marked."""
    measures, doubts = part.measures, []
    if of_judge:
        measures = mark(measures, of_judge.why, lambda measure: measure.key in _OF_JUDGE)
        what = "label agreement, labels of swaps and CIFC are not informative"
        doubts.append(explain(of_judge.why, what, of_judge.way_out))
    measures = tuple(
        replace(measure, doubt=of_factors[measure.variant])
        if measure.key in _OF_REGRESSOR and measure.variant in of_factors
        else measure
        for measure in measures
    )
    concerned = [name for name in of_factors if any(measure.variant == name for measure in measures)]
    if concerned:
        why = f"the regressor cannot predict {', '.join(concerned)} from real images"
        doubts.append(explain(why, "these factors of swaps are not informative", _MORE))
    verdict = _NO_VERDICT if of_judge else part.verdict
    return replace(part, measures=measures, verdict=verdict, doubts=tuple(doubts))


def _swaps(numbers: Raw) -> Iterator[Measure]:
    rows = numbers["rows"]
    swap, a, reconstruction = rows["swap"], rows["a"], rows["reconstruction"]
    yield _KEPT.of(swap["kept"], a["kept"], is_headline=True)
    yield _LEAKED.of(swap["leaked"], a["leaked"], is_headline=True)
    yield _FOLLOWED.of(swap["followed"], reconstruction["leftover"], is_headline=True)
    yield _LEFTOVER.of(swap["leftover"], a["followed"])
    for row, name in (
        ("a", "real content images"), ("b", "real style images"), ("reconstruction", "reconstructed content images"),
    ):  # fmt: skip
        for key, control in _CONTROLS.items():
            yield control.of(rows[row][key], variant=name)
    if "cifc" in numbers:
        cifc = numbers["cifc"]["features"]
        yield _CIFC.of(cifc["twice_swapped"], cifc["reconstruction"], extractor="judge")
    for name, factor in swap.get("factors", {}).items():
        yield _FACTOR.of(factor["r2_b"], variant=name)
        yield _FACTOR_LEFT.of(factor["r2_a_linear"], variant=name)


def _probes(numbers: Raw) -> Iterator[Measure]:
    for described in _PROBES:
        if probe := numbers.get(described.key):
            floor = probe.get("floor")
            what = f"prediction from {numbers['floor_from']}" if floor else "chance"
            is_headline = described.key == "label_in_style"
            yield replace(described, baseline=what).of(
                probe, floor or probe["chance"], is_headline=is_headline
            )


def _draw(evaluation: Evaluation, numbers: Raw) -> list[Figure]:
    options, model = evaluation.options, evaluation.subject.model
    if model is None or model.encoder is None:
        return []
    sheet, labels = swaps_across_labels(evaluation.real, model, options.part, options.seed, evaluation.device)
    caption = (
        "Real images in the first row and column. Every other image has the content of the image on its left and the "
        f"style of the image above; the diagonal shows reconstructions. Columns in order: {', '.join(labels)}."
    )
    return [Figure("disentanglement", "Styles swapped across labels", caption, sheet)]


DISENTANGLEMENT = MeasuredPart(
    "Disentanglement: does content carry the label, and style everything else?",
    _measure,
    _describe,
    ("samples", "pairs"),
    _draw,
)
