"""Tests whether a model that has memorised its images is detected. It is trained on 200 lesions for long, on purpose.

    python examples/memorise.py HAM10000_FOLDER --out runs/memorised

Draws 200 images of four labels, one per lesion, and other lesions as held-out images, as two sets of class folders.
Trains on the first without augmentation or flips and with little R1, and prints the privacy part of `drai evaluate`
with the held-out images for comparison.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

LABELS = ("mel", "nv", "bkl", "bcc")
TRAINED, HELD = 50, 200  # images of a label


def draw(data: Path, folder: Path) -> None:
    """Writes `few/<label>/` and `held/<label>/`: images of different lesions."""
    by_label: dict[str, dict[str, str]] = defaultdict(dict)  # an image of each lesion
    with (data / "HAM10000_metadata.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            by_label[row["dx"]][row["lesion_id"]] = row["image_id"]
    for label in LABELS:
        images = sorted(by_label[label].values())
        random.Random(label).shuffle(images)
        for part, names in (("few", images[:TRAINED]), ("held", images[TRAINED : TRAINED + HELD])):
            (folder / part / label).mkdir(parents=True, exist_ok=True)
            for name in names:
                shutil.copy(data / "images" / f"{name}.jpg", folder / part / label)


def drai(*words: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "drai_cli", *map(str, words)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="HAM10000 folder")
    parser.add_argument("--kimg", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=Path("runs/memorised"))
    given = parser.parse_args()
    draw(given.data, given.out)
    few, run, model = given.out / "few", given.out / "run", given.out / "memorised.safetensors"
    drai(
        "train", "--data", few, "--size", "32", "--augment", "none", "--symmetry", "none",
        "--r1-gamma", "0.01", "--kimg", str(given.kimg), "--tick-kimg", "20", "--out", run,
    )  # fmt: skip
    shutil.copy(run / "model.safetensors", model)  # by itself: the run's own split is of the few alone
    drai(
        "evaluate", "--data", given.out / "held", "--train-data", few, "--weights", model,
        "--metrics", "privacy", "--out", given.out / "report",
    )  # fmt: skip


if __name__ == "__main__":
    main()
