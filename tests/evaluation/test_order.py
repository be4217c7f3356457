"""What is said and written while a report is made: before the classifiers are trained, and as each part ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drai_cli.evaluation import parts as module
from drai_cli.evaluation import usefulness
from drai_cli.evaluation.measured import MeasuredPart
from drai_cli.evaluation.parts import Parts
from drai_cli.evaluation.privacy import _unseen
from drai_cli.evaluation.quick import UNSEEN
from drai_cli.progress import SILENT, Reporter
from drai_cli.report.findings import Part
from drai_cli.settings.model_options import EVALUATION_PARTS, EvaluateOptions


class _Evaluation(SimpleNamespace):
    """As much of an evaluation as parts that measure nothing need."""

    def keys(self, name: str, depends_on: object) -> tuple[str, ...]:
        return (f"{name:>20}",)

    def measured_with(self, depends_on: object, numbers: object) -> dict[str, Any]:
        return {"seed": 0}

    def data_json(self) -> dict[str, Any]:
        return {"name": "d", "n": 1}

    def settings_json(self, has_features: bool) -> dict[str, Any]:
        return {"seed": 0}


def _parts(out: Path, **options: Any) -> Parts:
    evaluation = _Evaluation(
        reporter=SILENT, device=SimpleNamespace(type="none"), real=SimpleNamespace(cautions=()),
        features=SimpleNamespace(save=lambda: None),
    )  # fmt: skip
    asked = EvaluateOptions(out, out=out, figures=False, **options)
    subject = {"kind": "model", "name": "m", "sha256": "0"}
    return Parts(asked, evaluation, subject, module.PARTS)  # type: ignore[arg-type]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What report.json and report.html say when each part begins to be measured."""
    seen: dict[str, Any] = {}

    def part(name: str) -> MeasuredPart:
        def measure(evaluation: object) -> dict[str, Any]:
            page = tmp_path / "report.html"
            seen[name] = (
                (json.loads((tmp_path / "report.json").read_text())["parts"], page.read_text())
                if page.exists()
                else None
            )
            return {"answer": f"the answer of {name}"}

        return MeasuredPart(
            name, measure, lambda _, numbers: Part(name, f"Part {name}", verdict=numbers["answer"]), ()
        )

    monkeypatch.setattr(module, "PARTS", {name: part(name) for name in EVALUATION_PARTS})
    monkeypatch.setattr(module, "estimate_seconds", lambda evaluation, stages: dict.fromkeys(stages, 1.0))
    return seen


def test_each_part_appears_in_the_page_as_it_ends(tmp_path: Path, pages: dict[str, Any]) -> None:
    _parts(tmp_path).measure(EVALUATION_PARTS)
    first, second, third, *_ = EVALUATION_PARTS
    assert list(pages) == list(EVALUATION_PARTS)
    assert pages[first] is None
    found, page = pages[second]
    assert found[first]["verdict"] == f"the answer of {first}"
    assert found[second]["is_pending"]
    assert f"the answer of {first}" in page
    assert page.count("being measured") >= len(EVALUATION_PARTS) - 1
    found, page = pages[third]
    assert f"the answer of {second}" in page
    last = json.loads((tmp_path / "report.json").read_text())["parts"]
    assert not any(part.get("is_pending") for part in last.values())


def test_quick_leaves_conditions_out_and_says_so_unless_they_are_named(
    tmp_path: Path, pages: dict[str, Any]
) -> None:
    _parts(tmp_path, quick=True).measure(EVALUATION_PARTS)
    assert "conditions" not in pages
    left_out = json.loads((tmp_path / "report.json").read_text())["parts"]["conditions"]
    assert left_out["not_measured"] == [
        "--quick leaves it out: name it with --metrics, or repeat without --quick"
    ]
    assert "--quick leaves it out" in (tmp_path / "report.html").read_text()
    _parts(tmp_path, quick=True, metrics=("conditions",)).measure(("conditions",))
    assert "conditions" in pages
    # Once measured, it stays in the quick report.
    _parts(tmp_path, quick=True).measure(EVALUATION_PARTS)
    assert json.loads((tmp_path / "report.json").read_text())["parts"]["conditions"]["verdict"]


@pytest.mark.parametrize(("quick", "count"), [(False, 2000), (True, UNSEEN)])
def test_quick_compares_with_some_whole_patients(quick: bool, count: int) -> None:
    groups = np.repeat(np.arange(500), 4)
    evaluation = SimpleNamespace(
        options=SimpleNamespace(part="test", quick=quick, seed=0), rows=lambda part: np.arange(2000),
        real=SimpleNamespace(groups=groups),
    )  # fmt: skip
    rows = _unseen(evaluation)  # type: ignore[arg-type]
    assert count <= len(rows) < count + 4
    assert set(np.bincount(groups[rows])) <= {0, 4}


def test_the_cases_that_a_gain_needs_are_said_before_anything_is_drawn_or_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    reporter = Reporter()
    reporter.info = said.append  # type: ignore[method-assign]

    class DrawnError(Exception):
        pass

    def draw(*_: object) -> None:
        raise DrawnError

    monkeypatch.setattr(usefulness, "_pool", draw)
    labels = np.array([0, 0, 1, 1])
    real = SimpleNamespace(
        labels=labels, groups=np.arange(4), symmetry="none", schema=SimpleNamespace(labels=("a", "b"))
    )
    options = replace(EvaluateOptions(Path("d")), part="test")
    evaluation = SimpleNamespace(
        options=options, real=real, outside=None, reporter=reporter, rows=lambda part: np.arange(4)
    )
    with pytest.raises(DrawnError):
        usefulness._measure(evaluation)  # type: ignore[arg-type]
    (line,) = said
    assert "with 4 test cases a gain below about 0.49" in line
    assert "a gain of 0.05 needs about 385 in these proportions" in line
