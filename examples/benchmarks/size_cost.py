"""Measures the cost of training and sampling by image size and by the number of training images.

    pip install matplotlib
    python examples/benchmarks/size_cost.py --out cost.csv --plot cost.svg
    python examples/benchmarks/size_cost.py --from cost.csv --plot cost.svg

Every row is measured in a new process: images per second of the whole training step and of the generator, and the
largest memory of the process. First the presets' sizes with 1,024 images, then 32 px with 1,000 to 1,000,000 stored
images, in a memory-mapped file like the cache. The images are noise: the cost of a step does not depend on content.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from train_speed import make_training

from drai_cli.settings.presets import PRESETS

_FIELDS = ("preset", "training images", "train images/s", "sample images/s", "peak MiB")
_STORED = (1_000, 10_000, 100_000, 1_000_000)


def stored_images(folder: str, count: int, size: int) -> np.ndarray:
    """Noise in a memory-mapped file, written a block at a time."""
    images = np.memmap(Path(folder) / "images", np.uint8, "w+", shape=(count, size, size, 3))
    block = np.random.default_rng(0).integers(0, 256, (min(count, 10_000), size, size, 3), np.uint8)
    for start in range(0, count, len(block)):
        images[start : start + len(block)] = block[: count - start]
    images.flush()
    del images
    return np.memmap(Path(folder) / "images", np.uint8, "r", shape=(count, size, size, 3))


def measure(preset: str, count: int, seconds: float) -> list[object]:
    """One line of the table."""
    size = PRESETS[preset]["image_size"]
    with tempfile.TemporaryDirectory() as folder:
        step, training = make_training(preset, torch.device("cpu"), stored_images(folder, count, size))
        interval, batch = training.options.objective.r1_interval, training.options.batch_size
        step(0)
        begin, index = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds or index % interval:  # whole turns of R1 alone
            step(index)
            index += 1
        trained = index * batch / (time.perf_counter() - begin)
    generator, model = training.state.average.generator, training.options.model
    content, style = torch.randn(32, model.content_dim), torch.randn(32, model.style_dim)
    with torch.inference_mode():
        generator(content, style)
        begin, index = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds / 4:
            generator(content, style)
            index += 1
        sampled = index * len(content) / (time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [preset, count, round(trained, 1), round(sampled, 1), round(peak)]


def draw(rows: Sequence[Mapping[str, str]], path: Path) -> None:
    """Rates and memory against the images' size, and against how many there are to train on, both axes logarithmic."""
    from matplotlib.figure import Figure

    first = [row for row in rows if row["training images"] == "1024"]
    by_size = [(int(row["preset"].removesuffix("px")), row) for row in first]
    by_count = [(int(row["training images"]), row) for row in rows if row not in first]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, points, title in zip(
        axes, (by_size, by_count), ("height and width, px", "training images of 32 px"), strict=True
    ):
        places = [place for place, _ in points]
        for field in _FIELDS[2:]:
            axis.loglog(places, [float(row[field]) for _, row in points], "o-", label=field)
        axis.set_xlabel(title)
        axis.set_xticks(places, [f"{place:,}" for place in places])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of training a line, at least")
    parser.add_argument("--out", type=Path, help="the table as CSV")
    parser.add_argument(
        "--line", nargs=2, metavar=("PRESET", "COUNT"), help="one line alone, in this process"
    )
    parser.add_argument("--from", dest="table", type=Path, help="draw this table, and measure nothing")
    parser.add_argument("--plot", type=Path, help="the table as a picture (needs matplotlib)")
    given = parser.parse_args()
    if given.line:
        print(*measure(given.line[0], int(given.line[1]), given.seconds), sep=",")
        return
    if given.table:
        with given.table.open(newline="") as file:
            draw(list(csv.DictReader(file)), given.plot)
        return
    lines = [*((preset, 1024) for preset in PRESETS), *(("32px", count) for count in _STORED)]
    rows: list[list[str]] = []
    print(",".join(_FIELDS))
    for preset, count in lines:
        command = [sys.executable, __file__, "--seconds", str(given.seconds), "--line", preset, str(count)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(said, flush=True)
        rows.append(said.split(","))
    if given.out:
        with given.out.open("w", newline="") as file:
            csv.writer(file).writerows([_FIELDS, *rows])
    if given.plot:
        draw([dict(zip(_FIELDS, row, strict=True)) for row in rows], given.plot)


if __name__ == "__main__":
    main()
