"""`compare` on a handful of phantoms: the table, going on where it stopped, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from drai_cli.errors import OverwriteError, UsageError
from drai_cli.evaluation.comparison import shared_baseline
from drai_cli.io.locks import hold_folder
from drai_cli.report.comparison_tables import best_cells
from drai_cli.report.findings import Baseline
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import CompareOptions
from drai_cli.workflows import compare as module
from drai_cli.workflows.compare import compare
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms

pytestmark = pytest.mark.usefixtures("quick_judge")

TINY = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> CompareOptions:
    folder = tmp_path_factory.mktemp("compare")
    make_phantoms(PhantomOptions(folder / "lesions", count=420, size=16))
    training = TrainOptions(model=TINY, kimg=0.064, tick_kimg=1, batch_size=16, precision="fp32")
    data = DataOptions(folder / "lesions", size=16, cache_dir=folder / "cache")
    return CompareOptions(
        data, training, ("dai", "drai"), seeds=2, out=folder / "out", devices=("cpu",), judge_images=64
    )


@pytest.fixture(scope="module")
def result(options: CompareOptions):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAI_CACHE", str(options.out.parent / "cache"))
        yield compare(options)


def test_the_table_has_every_method_over_its_seeds(result, options: CompareOptions) -> None:
    assert result.stopped_by == ""
    rows = {row.key: row for row in result.comparison.rows}
    assert {"agreement", "kept", "leaked", "label_in_style", "cifc", "factor_x", "frechet", "recall"} <= set(
        rows
    )
    assert all(cell.n == 2 and cell.std is not None for cell in rows["kept"].cells)
    # Measured by label alone: the table says which of them it shows.
    assert rows["spread"].name.endswith("lowest over labels")
    assert "label" not in rows["followed"].name
    reports = [
        json.loads((options.out / "reports" / f"drai-{n}" / "report.json").read_text()) for n in (0, 1)
    ]
    kept = [
        measure["value"]
        for report in reports
        for measure in report["parts"]["disentanglement"]["measures"]
        if measure["key"] == "kept"
    ]
    assert rows["kept"].cells[1].mean == pytest.approx(sum(kept) / 2)
    agreement = next(
        measure
        for measure in reports[0]["parts"]["disentanglement"]["measures"]
        if measure["key"] == "agreement"
    )
    assert rows["agreement"].baseline == Baseline(
        agreement["baseline"]["what"], agreement["baseline"]["value"]
    )
    assert rows["cifc"].baseline is None  # each model's own reconstruction
    assert "| baseline |" in (options.out / "comparison.md").read_text().splitlines()[0]
    for name in ("comparison.md", "comparison.tex", "comparison.html", "comparison.json"):
        assert "drai" in (options.out / name).read_text()
    with open(options.out / "comparison.csv", newline="") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"dai", "drai"}


def test_a_judge_at_chance_is_told_of_and_makes_no_best(result, options: CompareOptions) -> None:
    rows = {row.key: row for row in result.comparison.rows}
    for key in ("agreement", "kept", "leaked", "frechet"):
        assert all("judge is" in cell.doubt and "chance" in cell.doubt for cell in rows[key].cells)
        assert not best_cells(rows[key])
    assert not any(cell.doubt for cell in rows["followed"].cells)
    assert "not informative: the judge is" in (options.out / "comparison.md").read_text()
    report = json.loads((options.out / "reports" / "drai-0" / "report.json").read_text())
    part = report["parts"]["disentanglement"]
    assert part["verdict"].startswith("No verdict")
    assert "label agreement, labels of swaps and CIFC are not informative" in part["doubts"][0]
    assert "not informative" in (options.out / "reports" / "drai-0" / "report.html").read_text()


@pytest.mark.parametrize(
    ("baselines", "expected"),
    [
        ([{"what": "chance", "value": 0.5}, {"what": "chance", "value": 0.5}], Baseline("chance", 0.5)),
        ([{"what": "chance", "value": 0.5}, {"what": "chance", "value": 0.4}], None),
        ([{"what": "chance", "value": 0.5}, {"what": "style", "value": 0.5}], None),
        ([{"what": "chance", "value": 0.5}, None], None),
        ([{"what": "chance", "value": "x"}], None),
        ([], None),
    ],
)
def test_a_baseline_is_shown_where_all_runs_share_it(baselines, expected) -> None:
    assert shared_baseline([{"key": "m", "baseline": each} for each in baselines]) == expected


def test_all_runs_share_their_split_and_so_their_judge(result, options: CompareOptions) -> None:
    splits = {path.read_bytes() for path in (options.out / "runs").glob("*/split.csv")}
    assert len(splits) == 1
    beside_the_data = options.out.parent / "cache" / "instruments"
    assert len(list(beside_the_data.glob("judge-*.safetensors"))) == 1


def test_the_same_command_goes_on_with_what_is_missing(result, options: CompareOptions, monkeypatch) -> None:
    shutil.rmtree(options.out / "reports" / "dai-1")
    shutil.rmtree(options.out / "runs" / "dai-1")
    trained = []
    run_job = module.run_job

    def watched(options, job, device, reporter):
        if not (options.out / "runs" / job.name / "model.safetensors").exists():
            trained.append(job.name)
        return run_job(options, job, device, reporter)

    monkeypatch.setattr(module, "run_job", watched)
    monkeypatch.setenv("DRAI_CACHE", str(options.out.parent / "cache"))
    again = compare(options)
    assert trained == ["dai-1"]
    assert again.comparison == result.comparison


def test_a_preview_says_how_many_runs_and_how_long_one_takes(
    options: CompareOptions, tmp_path, monkeypatch
) -> None:
    tried = []

    def preview(run, reporter, tries):
        tried.append((run.device, tries))
        return SimpleNamespace(plan=["2 kimg in about 5 min", "the first model"] if tries else ())

    monkeypatch.setattr(module, "preview_train", preview)
    plan = module.preview_compare(replace(options, out=tmp_path / "out", devices=("cpu", "cuda:1")))
    assert plan[:2] == [
        "4 runs (2 methods, seeds: 2), 2 at once", "a run of dai: 2 kimg in about 5 min",
    ]  # fmt: skip
    assert tried == [("cpu", True), ("cuda:1", False)]


def test_what_cannot_be_compared_is_refused(options: CompareOptions) -> None:
    with pytest.raises(UsageError, match="no such method"):
        compare(replace(options, methods=("gan",)))
    with pytest.raises(UsageError, match="length of training, the same for all"):
        compare(replace(options, training=replace(options.training, kimg=None)))


def test_several_devices_work_side_by_side_and_what_a_method_lacks_is_said(
    options: CompareOptions, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("DRAI_CACHE", str(options.out.parent / "cache"))
    # Too few images for a validation part: in processes of their own a run's judge would take its time.
    make_phantoms(PhantomOptions(tmp_path / "few", count=98, size=16))
    data = replace(options.data, path=tmp_path / "few")
    found = compare(
        replace(
            options,
            data=data,
            methods=("cgan", "cavae"),
            seeds=1,
            out=tmp_path / "two",
            devices=("cpu", "cpu"),
        )
    )
    rows = {row.key: row for row in found.comparison.rows}
    assert "no encoder" in rows["kept"].cells[0].note
    assert rows["kept"].cells[1].mean is not None
    assert all(cell.mean is not None for cell in rows["agreement"].cells)


def test_two_on_one_comparison(options: CompareOptions, tmp_path) -> None:
    with (
        hold_folder(tmp_path / "out", "drai compare"),
        pytest.raises(OverwriteError, match=r"drai compare \(process \d+ on .+\) is writing it"),
    ):
        compare(replace(options, out=tmp_path / "out"))
