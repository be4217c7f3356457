"""`--attack shadow`: what the report says of it, with and without, and where it cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drai_cli.errors import UsageError
from drai_cli.evaluation.privacy import _attacks
from drai_cli.settings.model_options import EvaluateOptions
from drai_cli.workflows.evaluate import evaluate, preview_evaluate
from tests.evaluation.shared import SMALL, Reported


def test_shadow_models_attack_and_a_short_budget_is_said(lesions: Path, run: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        lesions, str(run), out=tmp_path / "out", metrics=("privacy",), attack="shadow", attack_minutes=0.004,
        **{**SMALL, "judge_images": 64},
    )  # fmt: skip
    (part,) = evaluate(options).report.parts
    found = {m.variant: m for m in part.measures if m.key == "membership"}
    for name in ("shadow models, distance to samples, pixels", "shadow models, reconstruction error"):
        assert found[name].is_headline
        assert 0 <= found[name].low <= found[name].value <= found[name].high <= 1
        assert found[name].baseline is not None
    assert part.settings["attack"] == "shadow"
    assert part.settings["attack_minutes"] == 0.004
    assert not any("--attack shadow" in text for text in part.not_measured)


def test_without_it_the_report_names_it(reported: Reported) -> None:
    (part,) = (part for part in reported.result.report.parts if part.key == "privacy")
    assert any("add --attack shadow" in text for text in part.not_measured)
    assert "attack_minutes" not in part.settings


@pytest.mark.parametrize(
    ("passes", "own", "is_said"), [(2.0, 40.0, True), (30.0, 40.0, False), (2.0, None, False)]
)
def test_models_that_were_trained_for_less_long_make_a_weak_attack(passes, own, is_said: bool) -> None:
    shadow = {"attacks": {}, "models": 8, "passes": passes, "own_passes": own}
    _, missing = _attacks({"distance": {}, "reconstruction": None}, shadow)
    assert any(
        "each of the 8 saw its images 2.0 times, the evaluated model 40 times" in text for text in missing
    ) == (is_said)


def test_a_folder_of_images_cannot_be_attacked_so(lesions: Path, run: Path, tmp_path: Path) -> None:
    options = EvaluateOptions(
        lesions, synthetic=lesions, split=run / "split.csv", out=tmp_path / "out", metrics=("privacy",),
        attack="shadow", **{**SMALL, "judge_images": 64},
    )  # fmt: skip
    for run_or_look in (evaluate, preview_evaluate):
        with pytest.raises(UsageError, match="expected a model, got a folder"):
            run_or_look(options)
    wrong = replace(options, synthetic=None, weights=str(run), split=None, metrics=("fidelity",))
    with pytest.raises(UsageError, match="is for the part privacy"):
        preview_evaluate(wrong)
