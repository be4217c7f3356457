"""`kill -9` for real: a training process that dies at any moment and is run again gives the bytes of one that lived."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from drai_cli.workflows.phantom import PhantomOptions, make_phantoms

pytestmark = pytest.mark.slow

KILLS = 6


def command(data: Path, out: Path, cache: Path) -> list[str]:
    options = "--size 16 --base-channels 8 --max-channels 8 --content-dim 4 --style-dim 4 --batch-size 16 --kimg 1.6"
    places = ["--data", str(data), "--out", str(out), "--cache-dir", str(cache)]
    return [sys.executable, "-m", "drai_cli", "train", *places, *options.split(), "--tick-kimg", "0.16", "-q"]


def test_killed_at_random_moments_the_end_is_the_same(tmp_path: Path) -> None:
    data, cache = tmp_path / "lesions", tmp_path / "cache"
    make_phantoms(PhantomOptions(data, count=140, size=16))
    subprocess.run(command(data, tmp_path / "whole", cache), check=True)
    chance = random.Random(0)
    for _ in range(KILLS):
        process = subprocess.Popen(command(data, tmp_path / "killed", cache))
        try:
            process.wait(timeout=chance.uniform(3, 8))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        left = [
            path for path in (tmp_path / "killed").rglob("*.safetensors") if not path.name.startswith(".")
        ]
        for path in left:
            from drai_cli.checkpoint import load_model, load_state

            # Whatever stands under its final name is whole.
            _ = load_model(path) if path.name == "model.safetensors" else load_state(path)
    subprocess.run(command(data, tmp_path / "killed", cache), check=True)
    for name in ("model.safetensors", "checkpoint/state.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
