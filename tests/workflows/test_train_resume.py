"""Runs that were stopped, killed or finished, and what the same command does then: bit for bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from drai_cli.errors import InputError, UsageError
from drai_cli.model_file.checkpoint import load_model, load_state
from drai_cli.progress import Reporter
from drai_cli.run import checkpoints
from drai_cli.run.trainer import Trainer
from drai_cli.settings.model_options import TrainRun
from drai_cli.training import graphs
from drai_cli.workflows.train import train

pytestmark = pytest.mark.usefixtures("quick_judge")


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


class Told(Reporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


class Killed(BaseException):
    """Stands for the process ending at this very point."""


def copied(trained: TrainRun, tmp_path: Path) -> TrainRun:
    """The finished run in a folder of this test."""
    shutil.copytree(trained.out, tmp_path / "other")
    return replace(trained, out=tmp_path / "other")


def test_a_signal_saves_and_resuming_is_bit_for_bit(trained: TrainRun, tmp_path: Path) -> None:
    other = replace(trained, out=tmp_path / "other")
    stopped = train(other, StopAfter(144))
    assert not stopped.is_finished
    assert stopped.stopped_by == "SIGTERM"
    assert 144 <= stopped.images_seen < 320
    resumed = train(other)
    assert resumed.resumed_from == stopped.images_seen
    assert resumed.images_seen == 320
    for name in ("model.safetensors", "checkpoint/state.safetensors"):
        assert (trained.out / name).read_bytes() == (other.out / name).read_bytes(), name


@pytest.mark.parametrize("call", [3, pytest.param(9, marks=pytest.mark.slow), 13])
def test_killed_between_ticks_and_resumed_is_bit_for_bit(
    call: int, trained: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(trained, out=tmp_path / "other")
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
        assert (trained.out / name).read_bytes() == (other.out / name).read_bytes(), name


def test_killed_before_the_checkpoint_of_a_tick_repeats_the_tick(
    trained: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(trained, out=tmp_path / "other")
    save, saves = checkpoints.save_state, 0

    def dying(*arguments, **named):  # type: ignore[no-untyped-def]
        nonlocal saves
        saves += 1
        if saves == 2:
            raise Killed
        save(*arguments, **named)

    monkeypatch.setattr(checkpoints, "save_state", dying)
    with pytest.raises(Killed):
        train(other)
    monkeypatch.setattr(checkpoints, "save_state", save)
    train(other)
    assert (trained.out / "model.safetensors").read_bytes() == (other.out / "model.safetensors").read_bytes()
    ticks = [json.loads(line)["images_seen"] for line in (other.out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [96, 192, 288, 320]


def test_a_finished_run_does_nothing_and_a_larger_budget_goes_on(trained: TrainRun, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)
    before = (run.out / "checkpoint" / "state.safetensors").stat().st_mtime_ns
    again = train(run)
    assert again.stopped_by == "nothing to do"
    assert again.resumed_from == 320
    assert (run.out / "checkpoint" / "state.safetensors").stat().st_mtime_ns == before
    more = train(replace(run, training=replace(run.training, kimg=0.4)))
    assert more.images_seen == 400
    assert more.resumed_from == 320


def test_other_settings_are_listed(trained: TrainRun) -> None:
    with pytest.raises(UsageError, match=r"training\.learning_rate: 0\.0005 in the run, 0\.1 now"):
        train(replace(trained, training=replace(trained.training, learning_rate=0.1)))


@pytest.mark.parametrize("images", [pytest.param(96, marks=pytest.mark.slow), 320])
def test_ctrl_c_on_a_tick_loses_no_tick(images: int, trained: TrainRun, tmp_path: Path) -> None:
    other = replace(trained, out=tmp_path / "other")
    stopped = train(other, StopAfter(images))
    assert stopped.images_seen == images
    train(other)
    for name in ("model.safetensors", "checkpoint/state.safetensors"):
        assert (trained.out / name).read_bytes() == (other.out / name).read_bytes(), name
    ticks = [json.loads(line)["images_seen"] for line in (other.out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [96, 192, 288, 320]


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
    monkeypatch.setattr("drai_cli.run.budget.time", clock)
    keep = Trainer._keep

    def keep_slowly(trainer: Trainer) -> None:
        keep(trainer)
        now[0] += 3600.0

    monkeypatch.setattr(Trainer, "_keep", keep_slowly)
    options = replace(run.training, kimg=None, hours=1.0, tick_kimg=0.032)
    first = train(replace(run, training=options))
    assert first.stopped_by == "hours"
    assert first.measures
    assert train(replace(run, training=options)).stopped_by == "nothing to do"


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


def test_ticks_may_change_on_the_way_and_decide_nothing_of_the_networks(
    trained: TrainRun, tmp_path: Path
) -> None:
    other = replace(trained, out=tmp_path / "other")
    train(other, StopAfter(144))
    train(replace(other, training=replace(other.training, tick_kimg=0.064)))
    ticks = [json.loads(line)["images_seen"] for line in (other.out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [96, 192, 256, 320]
    whole, changed = (
        load_state(out / "checkpoint" / "state.safetensors")[0] for out in (trained.out, other.out)
    )
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


def test_a_run_of_an_older_version_holds_settings_that_were_removed_and_goes_on(
    trained: TrainRun, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path)
    saved = json.loads((run.out / "config.json").read_text())
    saved["training"]["augment_target"] = saved["training"]["objective"]["self_margin"] = 0.6
    (run.out / "config.json").write_text(json.dumps(saved))
    with pytest.raises(UsageError, match=r"self_margin: 0.6 in the run, 0.5 now\)"):
        train(run)
    saved["training"]["objective"]["self_margin"] = 0.5
    (run.out / "config.json").write_text(json.dumps(saved))
    assert train(run).stopped_by == "nothing to do"


CUTS = {
    "empty": lambda whole: b"",
    "short": lambda whole: whole[: len(whole) // 2],
    "zeros": lambda whole: bytes(len(whole)),
    "zeros at its end": lambda whole: whole[: len(whole) * 3 // 4] + bytes(len(whole) - len(whole) * 3 // 4),
}
RUN_FILES = ("checkpoint/state.safetensors", "model.safetensors", "split.csv", "config.json", "seen.sha256",
             "checkpoint/judge.safetensors")  # fmt: skip


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", RUN_FILES)
def test_what_a_power_cut_leaves_of_a_file_is_known_and_made_again(
    trained: TrainRun, tmp_path: Path, name: str, cut: str
) -> None:
    other = copied(trained, tmp_path)
    before = {path: (trained.out / path).read_bytes() for path in RUN_FILES}
    (other.out / name).write_bytes(CUTS[cut](before[name]))
    told = Told()
    train(other, told)
    # A judge is looked at, and trained again, when it is next needed: not in a finished run.
    assert any("is damaged" in text for text in told.warnings) is ("judge" not in name)
    if "judge" not in name:
        assert {path: (other.out / path).read_bytes() for path in RUN_FILES} == before


def test_a_model_that_no_checkpoint_makes_again_is_replaced_by_the_average(
    trained: TrainRun, tmp_path: Path
) -> None:
    other = copied(trained, tmp_path)
    (other.out / "checkpoint" / "earlier.safetensors").unlink()
    (other.out / "model.safetensors").write_bytes(b"")
    told = Told()
    train(other, told)
    assert told.warnings == [
        f"{other.out / 'model.safetensors'} is damaged: the current averaged weights replace it"
    ]
    assert load_model(other.out / "model.safetensors").header.training["images_seen"] == 320


def test_a_run_whose_beginning_was_cut_begins_again(trained: TrainRun, tmp_path: Path) -> None:
    other = replace(trained, out=tmp_path / "other")
    (other.out / "checkpoint").mkdir(parents=True)
    whole = (trained.out / "config.json").read_bytes()
    (other.out / "config.json").write_bytes(whole[:40] + bytes(60))
    (other.out / "split.csv").write_bytes(b"")
    train(other)
    for name in RUN_FILES:
        assert (trained.out / name).read_bytes() == (other.out / name).read_bytes(), name


def test_settings_of_another_tool_are_no_beginning_of_a_run(run: TrainRun) -> None:
    run.out.mkdir()
    (run.out / "config.json").write_text('{"mine": ')
    with pytest.raises(InputError, match="cannot be read"):
        train(run)
    assert (run.out / "config.json").read_text() == '{"mine": '
