"""What a run takes from its device: a batch that fits, the faster arithmetic; and memory that runs out later."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from drai_cli.errors import InputError
from drai_cli.model.generator import Generator
from drai_cli.model_file.checkpoint import load_model, load_state
from drai_cli.progress import Reporter
from drai_cli.run import device_choice as module
from drai_cli.settings.config import Chosen, TrainOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.training.hiding import update_predictors
from drai_cli.training.parallel import Processes
from drai_cli.training.probe import Fit
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import train

pytestmark = pytest.mark.usefixtures("quick_judge")

ACCELERATOR = type("AcceleratorError", (RuntimeError,), {})
KEPT = ("model.safetensors", "checkpoint/state.safetensors")


@pytest.fixture(scope="module")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "lesions"
    make_phantoms(PhantomOptions(out, count=30, size=16))
    return out


@pytest.fixture
def run(run: TrainRun) -> TrainRun:
    return replace(run, training=replace(run.training, kimg=0.064, tick_kimg=0.032))


class Listening(Reporter):
    def __init__(self) -> None:
        self.warned: list[str] = []
        self.said: list[str] = []

    def warn(self, message: str) -> None:
        self.warned.append(message)

    def info(self, message: str) -> None:
        self.said.append(message)


def chosen_of(run: TrainRun) -> dict[str, object]:
    return json.loads((run.out / "config.json").read_text())["chosen"]


def limit(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Memory for a generator of so many images at once: a step makes two for each of its batch."""
    forward = Generator.forward

    def limited(network, content, style, *grain, **more):  # type: ignore[no-untyped-def]
        if network.training and len(content) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(network, content, style, *grain, **more)

    monkeypatch.setattr(Generator, "forward", limited)


def with_options(run: TrainRun, **options: object) -> TrainRun:
    return replace(run, training=replace(run.training, **options))


def same(one: TrainRun, other: TrainRun) -> bool:
    """Models byte for byte, states but for the settings that they keep for a damaged config.json."""
    states = []
    for run in (one, other):
        tensors, record = load_state(run.out / "checkpoint/state.safetensors")
        record.pop("settings")
        states.append(({name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, record))
    models = [(run.out / "model.safetensors").read_bytes() for run in (one, other)]
    return states[0] == states[1] and models[0] == models[1]


def test_a_batch_that_does_not_fit_is_halved_before_the_first_step(
    run: TrainRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit(monkeypatch, 8)
    listening = Listening()
    train(run, listening)
    said = next(text for text in listening.warned if "out of memory" in text)
    assert said.startswith("out of memory at --batch-size 16; continuing with 4")
    assert sum("out of memory" in line for line in listening.warned) == 1
    assert chosen_of(run) == {"batch_size": 4, "precision": "fp32"}
    # It is the run that --batch-size 4 is.
    monkeypatch.undo()
    four = with_options(replace(run, out=tmp_path / "four"), batch_size=4)
    train(four)
    assert same(run, four)
    assert load_model(run.out / "model.safetensors").header.training["options"]["batch_size"] == 4
    # It goes on as that, where memory is plenty.
    listening = Listening()
    assert train(with_options(run, kimg=0.068), listening).images_seen == 68
    assert "batch size: 4, as at the start of the run" in listening.said


def test_no_batch_fits(run: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 3)
    with pytest.raises(InputError, match="not even 2 images of 16 px fit on cpu") as caught:
        train(run)
    assert "--base-channels" in caught.value.hint
    assert not (run.out / "config.json").exists()


@pytest.mark.parametrize(
    ("error", "subject", "way_out"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nmore"), "memory", "--batch-size 8"),
        (ACCELERATOR("CUDA error: unspecified launch failure\nmore"), "cpu", "when the GPU works again"),
    ],
)
def test_what_happens_in_the_middle_leaves_a_whole_checkpoint(
    error: Exception,
    subject: str,
    way_out: str,
    run: TrainRun,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    whole = replace(run, out=tmp_path / "whole")
    train(whole)

    def failing(state, *rest):  # type: ignore[no-untyped-def]
        if state.images_seen == 48:  # with half of the step done
            raise error
        return update_predictors(state, *rest)

    monkeypatch.setattr("drai_cli.training.step.update_predictors", failing)
    with pytest.raises(InputError) as caught:
        train(run)
    monkeypatch.undo()
    assert caught.value.subject == subject
    assert "more" not in caught.value.message.split()
    assert "the checkpoint at 0.032 kimg is complete" in caught.value.hint
    assert way_out in caught.value.hint
    assert train(run).resumed_from == 32
    assert same(run, whole)


@pytest.mark.parametrize("has_it", [True, False])
def test_the_processor_alone_decides_the_arithmetic_and_it_stays(
    has_it: bool, run: TrainRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "has_bf16", lambda device: has_it)
    precision, why = ("bf16", "bf16, which this cpu") if has_it else ("fp32", "fp32; this cpu has no bf16")
    auto = with_options(run, precision="auto", kimg=0.032)
    listening = Listening()
    train(auto, listening)
    assert any(line.startswith(f"precision: {why}") for line in listening.said)
    assert chosen_of(run) == {"batch_size": 16, "precision": precision}
    given = with_options(replace(run, out=tmp_path / "given"), precision=precision, kimg=0.032)
    train(given)
    assert same(run, given)
    # On another processor the run goes on as it began.
    monkeypatch.setattr(module, "has_bf16", lambda device: not has_it)
    listening = Listening()
    train(with_options(auto, kimg=0.048), listening)
    assert f"precision: {precision}, as at the start of the run" in listening.said


def test_a_busy_machine_trains_the_same_model(
    run: TrainRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    auto = with_options(run, precision="auto", kimg=0.032)
    train(auto)
    # On a busy machine all clocks show more, and not always equally much.
    clock, passed = time.perf_counter, iter(range(10**9))
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + 7 * next(passed) % 13)
    busy = replace(auto, out=tmp_path / "busy")
    train(busy)
    assert same(auto, busy)


def test_a_run_from_before_there_was_a_choice_keeps_what_it_did(
    run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = with_options(run, precision="auto", kimg=0.032)
    train(auto)
    settings = json.loads((run.out / "config.json").read_text())
    del settings["chosen"]
    (run.out / "config.json").write_text(json.dumps(settings))
    monkeypatch.setattr(module, "has_bf16", lambda device: True)
    listening = Listening()
    assert train(with_options(auto, kimg=0.048), listening).resumed_from == 32
    assert "precision: bf16, as at the start of the run" in listening.said


@pytest.mark.parametrize("broken", [{"batch_size": "many"}, {"batch_size": 4}, [], {"precision": "fp8"}])
def test_a_damaged_choice_is_an_error(broken: object, run: TrainRun) -> None:
    train(with_options(run, kimg=0.032))
    settings = json.loads((run.out / "config.json").read_text())
    (run.out / "config.json").write_text(json.dumps({**settings, "chosen": broken}))
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        train(with_options(run, kimg=0.064))


class Joined(Processes):
    """Of two processes the one whose fellow has too little memory, and no bfloat16."""

    def largest(self, values):  # type: ignore[no-untyped-def]
        return [max(own, other) for own, other in zip(values, (2.0, 1.0, 0.5), strict=True)]


def test_processes_agree_on_what_all_of_them_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "has_bf16", lambda device: True)
    monkeypatch.setattr(module, "try_steps", lambda *_: Fit(1, 0.25))
    listening = Listening()
    options = TrainOptions(batch_size=64)
    found, step_s = module.choose(options, None, torch.device("cpu"), Joined(0, 2), listening)  # type: ignore[arg-type]
    assert asdict(found) == asdict(Chosen(16, "fp32"))
    assert step_s == 0.5
    assert "--batch-size 64; continuing with 16" in listening.warned[0]
