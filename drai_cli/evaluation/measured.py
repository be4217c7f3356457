"""From what `metrics` gives as JSON to a report's measures; and what a part of an evaluation is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drai_cli.evaluation.context import Evaluation
from drai_cli.report.findings import Baseline, Better, Figure, Measure, Part

Raw = Mapping[str, Any]


def _no_figures(evaluation: Evaluation, found: Raw) -> list[Figure]:
    return []


def _possible(evaluation: Evaluation) -> str:
    return ""


@dataclass(frozen=True)
class MeasuredPart:
    """How one part of an evaluation is made.

    Attributes:
        title: Of its section in the report.
        measure: Its numbers, JSON-able.
        describe: Its numbers as the report has them.
        depends_on: Options that its numbers depend on, beside the seed and the part of the split; `features_sha256` and
            `has_judge` are the evaluation's.
        draw: Its pictures.
        refuse: Why it cannot be measured here; empty where it can.
    """

    title: str
    measure: Callable[[Evaluation], Raw]
    describe: Callable[[Evaluation, Raw], Part]
    depends_on: tuple[str, ...]
    draw: Callable[[Evaluation, Raw], list[Figure]] = _no_figures
    refuse: Callable[[Evaluation], str] = _possible


def measure_of(
    key: str,
    name: str,
    estimate: Raw,
    better: Better,
    how_to_read: str,
    what: str = "",
    baseline: Raw | None = None,
    **more: Any,
) -> Measure:
    """A measure from an estimate's JSON, and from its baseline's, which is called `what`."""
    return Measure(
        key, name, estimate["value"], better, how_to_read,
        estimate.get("low"), estimate.get("high"), estimate.get("n"),
        baseline=Baseline(what, baseline["value"], baseline.get("low"), baseline.get("high")) if baseline else None,
        **more,
    )  # fmt: skip
