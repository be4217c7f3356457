"""Training end to end on a handful of phantoms: what a run leaves, and what it refuses."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image as PillowImage

from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.locks import hold_folder
from drai_cli.model_file.checkpoint import load_model, load_state, read_header
from drai_cli.progress import Reporter
from drai_cli.settings.model_options import TrainRun
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import preview_train, train

pytestmark = pytest.mark.usefixtures("quick_judge")


def test_two_on_one_run(run: TrainRun) -> None:
    with (
        hold_folder(run.out, "drai train"),
        pytest.raises(OverwriteError, match=rf"drai train \(process {os.getpid()} on .+\) is writing it"),
    ):
        train(run)
    assert not run.out.exists()


def test_a_run_leaves_what_it_promises(run: TrainRun) -> None:
    result = train(run)
    assert result.is_finished
    assert result.images_seen == 320
    assert result.resumed_from == 0
    names = {path.relative_to(run.out).as_posix() for path in run.out.rglob("*") if path.is_file()}
    assert {
        "model.safetensors",
        "config.json",
        "split.csv",
        "stats.jsonl",
        "checkpoint/state.safetensors",
    } <= names
    ticks = [json.loads(line) for line in (run.out / "stats.jsonl").read_text().splitlines()]
    assert [tick["images_seen"] for tick in ticks] == [96, 192, 288, 320]
    header = load_model(run.out / "model.safetensors").header
    assert header.training["images_seen"] == result.best_images_seen
    # A row a label, one of real images, one of reconstructions and three of swaps, each with its name.
    with PillowImage.open(run.out / "grids/000000320.png") as grid:
        assert grid.height == (len(header.schema.labels) + 5) * (16 + 2) - 2
        assert grid.width > 8 * (16 + 2)
    assert str(run.out.parent) not in json.dumps(header.to_json())


def test_the_same_run_gives_the_same_bytes(run: TrainRun, tmp_path: Path) -> None:
    train(run)
    train(replace(run, out=tmp_path / "again"))
    model = "model.safetensors"
    assert (run.out / model).read_bytes() == (tmp_path / "again" / model).read_bytes()


@pytest.mark.parametrize(("symmetry", "is_said"), [(None, True), ("none", False), ("flip", False)])
def test_who_says_nothing_of_mirrored_images_is_told_of_them(symmetry, is_said, run: TrainRun) -> None:
    said: list[str] = []
    reporter = Reporter()
    reporter.info = said.append  # type: ignore[method-assign]
    train(replace(run, training=replace(run.training, symmetry=symmetry, kimg=0.016)), reporter)
    assert any("--symmetry" in line for line in said) == is_said


def test_a_fitted_prior_is_saved_and_the_game_does_not_see_it(run: TrainRun, tmp_path: Path) -> None:
    train(run)
    train(replace(run, training=replace(run.training, fit_prior=True), out=tmp_path / "fitted"))
    plain, fitted = (
        load_model(run.out / "model.safetensors"),
        load_model(tmp_path / "fitted/model.safetensors"),
    )
    for part in ("generator", "encoder", "content_prior"):
        pairs = zip(getattr(plain, part).parameters(), getattr(fitted, part).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs) == (part != "content_prior")
    (before, _), (after, _) = (
        load_state(out / "checkpoint/state.safetensors") for out in (run.out, tmp_path / "fitted")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_folder_with_other_files_is_refused(run: TrainRun) -> None:
    run.out.mkdir()
    (run.out / "thesis.txt").write_text("mine")
    with pytest.raises(OverwriteError, match="other files"):
        train(run)
    assert [path.name for path in run.out.iterdir()] == ["thesis.txt"]


def test_without_a_validation_part_a_budget_is_asked_for_and_the_last_model_kept(
    run: TrainRun, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    make_phantoms(PhantomOptions(few, count=42, size=16))
    short = replace(run, data=replace(run.data, path=few), training=replace(run.training, kimg=None))
    with pytest.raises(UsageError, match="too few validation images"):
        train(short)
    warned: list[str] = []

    class Listening(Reporter):
        def warn(self, message: str) -> None:
            warned.append(message)

    budget = replace(short, out=tmp_path / "budget", training=replace(run.training, kimg=0.2))
    result = train(budget, Listening())
    assert result.best_images_seen == result.images_seen == 208
    assert any("last one is kept" in line for line in warned)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tick_kimg": 0.0}, "--tick-kimg 0"),
        ({"kimg": 0.0}, "--kimg 0"),
        ({"decay_share": 9.0}, "--decay-share 9"),
        ({"learning_rate": 5.0}, "--learning-rate 5"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_work(options: dict, text: str, run: TrainRun) -> None:
    wrong = replace(run, training=replace(run.training, **options))
    for work in (train, preview_train):
        with pytest.raises(UsageError, match=text):
            work(wrong)
    assert not run.out.exists()


def test_a_size_the_networks_cannot_halve_is_refused_at_once(run: TrainRun) -> None:
    wrong = replace(run, data=replace(run.data, size=40))
    with pytest.raises(UsageError, match="multiple of 16"):
        preview_train(wrong)
    with pytest.raises(UsageError, match="multiple of 16") as caught:
        train(wrong)
    assert "--size 32" in caught.value.hint
    assert not run.out.exists()


def test_fewer_images_than_a_batch_is_an_error_that_counts(run: TrainRun) -> None:
    with pytest.raises(InputError, match=r"batch holds \(4096\), got 112"):
        train(replace(run, training=replace(run.training, batch_size=4096)))
    assert not run.out.exists()


def test_a_warm_start_takes_the_backbone_and_the_licence(run: TrainRun, tmp_path: Path) -> None:
    train(replace(run, licence="CC-BY-NC-4.0"))
    said: list[str] = []

    class Listening(Reporter):
        def info(self, message: str) -> None:
            said.append(message)

    later = replace(run, out=tmp_path / "warm", init=str(run.out), training=replace(run.training, kimg=0.016))
    train(later, Listening())
    assert any("generator" in line and "discriminator heads" in line for line in said)
    warm, source = load_model(later.out / "model.safetensors"), load_model(run.out / "model.safetensors")
    assert warm.header.licence == "CC-BY-NC-4.0"
    assert warm.header.training["is_warm_start"]
    # Within hold_kimg the taken networks wait for the discriminator.
    assert all(
        (a == b).all()
        for a, b in zip(warm.generator.parameters(), source.generator.parameters(), strict=True)
    )
    # What it started from is measured first, and may be the best.
    zero, last = (json.loads(line) for line in (later.out / "stats.jsonl").read_text().splitlines())
    assert (zero["images_seen"], last["images_seen"]) == (0, 16)
    assert zero["validation"]["score"]
    assert last["best_images_seen"] in (0, 16)


def test_a_run_that_ends_before_its_first_tick_is_measured_at_its_end(run: TrainRun) -> None:
    short = replace(run, training=replace(run.training, kimg=0.064, tick_kimg=20))
    result = train(short)
    assert result.measures
    assert result.best_images_seen == 64
    (tick,) = [json.loads(line) for line in (run.out / "stats.jsonl").read_text().splitlines()]
    assert tick["validation"] == result.measures


def test_the_header_names_no_file_of_the_data(run: TrainRun) -> None:
    train(replace(run, training=replace(run.training, kimg=0.016)))
    text = json.dumps(read_header(run.out / "model.safetensors").to_json())
    assert ".png" not in text
    assert "/" not in text.replace("CC-BY-NC", "")
