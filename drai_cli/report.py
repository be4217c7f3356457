"""What an evaluation found, as data: the one shape behind `report.json`, the HTML report and the comparison's tables.

Standard library only. What is measured, and how, is `metrics`' and the workflows' to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

REPORT_SCHEMA = "drai-report/1"
"""Named in every `report.json`; a change that a reader has to know of is another number."""

Better = Literal["lower", "higher", "baseline"]


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


@dataclass(frozen=True)
class Part:
    """One part of an evaluation: fidelity, disentanglement, usefulness or privacy.

    Attributes:
        key: `fidelity`, ...
        title: For people.
        measures: Its numbers, in the order to show them.
        verdict: The result in a sentence or two.
        caution: What the numbers cannot show.
        not_measured: Why nothing, or some of it, was measured; empty where all was.
    """

    key: str
    title: str
    measures: tuple[Measure, ...] = ()
    verdict: str = ""
    caution: str = ""
    not_measured: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole evaluation.

    Attributes:
        subject: What was evaluated: `kind` (`model` or `folder`), `name`, `sha256`, `method`, `images_seen`, as known.
        data: What it was held against: `kind`, `part`, `n`, `groups`, `labels` (name to count), `image_size`.
        settings: Seed, numbers of samples, extractor and what its numbers may be compared with.
        parts: In the order to show them.
        version: Of drai.
    """

    subject: Mapping[str, Any]
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    parts: Sequence[Part] = field(default_factory=tuple)
    version: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is None or empty is left out of measures."""
        return {
            "schema": REPORT_SCHEMA,
            "version": self.version,
            "subject": dict(self.subject),
            "data": dict(self.data),
            "settings": dict(self.settings),
            "parts": {part.key: _part_json(part) for part in self.parts},
        }


def _part_json(part: Part) -> dict[str, Any]:
    return {
        "title": part.title,
        "verdict": part.verdict,
        "caution": part.caution,
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
        "baseline": None if baseline is None else _without_none(vars(baseline)),
        "extractor": measure.extractor,
        "is_headline": measure.is_headline,
        "how_to_read": measure.how_to_read,
    }
    return {name: value for name, value in found.items() if value not in (None, "", False)}


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
