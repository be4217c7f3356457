"""The same command gives the same bytes with any number of threads, in any company, in a new process; elsewhere nearly.

Batch sizes, shards and interrupted jobs are in `workflows/test_sample.py`, drawn codes in `test_codes.py`, resumed
trainings in `workflows/test_train.py`. Another machine is another set of instructions, which its libraries can be told.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from drai_cli import Drai
from drai_cli.io.png import encode_png
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import train
from tests.support import same_everywhere

# Of codes that go to about 5: a hundred times what was seen between instruction sets.
_ROUNDING = 1e-3
OLD_MACHINE = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
}


@pytest.fixture(scope="module")
def model() -> Drai:
    return Drai.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def here(model: Drai) -> dict[str, np.ndarray]:
    return same_everywhere.made_by(model)


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def elsewhere(out: Path, *threads: int, **environment: str) -> dict[str, np.ndarray]:
    """What a new process makes; with each of these numbers of threads the same."""
    command = [sys.executable, same_everywhere.__file__, str(out), *map(str, threads)]
    ended = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return dict(np.load(out))


def check_near(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Images within one grey level, codes of images but for rounding."""
    for name in ("images", "swapped"):
        apart = np.abs(found[name].astype(int) - expected[name].astype(int))
        assert apart.max() <= 1, f"{name}: {apart.max()} levels apart"
        assert (apart > 0).mean() < 0.01, name
    for name in ("content", "style"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=_ROUNDING, err_msg=name)


def test_what_is_made_here_is_what_was_made_elsewhere(here):
    kept = dict(np.load(same_everywhere.KEPT))
    assert str(kept["weights"]) == str(here["weights"]), (
        "another model: python tests/support/same_everywhere.py"
    )
    check_near(here, kept)


def test_other_kernels_are_within_one_level(model, here, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    check_near(same_everywhere.made_by(model, has_many=False), here)


def test_an_old_machine_is_within_one_level(here, tmp_path):
    check_near(elsewhere(tmp_path / "old.npz", **OLD_MACHINE), here)


def test_threads_change_no_byte(model, here):
    same_everywhere.check_threads(model, (1, 2, 3, 8), here)


@pytest.mark.parametrize("instructions", ["AVX2", pytest.param("AVX512_CORE", marks=pytest.mark.slow)])
def test_threads_change_no_byte_on_another_machine(here, tmp_path, instructions):
    made = elsewhere(tmp_path / "made.npz", 1, 3, ONEDNN_MAX_CPU_ISA=instructions)
    check_near(made, here)


@pytest.mark.slow
@pytest.mark.parametrize("count", ["1", "2", "5"])
def test_a_new_process_with_other_threads_changes_no_byte(here, tmp_path, count):
    again = elsewhere(tmp_path / "again.npz", int(count), OMP_NUM_THREADS=count)
    same_everywhere.check_same(again, here)


def test_company_changes_no_byte(model, here):
    source = np.random.default_rng(0)
    content = source.standard_normal((70, model.content_dim)).astype(np.float32)
    style = source.standard_normal((70, model.style_dim)).astype(np.float32)
    images = np.load(same_everywhere.KEPT)["images"]
    # Alone, first, and in the second micro-batch.
    content[66], style[66] = here["content"][0], here["style"][2]
    content[:2], style[:2] = here["content"][[0, 2]], here["style"][[2, 0]]
    made = model.generate(content, style)
    for row, expected in ((0, 0), (1, 1), (66, 0)):
        np.testing.assert_array_equal(made[row], here["swapped"][expected])
    many = np.concatenate([images, np.repeat(images[:1], 66, 0)])
    codes = model.encode(many)
    for row, expected in ((0, 0), (3, 3), (69, 0)):
        np.testing.assert_array_equal(codes.content[row], here["content"][expected])
        np.testing.assert_array_equal(codes.style[row], here["style"][expected])


COMMANDS = [
    ("sample", "--label", "mel", "-n", "5", "--out", "{out}"),
    ("swap-style", "{a}", "{b}", "--out", "{out}"),
    ("encode", "{a}", "{b}", "--out", "{out}/codes.npz"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_threads_change_no_byte_of_a_command(drai, tiny_model, threads, tmp_path, command):
    names = {"a": tmp_path / "a.png", "b": tmp_path / "b.png"}
    for number, path in enumerate(names.values()):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        path.write_bytes(encode_png(pixels, {}))
    written = []
    for count in (1, 2):
        torch.set_num_threads(count)
        out = tmp_path / f"out-{count}"
        if command[0] == "encode":
            out.mkdir()
        arguments = (part.format(**names, out=out) for part in command)
        result = drai(*arguments, "--weights", tiny_model)
        assert result.exit_code == 0, result.stderr
        written.append({p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert written[0] == written[1]


def test_threads_change_a_training_by_rounding_alone(threads, tmp_path):
    """Gradients are summed in another order: bytes are promised for one number of threads, device and precision."""
    make_phantoms(PhantomOptions(tmp_path / "lesions", count=30, size=16))
    shape = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
    options = TrainOptions(model=shape, kimg=0.064, tick_kimg=1, batch_size=16, precision="fp32")
    data = DataOptions(tmp_path / "lesions", size=16, cache_dir=tmp_path / "cache")
    codes = []
    for count in (1, 2):
        torch.set_num_threads(count)
        run = TrainRun(data, options, tmp_path / f"run-{count}", device="cpu")
        train(run)
        trained = Drai.from_pretrained(str(run.out), device="cpu")
        codes.append(trained.encode(trained.sample(trained.labels[0], 4)))
    for one, other in zip(*codes, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=0.05)
