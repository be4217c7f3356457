"""Measures whether `--init` helps with few images: 300 lesions new to the bundled model, with and without it.

    python examples/warm_start.py HAM10000_FOLDER runs/lesions-64 --features squeezenet1_1.safetensors --kimg 16

The images are drawn from the validation and test parts of the bundled model's own run, all images of a lesion
together. The samples of both models are compared with the rest of those parts: Fréchet distance and spread with the
given extractor, and label agreement by a judge trained on the bundled model's training part. Both runs see the same
number of images.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.evaluation.extractors.pooled import load_pooled
from drai_cli.metrics.judge import judge_config, train_judge
from drai_cli.metrics.measure import MeasureConfig, measure
from drai_cli.model_file.checkpoint import load_model
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.workflows.train import train

IMAGES = 300


def draw_subset(data: PreparedSet, seed: int) -> np.ndarray:
    """Rows of whole lesions from the parts that were not trained on, until there are enough; True where drawn."""
    held = np.flatnonzero(data.parts != "train")
    groups = np.array([data.entries[row].group for row in held])
    drawn = np.zeros(len(data.entries), bool)
    for group in np.random.default_rng(seed).permutation(np.unique(groups)):
        if drawn.sum() >= IMAGES:
            break
        drawn[held[groups == group]] = True
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="HAM10000 folder")
    parser.add_argument("run", type=Path, help="run directory of the model to start from")
    parser.add_argument("--features", type=Path, required=True, help="SqueezeNet 1.1 weights")
    parser.add_argument("--kimg", type=float, default=16.0)
    parser.add_argument("--out", type=Path, default=Path("runs/warm-start"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    directory = RunDirectory(given.run)
    source = load_model(directory.model)
    size = source.header.architecture.image_size
    whole = prepare(DataOptions(given.data, size=size), seed=0, split_file=directory.split)
    drawn = draw_subset(whole, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    table = given.out / "subset.csv"
    label = whole.schema.label.name
    with open(table, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image_id", label, "lesion_id"])
        for row in np.flatnonzero(drawn):
            entry = whole.entries[row]
            rows.writerow([Path(entry.name).stem, entry.values[label], entry.group])
    parts = np.where(whole.parts == "train", "train", np.where(drawn, "left out", "test"))
    # The judge chooses its best weights on the drawn images, which are compared with nothing.
    judge_parts = np.where(drawn, "validation", parts)
    judge = train_judge(
        whole.images, whole.labels, judge_parts, len(whole.schema.labels), judge_config(size, "dihedral"),
        seed=given.seed,
    )  # fmt: skip
    extractor = load_pooled(load_file(given.features))
    data = DataOptions(
        given.data,
        metadata=table,
        image_column="image_id",
        label=label,
        group="lesion_id",
        kind="csv",
        size=size,
    )
    options = TrainOptions(
        model=source.header.architecture, kimg=given.kimg, tick_kimg=4, symmetry="dihedral", seed=given.seed
    )
    options = replace(options, batch_size=32, objective=replace(options.objective, r1_gamma=0.2))
    for name, init in (("without", None), ("with", str(given.run))):
        out = given.out / name
        train(TrainRun(data, options, out, init))
        model = load_model(out / "model.safetensors")
        found = measure(
            whole.images,
            whole.labels,
            parts,
            np.array([entry.group for entry in whole.entries]),
            model,
            model.header.schema.encode([{label: entry.values[label]} for entry in whole.entries]),
            len(whole.schema.labels),
            extractor=extractor,
            judge=judge,
            config=MeasureConfig(draws=1),
            only=("agreement", "distance", "spread"),
            seed=given.seed,
        )
        frechet, agreement = found["distance"]["frechet"], found["agreement"]
        print(
            f"{name:8} --init: Fréchet {frechet['samples']['value']:.1f} "
            f"(real against real {frechet['real']['value']:.1f}, {found['distance']['extractor']}), "
            f"kernel {found['distance']['kernel']['samples']['value']:.4f}, "
            f"label agreement {agreement['value']:.3f} (judge on real images {agreement['real']['value']:.3f}), "
            f"{model.header.training['images_seen']} images seen",
            flush=True,
        )


if __name__ == "__main__":
    main()
