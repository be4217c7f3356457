"""For `kill_anywhere.py`: a Hub to pull from, what a folder holds after a kill, and whether its files are whole."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

CHANGING = ("images_per_s", "elapsed_s")  # of a tick in stats.jsonl


def snapshot(out: Path) -> dict[str, bytes]:
    """Every file below a folder by name, hidden ones too, without what depends on the clock."""
    found = {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "progress.html"
    }
    if "stats.jsonl" in found:
        ticks = [json.loads(line) for line in found["stats.jsonl"].splitlines()]
        kept = [{name: value for name, value in tick.items() if name not in CHANGING} for tick in ticks]
        found["stats.jsonl"] = json.dumps(kept).encode()
    return found


def check_of_run(path: Path) -> None:
    """Whether a file of a run directory, of whatever time, is whole: it raises if not."""
    from PIL import Image

    from drai_cli.model_file.checkpoint import load_model, load_state

    if path.name == "model.safetensors":
        load_model(path)
    elif path.suffix == ".safetensors":
        load_state(path)
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
    else:
        assert path.read_bytes().endswith(b"\n"), path


def serve_models(folder: Path, writing: int) -> None:
    from tests.support.hub_server import serve

    with serve() as hub:
        os.write(writing, f"{hub.url}\n".encode())
        os.close(writing)
        while not (folder / "run" / "model.safetensors").exists():
            time.sleep(0.05)
        files = {"model.safetensors": (folder / "run" / "model.safetensors").read_bytes()}
        files |= {
            "config.json": b"{}",
            "README.md": b"#" * 5000,
            "samples.png": random.Random(0).randbytes(1 << 22),
        }
        hub.commit("clinic/lesions", files)
        signal.pause()
