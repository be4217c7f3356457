"""`drai evaluate` at the prompt: what its table and its last lines say."""

from __future__ import annotations

import pytest

from drai_cli.report.findings import Baseline, Measure, Part, Report
from drai_cli.workflows import evaluate as workflow

DOUBT = "the judge is at chance (balanced accuracy 0.42 on real images, guessing 0.50)"


@pytest.fixture
def shown(drai, tmp_path, monkeypatch):
    """Runs the command with a report that is given."""

    def show(*parts, **found):
        result = workflow.EvaluateResult(Report({}, {}, {}, parts), tmp_path / "report", **found)
        monkeypatch.setattr(workflow, "evaluate", lambda options, reporter: result)
        return drai("evaluate", "--data", tmp_path, "--weights", "any", "--out", tmp_path / "report")

    return show


def measure(key, value, doubt=""):
    beside = Baseline("the judge on real images", 0.421)
    return Measure(
        key, key.capitalize(), value, "higher", "How.", value - 0.1, value + 0.1, baseline=beside, is_headline=True,
        doubt=doubt,
    )  # fmt: skip


def test_a_number_that_is_not_informative_is_not_shown(shown):
    measures = (measure("agreement", 0.439, DOUBT), measure("followed", 0.871))
    result = shown(
        Part("disentanglement", "D", measures, doubts=(f"{DOUBT}: nothing here. More data, may.",))
    )
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    agreement, followed = (
        next(line for line in lines if line.startswith(name)) for name in ("Agree", "Follow")
    )
    assert "not informative" in agreement
    assert "0.439" not in result.stdout
    assert not any(digit in agreement for digit in "0123456789")
    assert "0.871" in followed
    assert "0.421 the judge on real images" in followed
    assert f"caution: {DOUBT}: nothing here. More data, may." in lines
