"""The seven criteria of the scorecard for synthetic medical data, answered from the parts of a report.

Zamzmi et al. 2025, Scorecard for synthetic medical data evaluation, Commun Eng 4:130 (doi 10.1038/s44172-025-00450-1).
The names of the criteria and what each asks for follow its abstract, its preprint (arXiv 2406.11143) and its authors'
public description. The measures are this package's own: the article's were not at hand in full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drai_cli.evaluation.context import Evaluation
from drai_cli.report.criterion import Criterion
from drai_cli.report.findings import Measure, Part
from drai_cli.report.wording import number, number_with_spread

_NO_RULES = "rules of the anatomy: this tool knows none; name your own with --rule"


def smd_card(evaluation: Evaluation, parts: Mapping[str, Part]) -> tuple[Criterion, ...]:
    """The seven criteria, each with numbers, or with what was not measured.

    Args:
        evaluation: Gives subject, data and options.
        parts: The measured parts by key.
    """

    def numbers(part: str, *keys: str, label: bool | None = False) -> list[str]:
        measures = parts[part].measures if part in parts else ()
        return [
            show(measure)
            for key in keys
            for measure in measures
            if measure.key == key and (label is None or bool(measure.label) == label)
        ]

    def lacking(part: str, found: Sequence[str]) -> tuple[str, ...]:
        return () if found else (f"{part}: add it to --metrics",)

    congruence = numbers("fidelity", "frechet", "kernel", "precision", "density")
    congruence += numbers("disentanglement", "agreement", "finding_auc")
    coverage = numbers("fidelity", "recall", "coverage") + numbers("fidelity", "spread", label=True)
    coverage += numbers("privacy", "authentic")
    constraint = numbers("fidelity", "in_range", "rule") + numbers(
        "disentanglement", "agreement", "finding_auc", label=True
    )
    compliance = numbers("privacy", "copies", "identical", "membership", "found_at", "reidentification")
    consistency = numbers("fidelity", "subgroup", label=True)
    comprehension, by_label = _origin(evaluation), numbers("fidelity", "kernel", "coverage", label=True)
    comprehension += numbers(
        "disentanglement", "label_in_style", "kept", "leaked",
        "finding_in_style", "finding_kept", "finding_leaked", "co_occurrence",
    )  # fmt: skip
    return (
        Criterion(
            "Congruence", "The synthetic data is distributed like the patients' data.",
            tuple(congruence), lacking("fidelity", congruence),
        ),
        Criterion(
            "Coverage", "It has the variety of the patients' data, and new cases.",
            tuple(coverage), lacking("fidelity", coverage),
        ),
        Criterion(
            "Constraint", "It keeps to what is possible: values, sizes, anatomy.",
            tuple(constraint),
            (*(() if evaluation.options.rules else (_NO_RULES,)), *lacking("fidelity", constraint)),
        ),
        Criterion(
            "Completeness", "Each case has the information that its task needs.", _completeness(evaluation),
        ),
        Criterion(
            "Compliance", "It respects privacy, terms of use and formats.",
            (*_terms(evaluation), *compliance), lacking("privacy", compliance),
        ),
        Criterion(
            "Comprehension", "How it was made, and what it depends on, can be understood.", tuple(comprehension),
        ),
        Criterion(
            "Consistency", "Its quality is the same over sex, age, site, scanner and label.",
            (*consistency, *by_label),
            () if consistency else ("subgroups of patients: name columns with --subgroup",),
        ),
    )  # fmt: skip


def show(measure: Measure) -> str:
    """A measure in one line, with interval, n, baseline and split."""
    of = ", ".join(text for text in (measure.label, measure.variant) if text)
    value, low, high = number_with_spread(measure.value, measure.low, measure.high)
    text = f"{measure.name}{f' ({of})' if of else ''}: {value}"
    if measure.low is not None:
        text += f" [{low}, {high}]"
    if measure.baseline is not None:
        text += f"; {measure.baseline.what} {number(measure.baseline.value)}"
    if measure.n is not None:
        text += f"; n = {measure.n}"
    if measure.extractor:
        text += f"; {measure.extractor}"
    return f"{text}; not informative: {measure.doubt}" if measure.doubt else text


def _origin(evaluation: Evaluation) -> list[str]:
    model = evaluation.subject.model
    if model is None:
        return ["A folder of images: how they were made is not known to this tool."]
    seen = model.header.training.get("images_seen", "an unknown number of")
    return [
        f"Made by a model of the method {model.header.method}, which saw {seen} images.",
        f"Trained on: {model.header.data or 'not recorded'}.",
        f"Compared with the {evaluation.options.part} part, split {evaluation.real.split}.",
    ]


def _completeness(evaluation: Evaluation) -> tuple[str, ...]:
    names = evaluation.real.schema.names
    if evaluation.subject.model is None:
        return (f"Every image has the label ({names[0]}); other columns are not known.",)
    return (f"Every image is made for: {', '.join(names)}. What is not set is marked as missing.",)


def _terms(evaluation: Evaluation) -> tuple[str, ...]:
    model = evaluation.subject.model
    if model is None:
        return ()
    return (
        f"Licence: {model.header.licence or 'not recorded'}.",
        "Every image says that it is synthetic: PNG text, TIFF description, DICOM (0008,001C), NIfTI description.",
    )
