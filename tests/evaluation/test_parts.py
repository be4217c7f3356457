"""`evaluate` end to end on phantoms: what is measured, and what is kept of it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drai_cli.errors import InputError, UsageError
from drai_cli.evaluation.parts import headline
from drai_cli.metrics.symmetries import Symmetry, augment
from drai_cli.model_file.checkpoint import read_header
from drai_cli.progress import Reporter
from drai_cli.report.model_card import model_card
from drai_cli.run import instruments
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions, TrainRun
from drai_cli.workflows.evaluate import evaluate, judge_of_run, quickly
from drai_cli.workflows.info import InfoOptions, describe_model
from drai_cli.workflows.train import train
from tests.evaluation.shared import SMALL, TINY, split_of


def test_every_part_is_measured_on_the_test_part_beside_baselines(reported: Reported) -> None:
    result, out = reported.result, reported.out
    found = json.loads((out / "report.json").read_text())
    run = reported.run
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
    assert page.count("data:image/png;base64,") == 5  # the first is at the top
    assert "evidence, not a guarantee" in page
    assert result.report.subject["name"] == "lesions"


def test_the_headline_stands_in_the_runs_card(reported: Reported) -> None:
    result, run = reported.result, reported.run
    measures = describe_model(InfoOptions(str(run))).measures["test"]
    assert list(measures) == ["disentanglement", "fidelity", "privacy", "usefulness"]
    for part in result.report.parts:
        found = dict(measures[part.key])
        assert found.pop("measured_with")["seed"] == 0
        assert found == headline(part)
        assert found.get("cautions", []) == list(part.doubts)
    assert measures["fidelity"]["measured_with"]["extractor"] == "judge"
    assert measures["disentanglement"]["measured_with"]["judge_images"] == SMALL["judge_images"]
    assert "Swap has the content image's label" in page_of(run) or measures["disentanglement"]["cautions"]
    assert "*Privacy* (" in page_of(run)


def page_of(run: Path) -> str:
    header = replace(
        read_header(run / "model.safetensors"), measures=describe_model(InfoOptions(str(run))).measures
    )
    return model_card(header, "owner/name")


def test_a_part_measured_again_replaces_its_own_numbers_and_another_judge_replaces_all(
    reported: Reported, lesions: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(reported.run, tmp_path / "run")

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
    assert "; disentanglement, fidelity, usefulness removed: measured on other data" in said[-1]


def test_a_split_image_by_image_is_said_in_report_and_card(
    reported: Reported, lesions: Path, run: Path, tmp_path: Path
) -> None:
    found = json.loads((reported.out / "report.json").read_text())
    assert found["data"]["split"] == "image by image"
    (caution,) = found["cautions"]
    assert "images of one patient or lesion may be in both the test part and training" in caution
    assert caution in (reported.out / "report.html").read_text()
    assert "The set was split image by image" in page_of(reported.run)
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


def test_what_was_measured_is_not_measured_again(
    reported: Reported, lesions: Path, tmp_path: Path, monkeypatch
) -> None:
    out = shutil.copytree(reported.out, tmp_path / "report")
    before = (out / "report.json").read_bytes()
    monkeypatch.setattr("drai_cli.evaluation.context.measure", None)  # calling it would fail
    monkeypatch.setattr("drai_cli.evaluation.usefulness.measure_usefulness", None)
    assert not json.loads(before)["parts"]["privacy"].get("is_pending")
    evaluate(EvaluateOptions(lesions, str(reported.run), out=out, figures=False, **SMALL))
    assert (out / "report.json").read_bytes() == before
    assert "data:image" not in (out / "report.html").read_text()  # no real image leaves with it


@pytest.fixture
def corner(tmp_path: Path, monkeypatch) -> Path:
    """A file of features, which are the pixels of a corner."""

    class Corner:
        name, comparable_with = "corner", "nothing"

        def features(self, images: np.ndarray) -> np.ndarray:
            return images[:, :2, :2].reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr("drai_cli.evaluation.remembered.load_extractor", lambda *arguments: Corner())
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
    assert {measure.extractor for measure in part.measures} == {"corner", None}  # None: of pixels
    of_pixels = {measure.key for measure in part.measures if measure.extractor is None}
    assert {"power", "coherence"} <= of_pixels
    (doubt,) = part.doubts  # four pixels of a corner show no blur
    assert "hardly notice a plain blur" in doubt
    # Where another part asks it, the score, which needs a classifier, has it too.
    monkeypatch.setattr(instruments, "train_judge", train_judge)
    both = replace(options, metrics=("fidelity", "disentanglement"), judge_images=64)
    (score,) = (one for one in evaluate(both).report.parts[0].measures if one.key == "inception_score")
    assert score.extractor == "judge"


def test_a_second_part_in_the_same_folder_keeps_the_first(
    reported: Reported, lesions: Path, run: Path, tmp_path: Path, monkeypatch
) -> None:
    out = tmp_path / "report"
    options = EvaluateOptions(lesions, str(run), out=out, metrics=("privacy",), **SMALL)
    evaluate(options)
    evaluate(replace(options, metrics=("disentanglement",)))
    found = json.loads((out / "report.json").read_text())
    assert list(found["parts"]) == ["disentanglement", "privacy"]
    assert found["parts"]["privacy"]["measures"]
    assert found["parts"]["privacy"]["settings"]["privacy_samples"] == SMALL["privacy_samples"]
    assert found["parts"]["disentanglement"]["settings"]["judge_images"] == SMALL["judge_images"]
    # With another judge the stored numbers do not fit: that is said, and they are left out.
    warnings: list[str] = []
    reporter = Reporter()
    reporter.warn = warnings.append  # type: ignore[method-assign]
    evaluate(replace(options, metrics=("disentanglement",), judge_images=64), reporter)
    assert list(json.loads((out / "report.json").read_text())["parts"]) == ["disentanglement"]
    assert any("privacy of the existing report was measured with other settings" in text for text in warnings)


def test_a_quick_report_takes_smaller_numbers_and_leaves_those_that_were_given(
    lesions: Path, run: Path
) -> None:
    asked = EvaluateOptions(lesions, str(run), quick=True, samples=7)
    quick = quickly(asked)
    assert (quick.samples, quick.pairs, quick.usefulness_ratios) == (7, 210, (1.0,))
    assert quickly(replace(asked, quick=False)) == replace(asked, quick=False)


def test_a_quick_report_takes_the_runs_judge_unless_another_is_asked_for(tmp_path: Path) -> None:
    run, asked = RunDirectory(tmp_path), EvaluateOptions(tmp_path, str(tmp_path), quick=True)
    assert judge_of_run(quickly(asked), run) == run.judge
    assert judge_of_run(quickly(replace(asked, judge_images=2000)), run) is None
    assert judge_of_run(replace(asked, quick=False), run) is None


def test_several_runs_show_their_spread_beside_the_interval_over_cases(
    lesions: Path, run: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(run, tmp_path / "again")
    options = EvaluateOptions(
        lesions, runs=(str(run), str(other)), out=tmp_path / "out", metrics=("disentanglement",), card="smd",
        **SMALL,
    )  # fmt: skip
    first, *_ = evaluate(options).report.parts
    assert first.key == "runs"
    assert first.verdict.startswith("2 trainings (lesions, again). No headline number differs more")
    assert all(measure.low == measure.value == measure.high for measure in first.measures)
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [criterion["name"] for criterion in found["card"]] == [
        "Congruence", "Coverage", "Constraint", "Completeness", "Compliance", "Comprehension", "Consistency",
    ]  # fmt: skip
    assert found["card"][1]["not_measured"] == ["fidelity: add it to --metrics"]
    assert "Scorecard for synthetic medical data" in (tmp_path / "out" / "report.html").read_text()
    with pytest.raises(UsageError, match="two different runs"):
        evaluate(replace(options, runs=(str(run),), out=tmp_path / "one"))
    with pytest.raises(UsageError, match="contradicts --weights"):
        evaluate(replace(options, weights=str(run), out=tmp_path / "both"))


def test_labels_of_images_from_elsewhere_are_mapped_and_training_images_are_refused(
    lesions: Path, run: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "elsewhere"
    for number, name in enumerate(split_of(run)["test"]):
        label, _, file = name.partition("/")
        (outside / label.upper()).mkdir(parents=True, exist_ok=True)
        pixels = np.asarray(Image.open(lesions / name)).copy()
        pixels[0, 0] = number % 256
        Image.fromarray(pixels).save(outside / label.upper() / file)
    (outside / "AMBER").rename(outside / "theirs")
    few = {**SMALL, "usefulness_ratios": (0.5,)}
    options = EvaluateOptions(
        lesions, str(run), out=tmp_path / "out", metrics=("usefulness",), external=outside, maps=("theirs=amber",),
        **few,
    )  # fmt: skip
    (part,) = evaluate(options).report.parts
    there = [measure for measure in part.measures if measure.variant.startswith("on elsewhere: ")]
    assert {measure.key for measure in there} >= {"balanced_accuracy", "gain"}
    assert {measure.n for measure in there if measure.key == "gain"} == {len(split_of(run)["test"])}
    assert not any("--external" in text for text in part.not_measured)
    with pytest.raises(UsageError, match="expected THEIRS=OURS"):
        evaluate(replace(options, maps=("theirs",), out=tmp_path / "bad"))
    first = split_of(run)["train"][0]
    shutil.copyfile(lesions / first, outside / first.split("/")[0].upper() / "seen.png")
    with pytest.raises(InputError, match=r"1 of \d+ images were trained on"):
        evaluate(replace(options, out=tmp_path / "leak"))


def test_a_part_measured_alone_is_kept_for_all(
    lesions: Path, run: Path, corner: Path, tmp_path: Path, monkeypatch
) -> None:
    small = {**SMALL, "judge_images": 64}
    options = EvaluateOptions(
        lesions, str(run), features=corner, out=tmp_path / "out", metrics=("privacy",), **small
    )
    (alone,) = evaluate(options).report.parts
    monkeypatch.setattr("drai_cli.evaluation.privacy.measure_privacy", None)  # calling it would fail
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
    # As frequent as the others, these labels are not filled up.
    assert [gain.variant for gain in gains] == ["real + synthetic 0.25", "pretrained on synthetic"]
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
    with pytest.raises(UsageError, match="usefulness only"):
        evaluate(replace(options, metrics=None, out=tmp_path / "all"))
    no_split = replace(options, weights=None, synthetic=lesions, out=tmp_path / "no_split")
    with pytest.raises(UsageError, match="no split"):
        evaluate(no_split)
    assert not (tmp_path / "all").exists()
    assert not list((tmp_path / "no_split").glob("report*"))


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
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))  # no judge is stored yet
    small = {**SMALL, "judge_images": 64, "samples": 2}
    report = tmp_path / "report"
    evaluate(
        EvaluateOptions(lesions, str(tmp_path / "run"), out=report, metrics=("disentanglement",), **small)
    )
    assert shown == {symmetry}
