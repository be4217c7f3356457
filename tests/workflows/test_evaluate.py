"""`evaluate` end to end on phantoms: what is measured, what is refused, what is kept."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drai_cli.checkpoint import read_header
from drai_cli.config import ModelConfig, TrainOptions
from drai_cli.data.options import DataOptions
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.locks import alone_in
from drai_cli.metrics.augment import Symmetry, augment
from drai_cli.progress import Reporter
from drai_cli.workflows.evaluate import evaluate, headline
from drai_cli.workflows.evaluation import instruments
from drai_cli.workflows.evaluation.data_options import data_options
from drai_cli.workflows.evaluation.subject import find_subject
from drai_cli.workflows.evaluation.synthetic import own_size
from drai_cli.workflows.info import InfoOptions, describe_model
from drai_cli.workflows.model_card import model_card
from drai_cli.workflows.model_options import EvaluateOptions, TrainRun
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import train

pytestmark = pytest.mark.usefixtures("quick_judge")

TINY = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
SMALL = {
    "samples": 6, "pairs": 42, "draws": 2, "judge_images": 1280, "usefulness_images": 256, "usefulness_seeds": 1,
    "privacy_samples": 40,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAI_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "lesions"
    make_phantoms(PhantomOptions(out, count=420, size=16))
    return out


@pytest.fixture(scope="module")
def run(lesions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = TrainOptions(model=TINY, kimg=0.32, tick_kimg=1, batch_size=16, precision="fp32")
    out = tmp_path_factory.mktemp("runs") / "lesions"
    train(TrainRun(DataOptions(lesions, size=16), options, out, device="cpu"))
    return out


@pytest.fixture(scope="module")
def report(lesions: Path, run: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("out") / "report"
    return evaluate(EvaluateOptions(lesions, str(run), out=out, **SMALL)), out


def copied(source: Path, out: Path, names: list[str]) -> Path:
    """Some images of a set as class folders."""
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)
    return out


def split_of(run: Path) -> dict[str, list[str]]:
    rows = [line.rsplit(",", 1) for line in (run / "split.csv").read_text().splitlines()[1:]]
    return {part: [name for name, its in rows if its == part] for part in ("train", "validation", "test")}


def test_every_part_is_measured_on_the_test_part_beside_baselines(report, run: Path) -> None:
    result, out = report
    found = json.loads((out / "report.json").read_text())
    assert list(found["parts"]) == ["fidelity", "disentanglement", "usefulness", "privacy"]
    assert found["data"]["n"] == len(split_of(run)["test"]) == sum(found["data"]["labels"].values())
    keys = {measure["key"] for part in found["parts"].values() for measure in part["measures"]}
    assert {"frechet", "kernel", "recall", "agreement", "kept", "leaked", "cifc", "label_in_style"} <= keys
    assert {"mig", "completeness", "factor", "gain", "balanced_accuracy", "copies", "membership"} <= keys
    for part in found["parts"].values():
        names = [(m["key"], m.get("label"), m.get("variant")) for m in part["measures"]]
        assert len(set(names)) == len(names)
        assert part["verdict"]
        assert all(measure["how_to_read"] for measure in part["measures"])
        assert all("baseline" in measure for measure in part["measures"] if measure.get("is_headline"))
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "evidence, not a guarantee" in page
    assert result.report.subject["name"] == "lesions"


def test_the_headline_stands_in_the_runs_card(report, run: Path) -> None:
    result, _ = report
    measures = describe_model(InfoOptions(str(run))).measures["test"]
    assert list(measures) == ["disentanglement", "fidelity", "privacy", "usefulness"]
    for part in result.report.parts:
        found = dict(measures[part.key])
        assert found.pop("measured_with")["seed"] == 0
        assert found == headline(part)
        assert found.get("cautions", []) == list(part.doubts)
    assert measures["fidelity"]["measured_with"]["extractor"] == "judge"
    assert measures["disentanglement"]["measured_with"]["judge_images"] == SMALL["judge_images"]
    assert "Swap keeps the label" in page_of(run) or measures["disentanglement"]["cautions"]
    assert "*Privacy* (" in page_of(run)


def page_of(run: Path) -> str:
    header = replace(
        read_header(run / "model.safetensors"), measures=describe_model(InfoOptions(str(run))).measures
    )
    return model_card(header, "owner/name")


def test_a_part_measured_again_replaces_its_own_numbers_and_another_judge_replaces_all(
    report, lesions: Path, run: Path, tmp_path: Path
) -> None:
    def measures():
        return describe_model(InfoOptions(str(run))).measures["test"]

    said: list[str] = []
    reporter = Reporter()
    reporter.info = said.append  # type: ignore[method-assign]
    before = measures()
    options = EvaluateOptions(
        lesions, str(run), out=tmp_path / "alone", metrics=("privacy",), **{**SMALL, "privacy_samples": 20}
    )
    evaluate(options, reporter)
    assert said[-1].startswith(
        "the model's card, `drai info` and `push` now have privacy from this evaluation ("
    )
    assert said[-1].endswith("measures.json)")
    assert measures().keys() == before.keys()
    assert measures()["privacy"]["measured_with"]["privacy_samples"] == 20
    assert measures()["fidelity"] == before["fidelity"]
    evaluate(replace(options, out=tmp_path / "other", judge_images=64), reporter)
    assert list(measures()) == ["privacy"]
    assert "; disentanglement, fidelity, usefulness went, measured on other data" in said[-1]


def test_a_split_image_by_image_is_said_in_report_and_card(
    report, lesions: Path, run: Path, tmp_path: Path
) -> None:
    found = json.loads((report[1] / "report.json").read_text())
    assert found["data"]["split"] == "image by image"
    (caution,) = found["cautions"]
    assert "images of one patient or lesion may stand in the test part and in training at once" in caution
    assert caution in (report[1] / "report.html").read_text()
    assert "The set was split image by image" in page_of(run)
    # Named afterwards, those on both sides are counted, and the intervals are measured anew.
    again = EvaluateOptions(
        lesions,
        str(run),
        out=tmp_path / "out",
        metrics=("privacy",),
        group_pattern=r"_\d*(\d\d)\.png",
        **SMALL,
    )
    counted = evaluate(again).report
    (caution,) = counted.cautions
    number = re.match(r"(\d+) groups .+ both in the test part and outside it", caution)
    assert number
    assert 0 < int(number[1]) <= counted.data["groups"] < counted.data["n"]
    with pytest.raises(UsageError, match="contradicts --group"):
        evaluate(replace(again, group="x", out=tmp_path / "other"))


def test_what_was_measured_is_not_measured_again(report, lesions: Path, run: Path, monkeypatch) -> None:
    _, out = report
    before = (out / "report.json").read_bytes()
    monkeypatch.setattr("drai_cli.workflows.evaluation.context.measure", None)  # calling it would fail
    monkeypatch.setattr("drai_cli.workflows.evaluation.usefulness.measure_usefulness", None)
    evaluate(EvaluateOptions(lesions, str(run), out=out, figures=False, **SMALL))
    assert (out / "report.json").read_bytes() == before
    assert "data:image" not in (out / "report.html").read_text()  # no real image leaves with it


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
    assert f"{made}: no images of {lacking}, which the real set has" in warnings
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


@pytest.fixture
def corner(tmp_path: Path, monkeypatch) -> Path:
    """A file of features, which are the pixels of a corner."""

    class Corner:
        name, comparable_with = "corner", "nothing"

        def features(self, images: np.ndarray) -> np.ndarray:
            return images[:, :2, :2].reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr("drai_cli.workflows.evaluate.load_extractor", lambda *arguments: Corner())
    (tmp_path / "features").write_bytes(b"x")
    return tmp_path / "features"


def test_no_judge_is_trained_where_nothing_asks_it(
    lesions: Path, run: Path, corner: Path, tmp_path: Path, monkeypatch
) -> None:
    def untrained(*arguments, **options):
        raise AssertionError("a judge was trained")

    train_judge = instruments.train_judge
    monkeypatch.setattr(instruments, "train_judge", untrained)
    options = EvaluateOptions(
        lesions, str(run), features=corner, out=tmp_path / "out", metrics=("fidelity",), **SMALL
    )
    (part,) = evaluate(options).report.parts
    assert {measure.extractor for measure in part.measures} == {"corner"}
    assert not part.doubts
    # Where another part asks it, the score, which needs a classifier, has it too.
    monkeypatch.setattr(instruments, "train_judge", train_judge)
    both = replace(options, metrics=("fidelity", "disentanglement"), judge_images=64)
    (score,) = (one for one in evaluate(both).report.parts[0].measures if one.key == "inception_score")
    assert score.extractor == "judge"


def test_a_part_measured_alone_is_kept_for_all(
    lesions: Path, run: Path, corner: Path, tmp_path: Path, monkeypatch
) -> None:
    small = {**SMALL, "judge_images": 64}
    options = EvaluateOptions(
        lesions, str(run), features=corner, out=tmp_path / "out", metrics=("privacy",), **small
    )
    (alone,) = evaluate(options).report.parts
    monkeypatch.setattr(
        "drai_cli.workflows.evaluation.privacy.measure_privacy", None
    )  # calling it would fail
    *_, again = evaluate(replace(options, metrics=("disentanglement", "privacy"))).report.parts
    assert again == alone


def test_usefulness_tries_the_ratios_and_takes_the_labels_together_that_are_asked_for(
    lesions: Path, run: Path, tmp_path: Path
) -> None:
    options = EvaluateOptions(
        lesions, str(run), out=tmp_path / "out", metrics=("usefulness",), usefulness_ratios=(0.25,),
        small_labels=("ebony", "AMBER"), **SMALL,
    )  # fmt: skip
    (part,) = evaluate(options).report.parts
    gains = [measure for measure in part.measures if measure.key == "gain_small"]
    assert [gain.variant for gain in gains] == ["0.25 synthetic images a real one"]
    assert gains[0].how_to_read.endswith("Mean over amber, ebony.")
    with pytest.raises(UsageError, match="'jade'"):
        evaluate(replace(options, small_labels=("jade",)))
    with pytest.raises(UsageError, match="--usefulness-ratio 0"):
        evaluate(replace(options, usefulness_ratios=(0.0,)))


def test_usefulness_is_measured_on_all_that_was_held_out(lesions: Path, run: Path, tmp_path: Path) -> None:
    few = {**SMALL, "usefulness_ratios": (0.5,)}
    options = EvaluateOptions(
        lesions, str(run), out=tmp_path / "out", part="held-out", metrics=("usefulness",), **few
    )
    evaluate(options)
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    split = split_of(run)
    assert found["data"]["part"] == "held-out"
    assert found["data"]["n"] == len(split["validation"]) + len(split["test"])
    (kept,) = (tmp_path / "out").rglob("usefulness-*.json")
    real = json.loads(kept.read_text())["arms"]["real"]["real"]
    # A fifth of the training images chooses the classifiers, where validation images do otherwise.
    assert 0.75 < sum(real.values()) / len(split["train"]) < 0.85
    with pytest.raises(UsageError, match="usefulness alone"):
        evaluate(replace(options, metrics=None, out=tmp_path / "all"))
    no_split = replace(options, weights=None, synthetic=lesions, out=tmp_path / "no_split")
    with pytest.raises(UsageError, match="no split"):
        evaluate(no_split)
    assert not (tmp_path / "all").exists()
    assert not list((tmp_path / "no_split").glob("report*"))


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
    report, lesions: Path, tiny_model: Path, tmp_path: Path
) -> None:
    _, out = report
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
    assert "the data has no column 'age': it is missing of every image" in warnings


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
        assert (read.label, read.group, read.group_pattern) == ("label", None, None)
        assert any("by which the run keeps images together" in text for text in warnings) == (
            "label" not in its
        )


def test_a_folders_own_size_and_an_earlier_judge_are_taken(
    lesions: Path, run: Path, report, tmp_path: Path
) -> None:
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
    grouped = replace(options, group_pattern="([0-9])[.]", out=tmp_path / "other", tools=tmp_path / "out")
    evaluate(grouped, reporter)
    assert any("the judge kept in" in line and "measured" in line for line in said)
    assert not list((tmp_path / "out").glob("judge-*"))


@pytest.mark.parametrize("symmetry", ["none", "flip"])
def test_judges_are_shown_images_as_the_run_was(
    lesions: Path, tmp_path: Path, monkeypatch, symmetry: Symmetry
) -> None:
    shown: set[str] = set()

    def seen(*arguments, **options):
        shown.add(options["symmetry"])
        return augment(*arguments, **options)

    monkeypatch.setattr("drai_cli.metrics.judge.augment", seen)
    options = TrainOptions(
        model=TINY, kimg=0.032, tick_kimg=1, batch_size=16, precision="fp32", symmetry=symmetry
    )
    train(TrainRun(DataOptions(lesions, size=16), options, tmp_path / "run", device="cpu"))
    assert shown == {symmetry}
    shown.clear()
    small = {**SMALL, "judge_images": 64, "samples": 2}
    report = tmp_path / "report"
    evaluate(
        EvaluateOptions(
            lesions, str(tmp_path / "run"), out=report, tools=tmp_path, metrics=("disentanglement",), **small
        )
    )
    assert shown == {symmetry}


def test_contradictions_and_unknown_parts_are_usage_errors(lesions: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such part"):
        evaluate(EvaluateOptions(lesions, out=tmp_path / "a", metrics=("fid",)))
    with pytest.raises(UsageError, match="contradicts --weights"):
        evaluate(EvaluateOptions(lesions, "lesions-64", synthetic=lesions, out=tmp_path / "b"))


def test_two_on_one_report(lesions: Path, run: Path, tmp_path: Path) -> None:
    with (
        alone_in(tmp_path / "report", "drai evaluate"),
        pytest.raises(OverwriteError, match=r"drai evaluate \(process \d+ on .+\) is writing it"),
    ):
        evaluate(EvaluateOptions(lesions, str(run), out=tmp_path / "report", **SMALL))
