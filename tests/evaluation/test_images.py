"""`evaluate` end to end on phantoms: which images, of whom, and what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.evaluation.data_settings import data_options
from drai_cli.evaluation.subject import find_subject
from drai_cli.evaluation.synthetic import own_size
from drai_cli.io.locks import hold_folder
from drai_cli.progress import Reporter
from drai_cli.settings.model_options import EvaluateOptions
from drai_cli.workflows.evaluate import evaluate
from tests.evaluation.shared import SMALL, copied, split_of


def test_a_folder_of_images_is_measured_without_swaps(lesions: Path, run: Path, tmp_path: Path) -> None:
    made = copied(lesions, tmp_path / "made", split_of(run)["train"])
    found = evaluate(
        EvaluateOptions(
            lesions, synthetic=made, split=run / "split.csv", size=16, out=tmp_path / "out",
            metrics=("fidelity", "disentanglement", "privacy"), **SMALL,
        )
    )  # fmt: skip
    fidelity, disentanglement, privacy = found.report.parts
    assert found.report.subject["kind"] == "folder"
    assert {measure.key for measure in disentanglement.measures} == {"agreement"}
    assert "encoder" in disentanglement.not_measured[0]
    # The folder holds the training images themselves: real enough, and all of them copies.
    assert next(m for m in privacy.measures if m.key == "copies").value == 1
    assert "copies" in privacy.verdict
    assert next(m for m in fidelity.measures if m.key == "kernel").value < 0.05


def test_a_label_without_synthetic_images_is_named(lesions: Path, run: Path, tmp_path: Path) -> None:
    names = split_of(run)["train"]
    lacking = sorted({name.split("/")[0] for name in names})[0]
    made = copied(lesions, tmp_path / "made", [name for name in names if not name.startswith(f"{lacking}/")])
    warnings: list[str] = []
    reporter = Reporter()
    reporter.warn = warnings.append  # type: ignore[method-assign]
    options = EvaluateOptions(
        lesions, synthetic=made, split=run / "split.csv", out=tmp_path / "out", metrics=("disentanglement",), **SMALL
    )  # fmt: skip
    (part,) = evaluate(options, reporter).report.parts
    assert f"{made}: no images with these labels of the real set: {lacking}" in warnings
    assert lacking not in {measure.label for measure in part.measures}


def test_what_needs_the_training_images_says_so_without_them(
    lesions: Path, run: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    shutil.copyfile(run / "model.safetensors", model)
    options = EvaluateOptions(lesions, str(model), out=tmp_path / "out", metrics=("privacy",), **SMALL)
    warnings: list[str] = []
    reporter = Reporter()
    reporter.warn = warnings.append  # type: ignore[method-assign]
    (part,) = evaluate(options, reporter).report.parts
    assert any("may have been trained on" in text for text in warnings)
    assert not part.measures
    assert "--train-data" in part.not_measured[0]


def test_images_that_were_trained_on_are_refused(lesions: Path, run: Path, tmp_path: Path) -> None:
    parts = split_of(run)
    train_set = copied(lesions, tmp_path / "train", parts["train"])
    held_out = copied(lesions, tmp_path / "held", parts["test"])
    fine = EvaluateOptions(
        held_out, str(tmp_path / "m.safetensors"), train_data=train_set, out=tmp_path / "out",
        metrics=("privacy",), **SMALL,
    )  # fmt: skip
    shutil.copyfile(run / "model.safetensors", tmp_path / "m.safetensors")
    (part,) = evaluate(fine).report.parts
    assert part.measures
    copied(lesions, held_out, parts["train"][:1])
    with pytest.raises(InputError, match=r"1 of \d+ were trained on"):
        evaluate(replace(fine, out=tmp_path / "other"))
    # A run remembers what it saw, wherever its images now lie.
    with pytest.raises(InputError, match=r"1 of \d+ were trained on"):
        evaluate(replace(fine, weights=str(run), train_data=None, out=tmp_path / "third"))


def test_a_report_of_another_model_is_not_overwritten(
    reported: Reported, lesions: Path, tmp_path: Path
) -> None:
    out = reported.out
    made = tmp_path / "made"
    for label in "amber", "brick":
        for number in range(4):
            (made / label).mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
            Image.fromarray(noise).save(made / label / f"{number}.png")
    with pytest.raises(OverwriteError, match="another generator"):
        evaluate(EvaluateOptions(lesions, synthetic=made, size=16, out=out, metrics=("fidelity",), **SMALL))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(OverwriteError, match="other files"):
        evaluate(EvaluateOptions(lesions, out=tmp_path / "full"))


def test_a_model_of_other_labels_is_told_of_and_not_the_split(
    lesions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError, match=r"labels and the data's differ: the data has .+, the model mel, nv"
    ) as told:
        evaluate(EvaluateOptions(lesions, str(tiny_model), out=tmp_path / "out"))
    assert "--weights" in told.value.hint


def test_a_label_of_another_name_and_a_missing_column_are_no_obstacle(
    lesions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    rows = ["file_name,label"]
    for index, source in enumerate(sorted(lesions.glob("*/*.png"))[::4]):
        (tmp_path / "set").mkdir(exist_ok=True)
        shutil.copyfile(source, tmp_path / "set" / source.name)
        rows.append(f"{source.name},{('mel', 'nv')[index % 2]}")
    (tmp_path / "set" / "metadata.csv").write_text("\n".join(rows))
    warnings: list[str] = []
    reporter = Reporter()
    reporter.warn = warnings.append  # type: ignore[method-assign]
    small = {**SMALL, "judge_images": 64}
    options = EvaluateOptions(
        tmp_path / "set",
        str(tiny_model),
        out=tmp_path / "out",
        metrics=("disentanglement",),
        figures=False,
        **small,
    )
    assert set(evaluate(options, reporter).report.data["labels"]) == {"mel", "nv"}
    assert "the data has no column 'age': the attribute is missing for every image" in warnings


def test_what_comes_from_the_run_is_not_blamed_on_the_command(
    lesions: Path, run: Path, tmp_path: Path
) -> None:
    other = copied(run, tmp_path / "run", ["config.json", "model.safetensors", "seen.sha256", "split.csv"])
    saved = json.loads((other / "config.json").read_text())
    held_out = copied(lesions, tmp_path / "held", split_of(run)["test"])
    options = EvaluateOptions(held_out, str(other), out=tmp_path / "out", metrics=("fidelity",), **SMALL)

    def write(**data: str) -> None:
        saved["data"].update({"label": None, "group": None, "group_pattern": None, **data})
        (other / "config.json").write_text(json.dumps(saved))

    write(label="diagnosis")
    with pytest.raises(
        UsageError, match=r"--label diagnosis, from the settings of the run .+run: class folders"
    ) as told:
        evaluate(options)
    assert "class folders: --label label" in told.value.hint
    with pytest.raises(UsageError, match=r"^--label verdict: class folders"):
        evaluate(replace(options, label="verdict"))
    # Given as the hint says, it goes on to what is measured; so without the run's groups, which are not in this data.
    for its in ({"label": "diagnosis"}, {"group": "who"}, {"group_pattern": "who"}):
        write(**its)
        warnings: list[str] = []
        reporter = Reporter()
        reporter.warn = warnings.append  # type: ignore[method-assign]
        read = data_options(
            replace(options, label="label"), find_subject(options, torch.device("cpu"), reporter), reporter
        )
        assert (read.label, read.group, read.group_pattern) == (("label",), None, None)
        assert any("the run's grouping of images" in text for text in warnings) == ("label" not in its)


def test_a_folders_own_size_and_an_earlier_judge_are_taken(lesions: Path, run: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    for name in split_of(run)["validation"]:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(lesions / name).resize((47, 33)).save(made / name)
    assert own_size(made) == 32
    said: list[str] = []
    reporter = Reporter()
    reporter.info = said.append  # type: ignore[method-assign]
    small = {**SMALL, "judge_images": 64, "samples": 2}
    options = EvaluateOptions(
        lesions,
        synthetic=made,
        split=run / "split.csv",
        out=tmp_path / "out",
        metrics=("disentanglement",),
        **small,
    )
    assert evaluate(options, reporter).report.data["image_size"] == 32
    assert any("compared at 32 px" in line for line in said)
    # Groups decide intervals, and nothing of the judge.
    grouped = replace(options, group_pattern="([0-9])[.]", out=tmp_path / "other")
    evaluate(grouped, reporter)
    assert any("using the judge stored in" in line and "instruments" in line for line in said)


def test_contradictions_and_unknown_parts_are_usage_errors(lesions: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such part"):
        evaluate(EvaluateOptions(lesions, out=tmp_path / "a", metrics=("fid",)))
    with pytest.raises(UsageError, match="contradicts --weights"):
        evaluate(EvaluateOptions(lesions, "lesions-64", synthetic=lesions, out=tmp_path / "b"))


def test_two_on_one_report(lesions: Path, run: Path, tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path / "report", "drai evaluate"),
        pytest.raises(OverwriteError, match=r"drai evaluate \(process \d+ on .+\) is writing it"),
    ):
        evaluate(EvaluateOptions(lesions, str(run), out=tmp_path / "report", **SMALL))
