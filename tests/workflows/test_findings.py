"""A set of findings from its table to a report: inspect, train, resume, sample, evaluate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drai_cli.errors import UsageError
from drai_cli.metrics.findings import measure_findings_of_images
from drai_cli.model_file.checkpoint import read_header
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions, PhantomOptions, SourceOptions
from drai_cli.settings.image_options import SampleOptions
from drai_cli.settings.model_options import EvaluateOptions, TrainRun
from drai_cli.workflows.evaluate import evaluate
from drai_cli.workflows.inspect import SetReport, inspect
from drai_cli.workflows.phantom import make_phantoms
from drai_cli.workflows.sample import sample
from drai_cli.workflows.train import train
from tests.workflows.sample_checks import rows
from tests.workflows.test_train_resume import StopAfter

FINDINGS = ("band", "notch", "ring", "spot", "tail")
TINY = ModelConfig(
    image_size=16, image_channels=3, content_dim=4, style_dim=4, channels=8, max_channels=8, blocks=1
)


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantoms") / "discs"
    make_phantoms(PhantomOptions(out, count=300, size=16, findings=True))
    return out


@pytest.fixture(scope="module")
def run(discs: Path, tmp_path_factory: pytest.TempPathFactory, quick_judge: None) -> TrainRun:
    folder = tmp_path_factory.mktemp("run")
    options = TrainOptions(model=TINY, batch_size=8, kimg=0.16, tick_kimg=0.08, precision="fp32", seed=1)
    asked = TrainRun(
        DataOptions(discs, size=16, cache_dir=folder / "cache"), options, out=folder / "run", device="cpu"
    )
    train(asked)
    return asked


def test_inspect_counts_images_that_show_each_finding(discs: Path) -> None:
    report = inspect(discs, SourceOptions())
    assert isinstance(report, SetReport)
    assert list(report.classes) == [*FINDINGS, "No Finding"]
    assert sum(report.classes.values()) > report.count


def test_a_run_says_what_it_was_conditioned_on(run: TrainRun) -> None:
    header = read_header(run.out / "model.safetensors")
    label = header.schema.label
    assert (label.kind, label.values) == ("findings", FINDINGS)
    assert label.findings is not None
    assert sum(label.findings.combinations.values()) == header.training["images"]["train"]
    assert set(header.training["label_counts"]) == {*FINDINGS, "No Finding"}


def test_a_run_in_two_parts_is_the_run_in_one(run: TrainRun, tmp_path: Path) -> None:
    again = replace(run, out=tmp_path / "run")
    assert not train(again, StopAfter(100)).is_finished
    train(again)
    assert (again.out / "model.safetensors").read_bytes() == (run.out / "model.safetensors").read_bytes()


def test_samples_of_a_trained_model(run: TrainRun, tmp_path: Path) -> None:
    sample(SampleOptions(tmp_path / "out", str(run.out), label="ring|spot", count=3, device="cpu"))
    assert [row["label"] for row in rows(tmp_path / "out")] == ["ring|spot"] * 3


def test_a_report_has_each_finding_beside_real_images(
    run: TrainRun, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EvaluateOptions(
        data=discs, out=tmp_path / "report", weights=str(run.out), judge_images=1200, samples=40, draws=1,
        usefulness_images=128, usefulness_seeds=1, privacy_samples=100, device="cpu",
    )  # fmt: skip
    evaluate(options)
    report = json.loads((options.out / "report.json").read_text())
    assert set(report["parts"]) == {"findings", "fidelity", "usefulness", "privacy"}
    privacy = report["parts"]["privacy"]["measures"]
    assert {one.get("label") for one in privacy if one["key"] == "membership"} == {*FINDINGS, None}
    card = json.loads((run.out / "measures.json").read_text())["test"]
    assert any(
        name.startswith("Finding shown where asked for, AUC") for name in card["disentanglement"]["numbers"]
    )
    fidelity = {measure["key"]: measure for measure in report["parts"]["fidelity"]["measures"]}
    assert fidelity["frechet"]["value"] > fidelity["frechet"]["baseline"]["value"]  # hardly trained at all
    gains = [one for one in report["parts"]["usefulness"]["measures"] if one["key"] == "gain"]
    assert [one["variant"] for one in gains] == ["real + synthetic", "real + synthetic of rare findings"]
    measures = report["parts"]["findings"]["measures"]
    named = {measure.get("label") for measure in measures if measure["key"] == "finding_auc"}
    assert named >= {*FINDINGS, None}
    assert all(measure["baseline"] for measure in measures if measure["key"] == "finding_auc")
    assert {"finding_kept", "finding_leaked", "finding_in_style", "co_occurrence"} <= {
        one["key"] for one in measures
    }
    page = (options.out / "report.html").read_text()
    assert "Findings" in page
    alone = replace(options, metrics=("fidelity",))
    with monkeypatch.context() as patch:  # what is stored is not measured again, and stays in the report
        patch.setattr("drai_cli.evaluation.finding_parts.measure_fidelity", None)
        patch.setattr("drai_cli.evaluation.findings.measure_findings", None)
        evaluate(alone)
    assert json.loads((options.out / "report.json").read_text())["parts"] == report["parts"]
    with pytest.raises(UsageError, match="one label per image"):
        evaluate(replace(options, out=tmp_path / "other", metrics=("conditions",)))


def test_a_folder_is_measured_by_the_findings_in_its_table(
    discs: Path, run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phantoms as synthetic images: the judge is asked for what their table says is there."""
    made = tmp_path / "made"
    make_phantoms(PhantomOptions(made, count=150, size=16, findings=True, seed=5))
    options = EvaluateOptions(
        data=discs, out=tmp_path / "report", synthetic=made, split=run.out / "split.csv", judge_images=1200,
        samples=40, draws=1, usefulness_images=64, usefulness_seeds=1, privacy_samples=60, device="cpu",
    )  # fmt: skip
    seen: dict[str, np.ndarray] = {}

    def look(
        data: object, judge: object, images: np.ndarray, states: np.ndarray, *more: object, **options: object
    ):
        seen["states"] = states
        return measure_findings_of_images(data, judge, images, states, *more, **options)

    monkeypatch.setattr("drai_cli.evaluation.findings.measure_findings_of_images", look)
    parts = {part.key: part for part in evaluate(options).report.parts}
    assert list(parts) == ["fidelity", "findings", "usefulness", "privacy"]
    table = [tuple(int(row[name]) for name in FINDINGS) for row in rows(made)]
    assert sorted(map(tuple, seen["states"].tolist())) == sorted(table)
    keys = {measure.key for measure in parts["findings"].measures}
    assert {"finding_auc", "all_findings", "co_occurrence"} <= keys
    assert not keys & {"finding_kept", "finding_in_style"}
    assert "they need a model with an encoder" in parts["findings"].not_measured[-1]
    assert {measure.key for measure in parts["privacy"].measures} >= {"copies", "membership"}
