"""Commands with too little memory: passes shrink and the files stay the same."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from drai_cli import Drai
from drai_cli.io.png import encode_png
from drai_cli.machine.memory import SmallerBatchWarning
from drai_cli.model.encoder import Encoder
from drai_cli.model.generator import Generator


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        path.write_bytes(encode_png(pixels, {}))
    return paths


COMMANDS = [
    ("sample", "--label", "mel", "-n", "70", "--out", "{out}"),
    ("swap-style", "{a}", "{b}", "--out", "{out}"),
    ("interpolate", "{a}", "{b}", "--even", "--steps", "3", "--out", "{out}"),
    ("encode", "{a}", "{b}", "--out", "{out}/codes.npz"),
]


@pytest.fixture
def threads():
    """Sets how many threads arithmetic has: on a CPU `sample` computes as many passes at once."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def check_near(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """The same files: images within one grey level, codes but for rounding, tables to the byte."""
    assert found.keys() == expected.keys()
    for name, data in expected.items():
        files = io.BytesIO(found[name]), io.BytesIO(data)
        if name.endswith(".png"):
            levels = [np.asarray(PillowImage.open(file)).astype(int) for file in files]
            assert np.abs(levels[0] - levels[1]).max() <= 1, name
        elif name.endswith(".npz"):
            codes = [np.load(file) for file in files]
            for array in ("content", "style"):
                np.testing.assert_allclose(codes[0][array], codes[1][array], rtol=0, atol=1e-4)
        elif name != "manifest.json":  # which has the sums of the images
            assert found[name] == data, name


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_commands_back_off_to_the_same_but_for_rounding(
    drai, tiny_model, small, images, threads, tmp_path, command
):
    threads(1)

    def run(out: Path) -> tuple[dict[str, bytes], str]:
        out.mkdir() if command[0] == "encode" else None
        names = {"a": images[0], "b": images[1], "out": out}
        result = drai(*(part.format(**names) for part in command), "--weights", tiny_model)
        assert result.exit_code == 0, result.stderr
        return files_of(out), result.stderr

    whole, said = run(tmp_path / "whole")
    assert "out of memory" not in said
    small.limit(Generator, 10)
    small.limit(Encoder, 10)
    backed_off, said = run(tmp_path / "backed-off")
    check_near(backed_off, whole)
    assert small.asked[:4] == [32, 32, 16, 8]
    assert said.count("drai: warning: out of memory at 32 images; continuing with 8") == 1
    assert said.count("out of memory") == 1


def test_one_image_at_a_time(tiny_model, small, images):
    model = Drai.from_pretrained(str(tiny_model), device="cpu")
    whole = model.swap_style(images[0], images[1])
    small.limit(Generator, 1)
    small.limit(Encoder, 1)
    with pytest.warns(SmallerBatchWarning, match="continuing with 1 "):
        alone = model.swap_style(images[0], images[1])
    for before, after in zip(whole, alone, strict=True):
        assert np.abs(before.astype(int) - after.astype(int)).max() <= 1


def test_a_command_with_room_for_nothing_names_ways_out(drai, tiny_model, small, tmp_path):
    small.limit(Generator, 0)
    result = drai("sample", "--label", "mel", "-n", 2, "--out", tmp_path / "out", "--weights", tiny_model)
    assert result.exit_code == 3
    assert re.search(
        r"error: memory: CUDA out of memory.*\n.*hint: .*--batch-size.*--device cpu", result.stderr
    )


def test_passes_at_once_become_one_by_one(drai, tiny_model, threads, monkeypatch, tmp_path):
    """Both of two passes at once find no memory while the other is there; one by one they do."""
    threads(2)
    out, asked, inside, most = tmp_path / "out", [], [], []
    forward, both = Generator.forward, threading.Barrier(2)

    def one_alone(module, content, *rest):  # type: ignore[no-untyped-def]
        asked.append(len(content))
        if len(asked) <= 2:
            both.wait()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        inside.append(1)
        most.append(len(inside))
        try:
            return forward(module, content, *rest)
        finally:
            inside.pop()

    whole = drai("sample", "--label", "mel", "-n", 300, "--out", tmp_path / "whole", "--weights", tiny_model)
    monkeypatch.setattr(Generator, "forward", one_alone)
    result = drai("sample", "--label", "mel", "-n", 300, "--out", out, "--weights", tiny_model)
    assert (whole.exit_code, result.exit_code) == (0, 0), result.stderr
    assert "out of memory at 64 images; continuing with 32 at once" in result.stderr
    assert set(asked) == {32}
    assert set(most) == {1}
    assert torch.get_num_threads() == 2
    assert files_of(out) == files_of(tmp_path / "whole")


def test_passes_of_an_encoder_at_once_become_one_by_one(tiny_model, threads, monkeypatch):
    threads(2)
    model = Drai.from_pretrained(str(tiny_model), device="cpu")
    images = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), np.uint8)
    whole = model.encode(images)
    forward, asked, both = Encoder.forward, [], threading.Barrier(2)

    def one_alone(module, images):  # type: ignore[no-untyped-def]
        asked.append(len(images))
        if len(asked) <= 2:
            both.wait()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(module, images)

    monkeypatch.setattr(Encoder, "forward", one_alone)
    with pytest.warns(SmallerBatchWarning, match="out of memory at 64 images; continuing with 32 at once"):
        alone = model.encode(images)
    assert set(asked) == {32}
    assert torch.get_num_threads() == 2
    for before, after in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(before, after)
