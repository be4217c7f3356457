"""Several trainings of one method as one part of a report: the spread between them beside the interval over cases."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from drai_cli.report.findings import Baseline, Measure, Part, Report

TITLE = "Several trainings: would another one give the same?"
_HOW = (
    "Mean over the trainings, with the smallest and the largest in brackets. Beside it one training's own interval, "
    "over cases: where the spread is wider, another training changes the number more than other patients would."
)
_CASES = "one training, interval over cases"


def part_of_runs(reports: Sequence[Report], names: Sequence[str]) -> Part:
    """The headline measures that all reports have, over the reports; the first one's interval is the baseline.

    Args:
        reports: Of trainings that were evaluated alike.
        names: Of the trainings.
    """
    found = [
        {
            (part.key, each.key, each.label, each.variant): each
            for part in report.parts
            for each in part.measures
        }
        for report in reports
    ]
    measures, wider = [], []
    for key, first in found[0].items():
        others = [each.get(key) for each in found]
        same = [each for each in others if each is not None and not each.doubt]
        if not first.is_headline or len(same) < len(reports):
            continue
        values = [each.value for each in same]
        measures.append(
            Measure(
                f"runs_{first.key}", first.name, statistics.mean(values), "baseline", _HOW, min(values), max(values),
                len(values), first.label, first.variant,
                Baseline(_CASES, first.value, first.low, first.high), first.extractor,
            )
        )  # fmt: skip
        known = first.low is not None and first.high is not None
        if known and max(values) - min(values) > (first.high or 0) - (first.low or 0):
            wider.append(first.name)
    text = f"{len(reports)} trainings ({', '.join(names)}). "
    text += (
        f"Wider between trainings than over cases: {', '.join(dict.fromkeys(wider))}."
        if wider
        else "No headline number differs more between trainings than its interval over cases."
    )
    return Part("runs", TITLE, tuple(measures), text)
