"""What evaluations found, as data: the one shape behind `report.json`, the HTML report and the comparison's tables.

Standard library only. What is measured, and how, is `metrics`' and the workflows' to know.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

REPORT_SCHEMA = "drai-report/1"
"""Named in every `report.json`; a change that a reader has to know of is another number."""
COMPARISON_SCHEMA = "drai-comparison/1"
"""Named in every comparison's JSON."""

INTERVALS = (
    "An interval runs from the 2.5 % to the 97.5 % quantile of the measure over bootstrap draws of whole groups "
    "(patients or lesions where the data names them, else images). It covers the chance of which cases were looked "
    "at, and not what another training run would give. That of the Fréchet distance is the range over independent "
    "draws instead: a bootstrap's repeats would raise it."
)
"""How intervals are made where a report does not say otherwise."""

Better = Literal["lower", "higher", "baseline"]
Standing = Literal["good", "near", "poor"]


@dataclass(frozen=True)
class Baseline:
    """What a number stands beside.

    Attributes:
        what: In words: `real against real`, `the judge on real images`, `chance`.
        value: The same measure there.
        low: Lower end of its 95 % interval, None where there is none.
        high: Upper end.
    """

    what: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """One number with all that it takes to read it.

    Attributes:
        key: Stable name, unique within its part with `label`: `frechet`, `swap_kept`, `recall`.
        name: For people.
        value: The number.
        better: Which way is better; `baseline`: the nearer to its baseline.
        how_to_read: One line for somebody who does not know it.
        low: Lower end of its 95 % interval, None where there is none.
        high: Upper end.
        n: Images, pairs or rows it rests on.
        label: The label it is of; empty for all together.
        variant: What else distinguishes it from others of its key: a feature space, a training set; may be empty.
        baseline: What it stands beside.
        extractor: Features it was measured in, None where none are involved.
        is_headline: Whether it stands in the report's summary.
        doubt: Why the number says nothing: what it was measured with is at chance. Empty where it does say something.
    """

    key: str
    name: str
    value: float
    better: Better
    how_to_read: str
    low: float | None = None
    high: float | None = None
    n: int | None = None
    label: str = ""
    variant: str = ""
    baseline: Baseline | None = None
    extractor: str | None = None
    is_headline: bool = False
    doubt: str = ""

    @property
    def standing(self) -> Standing | None:
        """Where the interval lies against the baseline, in one word; None without either, and where it says nothing.

        Where lower or higher is better: `good` is wholly on the better side of the baseline's value, `poor` wholly on
        the worse side without reaching the baseline's interval, `near` all between. Where the baseline itself is the
        aim: `good` covers its value, `near` reaches its interval, `poor` does not.
        """
        baseline, low, high = self.baseline, self.low, self.high
        if baseline is None or low is None or high is None or self.doubt:
            return None
        base_low = baseline.value if baseline.low is None else baseline.low
        base_high = baseline.value if baseline.high is None else baseline.high
        if not all(map(math.isfinite, (low, high, baseline.value, base_low, base_high))):
            return None
        if self.better == "baseline":
            is_good, is_apart = low <= baseline.value <= high, low > base_high or high < base_low
        elif self.better == "lower":
            is_good, is_apart = high < baseline.value, low > base_high
        else:
            is_good, is_apart = low > baseline.value, high < base_low
        return "good" if is_good else "poor" if is_apart else "near"


@dataclass(frozen=True)
class Part:
    """One part of an evaluation: fidelity, disentanglement, usefulness or privacy.

    Attributes:
        key: `fidelity`, ...
        title: For people.
        measures: Its numbers, in the order to show them.
        verdict: The result in a sentence or two.
        caution: What the numbers cannot show.
        doubts: Which numbers say nothing and why, a sentence each; empty where all say something.
        not_measured: Why nothing, or some of it, was measured; empty where all was.
    """

    key: str
    title: str
    measures: tuple[Measure, ...] = ()
    verdict: str = ""
    caution: str = ""
    not_measured: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def check_numbers(self) -> None:
        """Whether all that should be numbers are, finite or not; raises TypeError or OverflowError."""
        for measure in self.measures:
            baseline = measure.baseline
            ends = () if baseline is None else (baseline.value, baseline.low, baseline.high)
            for number in (measure.value, measure.low, measure.high, measure.n, *ends):
                if number is not None and type(number) not in (int, float):
                    raise TypeError(f"{measure.key}: expected a number, got {type(number).__name__}")
                if number is not None:
                    float(number)  # raises OverflowError where it is a whole number of hundreds of digits


@dataclass(frozen=True)
class Figure:
    """Images that show what the numbers say.

    Attributes:
        part: Key of the part it belongs to; in a comparison, the heading under which it stands beside others.
        title: What it shows, in a few words.
        caption: What to look for, and what of it is real and what synthetic.
        png: A PNG file.
    """

    part: str
    title: str
    caption: str
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Report:
    """A whole evaluation.

    Attributes:
        subject: What was evaluated: `kind` (`model` or `folder`), `name`, `sha256`, `method`, `images_seen`, as known.
        data: What it was held against: `kind`, `part`, `n`, `groups`, `labels` (name to count), `image_size`.
        settings: Seed, numbers of samples, extractor and what its numbers may be compared with.
        parts: In the order to show them.
        version: Of drai.
        intervals: How its intervals are made, in a sentence or two.
        cautions: What flatters or limits all its numbers, a sentence or two each.
    """

    subject: Mapping[str, Any]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    parts: Sequence[Part] = field(default_factory=tuple)
    version: str = ""
    intervals: str = INTERVALS
    cautions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is None or empty is left out of measures, a value that is not finite is null."""
        return {
            "schema": REPORT_SCHEMA,
            "version": self.version,
            "subject": dict(self.subject),
            "data": dict(self.data),
            "settings": dict(self.settings),
            "intervals": self.intervals,
            "cautions": list(self.cautions),
            "parts": {part.key: _part_json(part) for part in self.parts},
        }


@dataclass(frozen=True)
class Cell:
    """What one method reached on one measure.

    Attributes:
        mean: Over seeds; None where the measure is impossible or was not made, and `note` says why.
        std: Standard deviation over seeds (n - 1 below the line), None for one seed.
        n: Seeds.
        note: What a reader has to know of this cell; empty for nothing.
        doubt: Why the number says nothing, as of a measure; such a cell is never the best.
    """

    mean: float | None
    std: float | None = None
    n: int = 0
    note: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class ComparisonRow:
    """One measure of every method.

    Attributes:
        key: The measure's stable name.
        name: For people.
        better: Which way is better; `baseline`: the nearer to its baseline.
        cells: In the order of the comparison's methods.
        baseline: What the numbers stand beside; without one, no cell of a `baseline` row is the best.
    """

    key: str
    name: str
    better: Better
    cells: tuple[Cell, ...]
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Comparison:
    """The same measures of several methods, trained alike.

    Attributes:
        methods: In the order to show them.
        rows: In the order to show them.

    Raises:
        ValueError: A row has not one cell a method.
    """

    methods: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.methods):
                raise ValueError(f"{row.key}: {len(row.cells)} cells for {len(self.methods)} methods")

    def to_json(self) -> dict[str, Any]:
        """Plain data, cells by method; what is None or empty is left out of cells."""
        return {
            "schema": COMPARISON_SCHEMA,
            "methods": list(self.methods),
            "rows": [
                {
                    "key": row.key,
                    "name": row.name,
                    "better": row.better,
                    "baseline": None if row.baseline is None else _known(vars(row.baseline)),
                    "cells": {
                        method: _known(vars(cell))
                        for method, cell in zip(self.methods, row.cells, strict=True)
                    },
                }
                for row in self.rows
            ],
        }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "title": part.title,
        "verdict": part.verdict,
        "caution": part.caution,
        "doubts": list(part.doubts),
        "not_measured": list(part.not_measured),
        "measures": [_measure_json(measure) for measure in part.measures],
    }


def _measure_json(measure: Measure) -> dict[str, Any]:
    baseline = measure.baseline
    found = {
        "key": measure.key,
        "label": measure.label,
        "variant": measure.variant,
        "name": measure.name,
        "value": measure.value,
        "low": measure.low,
        "high": measure.high,
        "n": measure.n,
        "better": measure.better,
        "standing": measure.standing,
        "baseline": None if baseline is None else _known(vars(baseline)),
        "extractor": measure.extractor,
        "is_headline": measure.is_headline,
        "doubt": measure.doubt,
        "how_to_read": measure.how_to_read,
    }
    known = {name: value for name, value in _known(found).items() if value is not False}
    return {**known, "value": known.get("value")}


def _known(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None, empty or not finite; a zero is known."""
    return {
        name: value
        for name, value in data.items()
        if value is not None and value != "" and not (isinstance(value, float) and not math.isfinite(value))
    }
