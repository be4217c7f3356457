"""Reports as one table: what is said of sets of findings has its rows."""

from __future__ import annotations

import json
from pathlib import Path

from drai_cli.evaluation.comparison import compare_reports

KEYS = (
    "finding_auc", "finding_balanced", "all_findings", "co_occurrence", "finding_kept", "finding_leaked",
    "finding_in_style",
)  # fmt: skip


def report(path: Path, value: float, keys: tuple[str, ...]) -> Path:
    measures = [
        {"key": key, "name": key, "value": value + at, "better": "higher", **more}
        for key in keys
        for at, more in ((0.0, {}), (-0.4, {"label": "Mass"}))
    ]
    path.write_text(json.dumps({"parts": {"findings": {"measures": measures}}}))
    return path


def test_findings_have_their_rows_by_the_mean_over_findings(tmp_path: Path) -> None:
    made = compare_reports(
        {
            "drai": [report(tmp_path / "a.json", 0.8, KEYS), report(tmp_path / "b.json", 0.6, KEYS)],
            "cgan": [report(tmp_path / "c.json", 0.7, KEYS[:4])],
        }
    )
    found = {row.key: row for row in made.rows}
    assert tuple(found) == KEYS
    assert not any("lowest" in row.name for row in made.rows)  # a single finding does not stand for all
    drai, cgan = found["finding_auc"].cells
    assert (round(drai.mean or 0, 6), drai.n, round(cgan.mean or 0, 6)) == (0.7, 2, 0.7)
    assert found["finding_kept"].cells[1].note == "has no encoder, so no codes and no swaps"
