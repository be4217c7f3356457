"""Disentanglement of an evaluation: is content what the label says, and style all the rest?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import Doubt, doubt_of_judge, doubts_of_factors, marked, says_nothing
from drai_cli.evaluation.measured import MeasuredPart, Raw, measure_of
from drai_cli.evaluation.pictures import swaps_across_labels
from drai_cli.report.findings import Figure, Measure, Part

_AGREEMENT = "How often a classifier trained on real images sees the label that was asked for, labels weighing equally."
_KEPT = "Swaps G(content of a, style of b) in which the judge still sees a's label; a itself is the most to expect."
_LEAKED = "Swaps in which the judge sees b's label; as often as it calls the real image a that is right."
_FOLLOWED = "Correlation of the colour around the edge (skin, light) of a swap with that of b."
_LEFTOVER = "The same with a, whose style was given away: near 0 is right."
_CIFC = (
    "Styles swapped and swapped back: distance to the originals in the judge's features. Read it only where swaps keep "
    "the label and follow the style: a model that ignores one code undoes every swap."
)
_PROBES = {
    "label_in_style": (
        "Label in style", "lower",
        "How well a probe finds the label in the style code, where it should not be. The floor is what true style "
        "(place, size, light) tells of the label anyway.",
    ),
    "label_in_content": (
        "Label in content", "higher", "How well a probe finds the label in the content code, where it should be.",
    ),
}  # fmt: skip
_CODES = {
    "mig": (
        "MIG",
        "Gap in information between the best and the second code dimension of each factor; 1 is best.",
    ),
    "disentanglement": (
        "DCI disentanglement",
        "Whether each code dimension speaks of one factor; 1 is best.",
    ),
    "completeness": ("DCI completeness", "Whether each factor stands in one code dimension; 1 is best."),
    "informativeness": ("DCI informativeness", "How well the factors are read from the codes; 1 is best."),
}
_OF_JUDGE = ("agreement", "kept", "leaked", "control_kept", "control_leaked", "cifc")
_OF_REGRESSOR = ("factor", "factor_left")
_NO_VERDICT = "No verdict: what measures it cannot tell the labels apart."
_MORE = "A regressor that is shown more images (--judge-images), or learns from more, may tell."
_CAUTION = "The judge errs as well: every number stands beside what it says of real images."


def _measure(evaluation: Evaluation) -> Raw:
    return evaluation.measure(("agreement", "swaps", "probes", "codes"))


def _describe(evaluation: Evaluation, found: Raw) -> Part:
    labels, agreement = evaluation.real.schema.labels, found["agreement"]
    measures = [
        measure_of(
            "agreement", "Label agreement", agreement, "higher", _AGREEMENT, "the judge on real images",
            agreement["real"], is_headline=True,
        )
    ]  # fmt: skip
    measures += [
        Measure("agreement", "Label agreement", share, "higher", _AGREEMENT, label=labels[int(index)])
        for index, share in agreement["labels"].items()
    ]
    verdict = f"The judge sees the label asked for in {agreement['value']:.0%} of the samples"
    not_measured = []
    if swaps := found["swaps"]:
        measures += _swaps(swaps)
        rows = swaps["rows"]
        swap, a = rows["swap"], rows["a"]
        verdict += (
            f"; swaps keep the label in {swap['kept']['value']:.0%} ({a['kept']['value']:.0%} for the real image) and "
            f"show the other image's in {swap['leaked']['value']:.0%} ({a['leaked']['value']:.0%})"
        )
    else:
        not_measured.append("swaps and probes: they need a model with an encoder")
    if probes := found["probes"]:
        measures += _probes(probes)
    if codes := found["codes"]:
        measures += [
            Measure(key, name, codes[key], "higher", how, n=codes["n"]) for key, (name, how) in _CODES.items()
        ]
    elif swaps:
        not_measured.append("MIG and DCI: they need known factors, as drai phantom makes them")
    return _doubted(
        Part(
            "disentanglement",
            DISENTANGLEMENT.title,
            tuple(measures),
            f"{verdict}.",
            _CAUTION,
            tuple(not_measured),
        ),
        doubt_of_judge(evaluation, found),
        doubts_of_factors(found),
    )


def _doubted(part: Part, of_judge: Doubt | None, of_factors: Mapping[str, str]) -> Part:
    """The part with what says nothing marked."""
    measures, doubts = part.measures, []
    if of_judge:
        measures = marked(measures, of_judge.why, lambda measure: measure.key in _OF_JUDGE)
        what = "agreement, kept, leaked and CIFC say nothing"
        doubts.append(says_nothing(of_judge.why, what, of_judge.way_out))
    measures = tuple(
        replace(measure, doubt=of_factors[measure.variant])
        if measure.key in _OF_REGRESSOR and measure.variant in of_factors
        else measure
        for measure in measures
    )
    concerned = [name for name in of_factors if any(measure.variant == name for measure in measures)]
    if concerned:
        which = ", ".join(concerned)
        unread = f"the regressor does not read {which} off real images"
        doubts.append(says_nothing(unread, "what swaps keep of them says nothing", _MORE))
    verdict = _NO_VERDICT if of_judge else part.verdict
    return replace(part, measures=measures, verdict=verdict, doubts=tuple(doubts))


def _swaps(found: Raw) -> Iterator[Measure]:
    rows = found["rows"]
    swap, a, reconstruction = rows["swap"], rows["a"], rows["reconstruction"]
    yield measure_of(
        "kept", "Swap keeps the label", swap["kept"], "higher", _KEPT, "a itself", a["kept"], is_headline=True
    )
    yield measure_of(
        "leaked",
        "Swap leaks b's label",
        swap["leaked"],
        "lower",
        _LEAKED,
        "a itself",
        a["leaked"],
        is_headline=True,
    )
    yield measure_of(
        "followed", "Style followed", swap["followed"], "higher", _FOLLOWED, "reconstruction of b itself",
        reconstruction["leftover"], is_headline=True,
    )  # fmt: skip
    yield measure_of(
        "leftover",
        "a's style left over",
        swap["leftover"],
        "lower",
        _LEFTOVER,
        "a itself with b",
        a["followed"],
    )
    for row, name in (("a", "a itself"), ("b", "b itself"), ("reconstruction", "reconstruction of a")):
        for key, what, how in (("kept", "a's label", _KEPT), ("leaked", "b's label", _LEAKED)):
            yield measure_of(
                f"control_{key}", f"Control: {what}", rows[row][key], "baseline", how, variant=name
            )
    if "cifc" in found:
        cifc = found["cifc"]["features"]
        yield measure_of(
            "cifc", "Cross-image feature consistency", cifc["twice_swapped"], "lower", _CIFC, "plain reconstruction",
            cifc["reconstruction"], extractor="judge",
        )  # fmt: skip
    for name, factor in swap.get("factors", {}).items():
        how = "R² of a factor read off the swap against b's true one: 1 where the style was taken over."
        yield measure_of("factor", "Style kept, R² against b", factor["r2_b"], "higher", how, variant=name)
        how = "The same against a's (squared correlation): 0 where a's style was given away."
        yield measure_of("factor_left", "Style left of a", factor["r2_a_linear"], "lower", how, variant=name)


def _probes(found: Raw) -> Iterator[Measure]:
    for key, (name, better, how) in _PROBES.items():
        probe = found.get(key)
        if probe is None:
            continue
        floor = probe.get("floor")
        what = f"floor: {found['floor_from']}" if floor else "chance"
        yield measure_of(
            key, name, probe, better, how, what, floor or {"value": probe["chance"]},  # type: ignore[arg-type]
            is_headline=key == "label_in_style",
        )  # fmt: skip


def _draw(evaluation: Evaluation, found: Raw) -> list[Figure]:
    options, model = evaluation.options, evaluation.subject.model
    if model is None or model.encoder is None:
        return []
    sheet, labels = swaps_across_labels(evaluation.real, model, options.part, options.seed, evaluation.device)
    caption = (
        "Real images in the first row and column; within, the content of the row's image in the style of the column's, "
        f"and on the diagonal the reconstructions. Labels in order: {', '.join(labels)}."
    )
    return [Figure("disentanglement", "Styles swapped across labels", caption, sheet)]


DISENTANGLEMENT = MeasuredPart(
    "Disentanglement: is content what the label says, and style the rest?",
    _measure,
    _describe,
    ("samples", "pairs"),
    _draw,
)
