"""Reports of several methods as one comparison: which measures it shows, means over seeds, shared baselines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError
from drai_cli.io.files import read_json
from drai_cli.report.findings import Baseline, Cell, Comparison, ComparisonRow
from drai_cli.settings.methods import METHODS

# Measures shown, in this order: the key and, where it has several, the variants.
_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("agreement", ("",)), ("kept", ("",)), ("leaked", ("",)), ("followed", ("",)), ("leftover", ("",)),
    ("label_in_style", ("",)), ("label_in_content", ("",)), ("cifc", ("",)),
    ("finding_auc", ("",)), ("finding_balanced", ("",)), ("all_findings", ("",)), ("co_occurrence", ("",)),
    ("finding_kept", ("",)), ("finding_leaked", ("",)), ("finding_in_style", ("",)),
    ("factor", ("x", "y", "radius", "tone")), ("mig", ("",)), ("disentanglement", ("",)), ("completeness", ("",)),
    ("frechet", ("",)), ("kernel", ("",)), ("precision", ("",)), ("recall", ("",)), ("spread", ("",)),
)  # fmt: skip


def compare_reports(paths: Mapping[str, Sequence[Path]]) -> Comparison:
    """The table of all reports that exist.

    Args:
        paths: Where each method's reports are or will be, one per seed.

    Raises:
        InputError: A file is not a report.
    """
    reports = {
        method: [_measures(path) for path in those if path.exists()] for method, those in paths.items()
    }
    rows = []
    for key, variants in _ROWS:
        for variant in variants:
            values = {method: _values(those, key, variant) for method, those in reports.items()}
            measures = [measure for of_method in values.values() for measure in of_method]
            if measures:
                first = measures[0]
                name = f"{first['name']}, {variant}" if variant else first["name"]
                if first.get("label"):
                    name += ", lowest over labels"
                cells = tuple(_cell(method, values[method], bool(reports[method])) for method in paths)
                key_of_row = f"{key}_{variant}" if variant else key
                rows.append(
                    ComparisonRow(key_of_row, name, first["better"], cells, shared_baseline(measures))
                )
    return Comparison(tuple(paths), tuple(rows))


def _measures(report: Path) -> list[dict[str, Any]]:
    """All measures of a report that have a value."""
    try:
        parts = read_json(report)["parts"].values()
        measures = [measure for part in parts for measure in part["measures"]]
        if any(
            not isinstance(measure[name], str) for measure in measures for name in ("key", "name", "better")
        ):
            raise TypeError("a measure without its names")
        return [
            {**measure, "value": float(measure["value"])}
            for measure in measures
            if measure["value"] is not None
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(
            report, "it is not a report of drai", "remove its folder; it is then made again"
        ) from error


def _values(
    reports: Sequence[Sequence[Mapping[str, Any]]], key: str, variant: str
) -> list[Mapping[str, Any]]:
    """This measure of every report over all labels; where it is measured by label only, its lowest value."""
    chosen = []
    for measures in reports:
        of_key = [m for m in measures if m["key"] == key and m.get("variant", "") == variant]
        overall = [measure for measure in of_key if not measure.get("label")]
        if overall or of_key:
            chosen.append(overall[0] if overall else min(of_key, key=lambda measure: float(measure["value"])))
    return chosen


def shared_baseline(measures: Sequence[Mapping[str, Any]]) -> Baseline | None:
    """The baseline that these measures of all runs have in common.

    All runs share data, split and judge, so what is measured on real images is the same for each. None where a measure
    has no baseline, or where its baseline depends on the run (reconstructions by its own model).
    """
    baselines = [measure.get("baseline") or {} for measure in measures]
    try:
        first, *others = [(str(each["what"]), float(each["value"])) for each in baselines]
    except (KeyError, TypeError, ValueError):
        return None
    is_shared = all(
        what == first[0] and math.isclose(value, first[1], rel_tol=1e-4) for what, value in others
    )
    return Baseline(*first) if is_shared else None


def _cell(method: str, measures: Sequence[Mapping[str, Any]], has_report: bool) -> Cell:
    if not measures:
        return Cell(None, note=_reason(method) if has_report else "not trained yet")
    values = [float(measure["value"]) for measure in measures]
    doubts = dict.fromkeys(str(measure["doubt"]) for measure in measures if measure.get("doubt"))
    return Cell(
        statistics.mean(values),
        statistics.stdev(values) if len(values) > 1 else None,
        len(values),
        doubt="; ".join(doubts),
    )


def _reason(method: str) -> str:
    """Why a method has no number where others have one."""
    if not METHODS[method].has_encoder:
        return "has no encoder, so no codes and no swaps"
    return (
        "infers no content: it is given the label" if not METHODS[method].infers_content else "not measured"
    )
