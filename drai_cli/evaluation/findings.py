"""The report of a model whose label is a set of findings: each finding by itself, and how they occur together."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from drai_cli.evaluation.context import Evaluation
from drai_cli.evaluation.doubt import explain
from drai_cli.evaluation.finding_parts import FIDELITY_OF_FINDINGS, USEFULNESS_OF_FINDINGS
from drai_cli.evaluation.measured import Described, MeasuredPart, Raw
from drai_cli.evaluation.privacy import PRIVACY
from drai_cli.metrics.finding_set import FindingsConfig
from drai_cli.metrics.findings import measure_findings, measure_findings_of_images
from drai_cli.metrics.generation import style_dim_of
from drai_cli.report.findings import Measure, Part

_REAL = "the judge on real images"
_AREA = Described(
    "finding_auc", "Finding shown where asked for, AUC", "higher",
    "Area under the ROC curve of the judge (a network trained on real images) on samples, for what was asked: 0.5 is "
    "chance.",
    _REAL,
)  # fmt: skip
_BALANCED = Described(
    "finding_balanced", "Finding shown where asked for, balanced", "higher",
    "Mean of two shares: samples with the finding in which the judge sees it, and samples without in which it does "
    "not.",
    _REAL,
)  # fmt: skip
_ALL_RIGHT = Described(
    "all_findings", "All findings as asked for", "higher",
    "Share of samples in which the judge sees each finding that was asked for, and no other.",
    _REAL,
)  # fmt: skip
_TOGETHER = Described(
    "co_occurrence", "Findings occur together as in real images", "higher",
    "Correlation of two matrices: how the judge's findings go together in samples, and in real images.",
    "two halves of the real images",
)  # fmt: skip
_KEPT = Described(
    "finding_kept", "Swap keeps the content image's finding", "higher",
    "Balanced share of the swaps G(content of a, style of b) in which the judge sees a's state of the finding, where "
    "b's differs.",
    "real content images",
)  # fmt: skip
_LEAKED = Described(
    "finding_leaked", "Swap takes the style image's finding", "lower",
    "How much more often the finding is seen in swaps whose style image has it than in those whose style image has "
    "not: the aim is 0.",
)  # fmt: skip
_IN_STYLE = Described(
    "finding_in_style", "Finding in style", "lower",
    "Balanced accuracy of a classifier that predicts the finding from the style code, which should not contain it.",
    "true style (place, size, light)",
)  # fmt: skip
_FOLLOWED = Described(
    "followed", "Colour correlation with the style image", "higher",
    "Correlation between the mean colour of the frame (background, light) of a swap and of its style image.",
)  # fmt: skip


_JUDGED = {each.key for each in (_AREA, _BALANCED, _ALL_RIGHT, _TOGETHER, _KEPT, _LEAKED)}
_CHANCE, _LEAST_AUC = 0.5, 0.55
_MORE = "More images, or a longer training of the judge (--judge-images), may help."


def _measure(evaluation: Evaluation) -> Raw:
    """What is said of each finding: of a model, or of the images in a folder alone."""
    options, networks, data = evaluation.options, evaluation.networks, evaluation.finding_set
    judge = evaluation.instruments.finding_judge
    config = FindingsConfig(samples=max(options.samples * len(data.names) // 2, 200))
    if networks is None:
        subject, generator = evaluation.subject, np.random.default_rng(options.seed)
        assert subject.images is not None
        assert subject.states is not None
        rows = generator.permutation(len(subject.images))[: config.samples]
        made, asked = subject.images[rows], subject.states[rows]
        numbers = measure_findings_of_images(
            data, judge, made, asked, config, part=options.part, seed=options.seed
        )
    else:
        style_dim = style_dim_of(networks, data.images[:1], evaluation.device)
        numbers = measure_findings(
            data, networks, judge, style_dim, config,
            part=options.part, seed=options.seed, device=evaluation.device,
        )  # fmt: skip
    return {**numbers, "config": asdict(config), "judge": {}}


def _describe(evaluation: Evaluation, numbers: Raw) -> Part:
    return describe(numbers, evaluation.real.schema.labels)


def describe(numbers: Raw, names: tuple[str, ...]) -> Part:
    """The numbers of `measure_findings` as a part of a report."""
    agreement, together, swaps = numbers["agreement"], numbers["co_occurrence"], numbers["swaps"]
    probe = numbers["label_in_style"]
    means = agreement["mean"]
    measures: list[Measure] = [
        _AREA.of(means["auc"], means["auc_real"], is_headline=True),
        _BALANCED.of(means["balanced"], means["balanced_real"]),
        _ALL_RIGHT.of(agreement["all_right"], agreement["all_right_real"]),
    ]
    if together["correlation"] is not None:
        measures.append(_TOGETHER.of(together["correlation"], together["correlation_real"], is_headline=True))
    verdict = (
        f"The judge recognises what was asked for with a mean AUC of {means['auc']:.2f} in samples and "
        f"{means['auc_real']:.2f} in real images"
    )
    if swaps and swaps["by_finding"]:
        measures += [
            _KEPT.of(swaps["mean"]["kept"], swaps["mean"]["kept_of_a"], is_headline=True),
            _LEAKED.of(swaps["mean"]["leaked"], is_headline=True),
            _FOLLOWED.of(swaps["followed"]),
        ]
        verdict += (
            f"; swaps keep {swaps['mean']['kept']:.0%} of the content image's findings "
            f"({swaps['mean']['kept_of_a']:.0%} in the real images)"
        )
    if probe and probe["by_finding"]:
        measures.append(_IN_STYLE.of(probe["mean"]["value"], probe["mean"]["floor"], is_headline=True))
    for name in numbers["findings"]:
        of_samples = agreement["by_finding"][name]
        measures += [
            _AREA.of(of_samples["auc"], of_samples["auc_real"], label=name),
            _BALANCED.of(of_samples["balanced"], of_samples["balanced_real"], label=name),
        ]
        if swaps and name in swaps["by_finding"]:
            of_swaps = swaps["by_finding"][name]
            measures += [
                _KEPT.of(of_swaps["kept"], of_swaps["kept_of_a"], label=name),
                _LEAKED.of(of_swaps["leaked"], label=name),
            ]
        if probe and name in probe["by_finding"]:
            of_style = probe["by_finding"][name]
            measures.append(_IN_STYLE.of({**of_style}, of_style["floor"], label=name))
    rare = [name for name in names if name not in numbers["findings"]]
    not_measured = []
    if rare:
        not_measured.append(f"findings that too few of these images show: {', '.join(rare)}")
    if swaps is None:
        not_measured.append("swaps and findings in style: they need a model with an encoder")
    caution = "The judge makes errors too: compare every number with its baseline on real images."
    part = Part("findings", "Findings", tuple(measures), f"{verdict}.", caution, tuple(not_measured))
    return _doubted(part, agreement)


def _doubted(part: Part, agreement: Raw) -> Part:
    """The part with the numbers marked that rest on findings which the judge cannot see in real images.

    Where it cannot see most of them, the means over findings are marked too.
    """
    own = {name: one["auc_real"] for name, one in agreement["by_finding"].items()}
    unseen = {name: one for name, one in own.items() if not one["low"] > _CHANCE or one["value"] < _LEAST_AUC}
    if not unseen:
        return part
    bad, is_most = "the judge is hardly better than chance at", 2 * len(unseen) > len(own)
    doubts = {name: f"{bad} {name} (AUC {one['value']:.2f} on real images)" for name, one in unseen.items()}
    if is_most:
        doubts[""] = f"{bad} most findings"
    measures = tuple(
        replace(measure, doubt=doubts.get(measure.label, "")) if measure.key in _JUDGED else measure
        for measure in part.measures
    )
    what = f"their numbers {'and the means ' if is_most else ''}are not informative"
    verdict = f"No verdict: {doubts['']}." if is_most else part.verdict
    explained = explain(f"{bad} {', '.join(unseen)}", what, _MORE)
    return replace(part, measures=measures, verdict=verdict, doubts=(explained,))


FINDING_PARTS: dict[str, MeasuredPart] = {
    "fidelity": FIDELITY_OF_FINDINGS,
    "disentanglement": MeasuredPart("Findings", _measure, _describe, ("samples",), key="findings"),
    "usefulness": USEFULNESS_OF_FINDINGS,
    "privacy": PRIVACY,
}
"""The parts that there are for sets of findings; what is said of each finding is in place of `disentanglement`."""
