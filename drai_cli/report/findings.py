"""Results of evaluations as data: the common source of `report.json`, the HTML report and the comparison's tables.

Standard library only. Knows nothing of how anything is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from drai_cli.report.criterion import Criterion

REPORT_SCHEMA = "drai-report/1"
"""In every `report.json`; an incompatible change of the format gets another number."""
COMPARISON_SCHEMA = "drai-comparison/1"
"""In every comparison's JSON."""

INTERVALS = (
    "An interval is the range between the 2.5 % and 97.5 % quantiles of the measure over bootstrap draws of whole "
    "groups (patients or lesions where the data names them, else images). It covers the choice of evaluated cases, "
    "not the variation between training runs. For the Fréchet distance it is the range over independent draws: "
    "repeated images in bootstrap draws would increase the distance."
)
"""How intervals are computed, unless a report says otherwise."""

_LEAST_SHARE, _LEAST_PART = 0.1, 0.15  # differences that have to be seen: absolute, or of the baseline

Better = Literal["lower", "higher", "baseline"]
Standing = Literal["good", "near", "inconclusive", "poor"]


@dataclass(frozen=True)
class Baseline:
    """The value that a number is compared with: the same measure on real images, at chance, or for a simpler method.

    Attributes:
        what: In words: `other real images`, `the judge on real images`, `chance`.
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
    """One number with everything needed to read it.

    Attributes:
        key: Stable name, unique within its part together with `label` and `variant`: `frechet`, `kept`, `recall`.
        name: For people.
        value: The number.
        better: Which way is better; `baseline`: closer to its baseline.
        how_to_read: One line for readers who do not know it.
        low: Lower end of its 95 % interval, None where there is none.
        high: Upper end.
        n: Images, pairs or rows behind it.
        label: The label it is restricted to; empty for all labels.
        variant: Further distinguishes measures of one key: a feature space, a training set; may be empty.
        baseline: What it is compared with.
        extractor: Features it was measured in; None where none are used.
        is_headline: Whether it is in the report's summary.
        doubt: Why the number is not informative: the classifier behind it is at chance. Empty where it is informative.
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
        """The interval compared with the baseline, in one word; None without either, and for a doubtful number.

        Where lower or higher is better: `good` is entirely on the better side of the baseline's value, `poor` entirely
        on the worse side and outside the baseline's interval. Where the baseline is the aim: `good` contains its value,
        `poor` does not overlap its interval. Anything between is `near` if the intervals are narrow, and `inconclusive`
        if they are too wide to tell near from far: if differences up to `resolution`, more than 0.1 and more than 15 %
        of the baseline, cannot be seen.
        """
        baseline, low, high = self.baseline, self.low, self.high
        if baseline is None or low is None or high is None or self.doubt:
            return None
        base_low = baseline.value if baseline.low is None else baseline.low
        base_high = baseline.value if baseline.high is None else baseline.high
        if not all(map(math.isfinite, (low, high, baseline.value, base_low, base_high))):
            return None
        is_wide = (self.resolution or 0) > max(_LEAST_SHARE, _LEAST_PART * abs(baseline.value))
        if self.better == "baseline":
            is_good, is_apart = low <= baseline.value <= high, low > base_high or high < base_low
        elif self.better == "lower":
            is_good, is_apart = high < baseline.value, low > base_high
        else:
            is_good, is_apart = low > baseline.value, high < base_low
        if is_good and not (is_wide and self.better == "baseline"):
            return "good"
        return "poor" if is_apart else "inconclusive" if is_wide else "near"

    @property
    def resolution(self) -> float | None:
        """The smallest difference from the baseline that these intervals can show; None without an interval."""
        baseline, low, high = self.baseline, self.low, self.high
        if baseline is None or low is None or high is None:
            return None
        other = 0.0 if baseline.low is None or baseline.high is None else (baseline.high - baseline.low) / 2
        reach = math.hypot((high - low) / 2, other)
        return reach if math.isfinite(reach) else None


@dataclass(frozen=True)
class Part:
    """One part of an evaluation: fidelity, disentanglement, usefulness or privacy.

    Attributes:
        key: `fidelity`, ...
        title: For people.
        measures: Its numbers, in the order to show them.
        verdict: The result in one or two sentences.
        caution: What the numbers cannot show.
        doubts: Which numbers are not informative and why; empty where all are.
        not_measured: Why nothing, or some of it, was measured; empty where all was.
        settings: What its numbers depend on: options, and the classifiers it was measured with.
        is_pending: Whether it is still being measured.
    """

    key: str
    title: str
    measures: tuple[Measure, ...] = ()
    verdict: str = ""
    caution: str = ""
    not_measured: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_pending: bool = False

    def check_numbers(self) -> None:
        """Raises TypeError or OverflowError if a value is not a number; it need not be finite."""
        for measure in self.measures:
            baseline = measure.baseline
            ends = () if baseline is None else (baseline.value, baseline.low, baseline.high)
            for number in (measure.value, measure.low, measure.high, measure.n, *ends):
                if number is not None and type(number) not in (int, float):
                    raise TypeError(f"{measure.key}: expected a number, got {type(number).__name__}")
                if number is not None:
                    float(number)  # raises OverflowError for an int of hundreds of digits


FIRST = "first"
"""In place of a part's key: the figure that stands at the top of the page."""


@dataclass(frozen=True)
class Figure:
    """Images that illustrate the numbers.

    Attributes:
        part: Key of the part it belongs to; in a comparison, the heading that it shares with others. `FIRST`: stands
            beside the verdicts at the top.
        title: What it shows, in a few words.
        caption: What to look for, and which images are real and which synthetic.
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
        data: The real images: `kind`, `part`, `n`, `groups`, `labels` (name to count), `image_size`.
        settings: Seed, sample counts, extractor, and what its numbers may be compared with.
        parts: In the order to show them.
        version: Of drai.
        intervals: How its intervals are computed, in one or two sentences.
        cautions: What biases or limits all its numbers.
        date: As the caller wants it written; may be empty.
        card: The criteria of a scorecard; empty where none was asked for.
    """

    subject: Mapping[str, Any]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    parts: Sequence[Part] = field(default_factory=tuple)
    version: str = ""
    intervals: str = INTERVALS
    cautions: tuple[str, ...] = ()
    date: str = ""
    card: tuple[Criterion, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; fields of measures that are None or empty are left out, a value that is not finite is null."""
        return {
            "schema": REPORT_SCHEMA,
            "version": self.version,
            "subject": dict(self.subject),
            "data": dict(self.data),
            "settings": dict(self.settings),
            "intervals": self.intervals,
            "cautions": list(self.cautions),
            **({"date": self.date} if self.date else {}),
            **({"card": [asdict(criterion) for criterion in self.card]} if self.card else {}),
            "parts": {part.key: _part_json(part) for part in self.parts},
        }


@dataclass(frozen=True)
class Cell:
    """The result of one method for one measure.

    Attributes:
        mean: Over seeds; None where the measure is impossible or missing, and `note` says why.
        std: Standard deviation over seeds (divisor n - 1), None for one seed.
        n: Seeds.
        note: What readers have to know about this cell; may be empty.
        doubt: Why the number is not informative, as in `Measure`; such a cell is never the best.
    """

    mean: float | None
    std: float | None = None
    n: int = 0
    note: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class ComparisonRow:
    """One measure for every method.

    Attributes:
        key: The measure's stable name.
        name: For people.
        better: Which way is better; `baseline`: closer to its baseline.
        cells: In the order of the comparison's methods.
        baseline: What the numbers are compared with; without one, no cell of a `baseline` row is the best.
    """

    key: str
    name: str
    better: Better
    cells: tuple[Cell, ...]
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Comparison:
    """The same measures of several methods, trained under the same conditions.

    Attributes:
        methods: In the order to show them.
        rows: In the order to show them.

    Raises:
        ValueError: A row does not have one cell per method.
    """

    methods: tuple[str, ...]
    rows: tuple[ComparisonRow, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.methods):
                raise ValueError(f"{row.key}: {len(row.cells)} cells for {len(self.methods)} methods")

    def to_json(self) -> dict[str, Any]:
        """Plain data, cells by method; fields of cells that are None or empty are left out."""
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
        **({"settings": dict(part.settings)} if part.settings else {}),
        **({"is_pending": True} if part.is_pending else {}),
        "measures": [_measure_json(measure) for measure in part.measures],
    }


def _measure_json(measure: Measure) -> dict[str, Any]:
    baseline = measure.baseline
    fields = {
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
        "resolution": measure.resolution if measure.standing == "inconclusive" else None,
        "baseline": None if baseline is None else _known(vars(baseline)),
        "extractor": measure.extractor,
        "is_headline": measure.is_headline,
        "doubt": measure.doubt,
        "how_to_read": measure.how_to_read,
    }
    known = {name: value for name, value in _known(fields).items() if value is not False}
    return {**known, "value": known.get("value")}


def _known(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without entries that are None, empty or not finite; zeros stay."""
    return {
        name: value
        for name, value in data.items()
        if value is not None and value != "" and not (isinstance(value, float) and not math.isfinite(value))
    }
