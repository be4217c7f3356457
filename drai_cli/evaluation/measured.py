"""How a part of an evaluation is made, and how numbers of `metrics` become measures of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drai_cli.evaluation.context import Evaluation
from drai_cli.report.findings import Baseline, Better, Figure, Measure, Part

Raw = Mapping[str, Any]
Estimate = Raw | float
"""A number as JSON (`value`, and `low`, `high` and `n` where they are known), or the bare value."""


@dataclass(frozen=True)
class MeasuredPart:
    """How one part of an evaluation is made.

    Attributes:
        title: Of its section in the report.
        measure: Computes its numbers, as plain data.
        describe: Turns its numbers into the report's part.
        depends_on: Options that its numbers depend on, besides the seed and the part of the split; `features_sha256`
            and `has_judge` are properties of the evaluation.
        draw: Its figures.
        refuse: Why it cannot be measured; empty where it can.
        is_left_out: Whether the report does not mention it unless it is asked for by name.
        key: Of the report's part; empty: the name by which it is asked for.
    """

    title: str
    measure: Callable[[Evaluation], Raw]
    describe: Callable[[Evaluation, Raw], Part]
    depends_on: tuple[str, ...]
    draw: Callable[[Evaluation, Raw], list[Figure]] = lambda evaluation, numbers: []
    refuse: Callable[[Evaluation], str] = lambda evaluation: ""
    is_left_out: Callable[[Evaluation], bool] = lambda evaluation: False
    key: str = ""

    def key_of(self, name: str) -> str:
        """The key of the report's part that is asked for by this name."""
        return self.key or name


@dataclass(frozen=True)
class Described:
    """What a report says of a measure, whatever its value.

    Attributes:
        key: Stable name.
        name: For people.
        better: Which way is better.
        how_to_read: One line for readers who do not know it.
        baseline: What its baseline is; empty where it has none.
    """

    key: str
    name: str
    better: Better
    how_to_read: str
    baseline: str = ""

    def of(self, estimate: Estimate, baseline: Estimate | None = None, **more: Any) -> Measure:
        """The measure with this estimate and its baseline's; `more` are further fields of `Measure`."""
        own = _as_json(estimate)
        other = None if baseline is None else _as_json(baseline)
        return Measure(
            self.key, self.name, own["value"], self.better,
            **{
                "how_to_read": self.how_to_read, "low": own.get("low"), "high": own.get("high"), "n": own.get("n"),
                "baseline": other and Baseline(self.baseline, other["value"], other.get("low"), other.get("high")),
                **more,
            },
        )  # fmt: skip


def _as_json(estimate: Estimate) -> Raw:
    return estimate if isinstance(estimate, Mapping) else {"value": estimate}
