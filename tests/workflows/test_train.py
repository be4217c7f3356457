"""Training end to end on a handful of phantoms: run directory, exact resume, refusals."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image as PillowImage

from drai_cli.checkpoint import load_model, load_state, read_header
from drai_cli.config import ModelConfig, TrainOptions
from drai_cli.data.options import DataOptions
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.locks import alone_in
from drai_cli.progress import Reporter
from drai_cli.training import graphs
from drai_cli.workflows import trainer as module
from drai_cli.workflows.model_options import TrainRun
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import train
from drai_cli.workflows.trainer import Trainer

pytestmark = pytest.mark.usefixtures("quick_judge")

TINY = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)


@pytest.fixture(scope="module")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "lesions"
    make_phantoms(PhantomOptions(out, count=140, size=16))
    return out


@pytest.fixture
def run(lesions: Path, tmp_path: Path) -> TrainRun:
    options = TrainOptions(model=TINY, kimg=0.32, tick_kimg=0.096, batch_size=16, precision="fp32")
    data = DataOptions(lesions, size=16, cache_dir=tmp_path / "cache")
    return TrainRun(data, options, tmp_path / "run", device="cpu")


class StopAfter(Reporter):
    """Sends this process SIGTERM after some images, as a scheduler would."""

    def __init__(self, images: int) -> None:
        self.images = images

    def task(self, name, total, unit):  # type: ignore[no-untyped-def]
        from contextlib import contextmanager

        from drai_cli.progress import Task

        outer = self

        class Counting(Task):
            seen = 0

            def advance(self, n: int = 1) -> None:
                self.seen += n
                if name == "training" and self.seen >= outer.images and n:
                    outer.images = 10**9
                    os.kill(os.getpid(), signal.SIGTERM)

        @contextmanager
        def counting():  # type: ignore[no-untyped-def]
            yield Counting()

        return counting()


class Killed(BaseException):
    """Stands for the process ending at this very point."""


def test_two_on_one_run(run: TrainRun) -> None:
    with (
        alone_in(run.out, "drai train"),
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


def test_a_signal_saves_and_resuming_is_bit_for_bit(run: TrainRun, tmp_path: Path) -> None:
    whole = train(run)
    other = replace(run, out=tmp_path / "other")
    stopped = train(other, StopAfter(144))
    assert not stopped.is_finished
    assert stopped.stopped_by == "SIGTERM"
    assert 144 <= stopped.images_seen < 320
    resumed = train(other)
    assert resumed.resumed_from == stopped.images_seen
    assert resumed.images_seen == whole.images_seen
    for name in ("model.safetensors", "checkpoint/state.safetensors"):
        assert (run.out / name).read_bytes() == (other.out / name).read_bytes(), name


@pytest.mark.parametrize("call", [3, 9, 13])
def test_killed_between_ticks_and_resumed_is_bit_for_bit(
    call: int, run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run)
    other = replace(run, out=tmp_path / "other")
    steps = 0
    step = graphs.train_step

    def dying(*arguments, **named):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        if steps == call:
            raise Killed
        return step(*arguments, **named)

    monkeypatch.setattr(graphs, "train_step", dying)
    with pytest.raises(Killed):
        train(other)
    monkeypatch.setattr(graphs, "train_step", step)
    train(other)
    for name in ("model.safetensors", "checkpoint/state.safetensors"):
        assert (run.out / name).read_bytes() == (other.out / name).read_bytes(), name


def test_killed_before_the_checkpoint_of_a_tick_repeats_the_tick(
    run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(run)
    other = replace(run, out=tmp_path / "other")
    save, saves = module.save_state, 0

    def dying(*arguments):  # type: ignore[no-untyped-def]
        nonlocal saves
        saves += 1
        if saves == 2:
            raise Killed
        save(*arguments)

    monkeypatch.setattr(module, "save_state", dying)
    with pytest.raises(Killed):
        train(other)
    monkeypatch.setattr(module, "save_state", save)
    train(other)
    assert (run.out / "model.safetensors").read_bytes() == (other.out / "model.safetensors").read_bytes()
    ticks = [json.loads(line)["images_seen"] for line in (other.out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [96, 192, 288, 320]


def test_a_finished_run_does_nothing_and_a_larger_budget_goes_on(run: TrainRun) -> None:
    train(run)
    before = (run.out / "checkpoint" / "state.safetensors").stat().st_mtime_ns
    again = train(run)
    assert again.stopped_by == "nothing to do"
    assert again.resumed_from == 320
    assert (run.out / "checkpoint" / "state.safetensors").stat().st_mtime_ns == before
    more = train(replace(run, training=replace(run.training, kimg=0.4)))
    assert more.images_seen == 400
    assert more.resumed_from == 320


def test_other_settings_are_listed(run: TrainRun) -> None:
    train(run)
    with pytest.raises(UsageError, match=r"training\.learning_rate: 0\.0005 in the run, 0\.1 now"):
        train(replace(run, training=replace(run.training, learning_rate=0.1)))


def test_a_folder_with_other_files_is_refused(run: TrainRun) -> None:
    run.out.mkdir()
    (run.out / "thesis.txt").write_text("mine")
    with pytest.raises(OverwriteError, match="other files"):
        train(run)
    assert [path.name for path in run.out.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("images", [96, 320])
def test_ctrl_c_on_a_tick_loses_no_tick(images: int, run: TrainRun, tmp_path: Path) -> None:
    train(run)
    other = replace(run, out=tmp_path / "other")
    stopped = train(other, StopAfter(images))
    assert stopped.images_seen == images
    train(other)
    for name in ("model.safetensors", "checkpoint/state.safetensors"):
        assert (run.out / name).read_bytes() == (other.out / name).read_bytes(), name
    ticks = [json.loads(line)["images_seen"] for line in (other.out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [96, 192, 288, 320]


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


def test_a_finished_budget_of_hours_is_finished(run: TrainRun) -> None:
    options = replace(run.training, kimg=None, hours=2e-4)
    first = train(replace(run, training=options))
    assert first.stopped_by == "hours"
    again = train(replace(run, training=options))
    assert again.stopped_by == "nothing to do"
    more = train(replace(run, training=replace(options, kimg=(first.images_seen + 16) / 1000, hours=1.0)))
    assert more.stopped_by == "kimg"


def test_hours_that_run_out_during_a_tick_are_used_up(run: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint is written before the clock is looked at again."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("drai_cli.workflows.trainer.time", clock)
    save = Trainer._save

    def slow_save(trainer: Trainer) -> None:
        save(trainer)
        now[0] += 3600.0

    monkeypatch.setattr(Trainer, "_save", slow_save)
    options = replace(run.training, kimg=None, hours=1.0, tick_kimg=0.032)
    first = train(replace(run, training=options))
    assert first.stopped_by == "hours"
    assert first.measures
    assert train(replace(run, training=options)).stopped_by == "nothing to do"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tick_kimg": 0.0}, "--tick-kimg 0"),
        ({"kimg": 0.0}, "--kimg 0"),
        ({"learning_rate": 5.0}, "--learning-rate 5"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_work(options: dict, text: str, run: TrainRun) -> None:
    with pytest.raises(UsageError, match=text):
        train(replace(run, training=replace(run.training, **options)))
    assert not run.out.exists()


def test_killed_right_after_it_was_begun_the_run_goes_on(
    run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("drai_cli.workflows.train.write_split", dying)
        with pytest.raises(Killed):
            train(run)
    assert train(run).images_seen == 320


def test_a_size_the_networks_cannot_halve_is_refused_at_once(run: TrainRun) -> None:
    with pytest.raises(UsageError, match="multiple of 16") as caught:
        train(replace(run, data=replace(run.data, size=40)))
    assert "--size 32" in caught.value.hint or "--size 48" in caught.value.hint
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

    later = replace(run, out=tmp_path / "warm", init=str(run.out), training=replace(run.training, kimg=0.032))
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


@pytest.mark.parametrize("method", ["cgan", "cinfogan", "dual-cavae"])
def test_other_methods_resume_bit_for_bit_too(method: str, run: TrainRun, tmp_path: Path) -> None:
    run = replace(run, training=replace(run.training, method=method, kimg=0.16))
    train(run)
    other = replace(run, out=tmp_path / "other")
    assert not train(other, StopAfter(80)).is_finished
    train(other)
    for name in ("model.safetensors", "checkpoint/state.safetensors", "grids/000000160.png"):
        assert (run.out / name).read_bytes() == (other.out / name).read_bytes(), name
    assert load_model(run.out / "model.safetensors").header.method == method


def test_a_run_that_ends_before_its_first_tick_is_measured_at_its_end(run: TrainRun) -> None:
    short = replace(run, training=replace(run.training, kimg=0.064, tick_kimg=20))
    result = train(short)
    assert result.measures
    assert result.best_images_seen == 64
    (tick,) = [json.loads(line) for line in (run.out / "stats.jsonl").read_text().splitlines()]
    assert tick["validation"] == result.measures


def test_ticks_may_change_on_the_way_and_decide_nothing_of_the_networks(
    run: TrainRun, tmp_path: Path
) -> None:
    train(run)
    other = replace(run, out=tmp_path / "other")
    train(other, StopAfter(144))
    train(replace(other, training=replace(other.training, tick_kimg=0.064)))
    ticks = [json.loads(line)["images_seen"] for line in (other.out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [96, 192, 256, 320]
    whole, changed = (load_state(out / "checkpoint" / "state.safetensors")[0] for out in (run.out, other.out))
    assert whole.keys() == changed.keys()
    assert all(torch.equal(whole[name], changed[name]) for name in whole)


def test_a_run_of_an_older_version_lacks_settings_and_goes_on(run: TrainRun) -> None:
    train(replace(run, training=replace(run.training, kimg=0.032)))
    saved = json.loads((run.out / "config.json").read_text())
    del saved["training"]["objective"]["aggregate_weight"]
    (run.out / "config.json").write_text(json.dumps(saved))
    assert train(replace(run, training=replace(run.training, kimg=0.064))).resumed_from == 32
    objective = replace(run.training.objective, aggregate_weight=3.0)
    with pytest.raises(UsageError, match="aggregate_weight: 1"):
        train(replace(run, training=replace(run.training, objective=objective)))


def test_the_header_names_no_file_of_the_data(run: TrainRun) -> None:
    train(replace(run, training=replace(run.training, kimg=0.016)))
    text = json.dumps(read_header(run.out / "model.safetensors").to_json())
    assert ".png" not in text
    assert "/" not in text.replace("CC-BY-NC", "")
