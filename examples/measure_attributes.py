"""Measures whether a model's samples show the attributes that were requested in addition to the label.

    python examples/measure_attributes.py runs/nodules [--images 48000] [--per-row 2]

For each further attribute that the run was conditioned on, a network learns to predict it from the real training
images: a classifier (categorical, classes drawn equally often) or a regressor (continuous). Samples are generated for
the complete conditions of the test part's images, and the network predicts their attributes. Prints, for real test
images and for samples, balanced accuracy and chance, or R² and the correlation between predicted and true values. If
real images do not show an attribute, samples cannot either: compare with the first number. One JSON object per line.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from drai_cli.conditions.schema import Attribute
from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.inference.torch_model import Inference, choose_device
from drai_cli.metrics.factors import RegressorConfig, r_squared, train_regressor
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import JudgeConfig, balanced_accuracy, train_judge
from drai_cli.model_file.checkpoint import load_model
from drai_cli.run.directory import RunDirectory
from drai_cli.run.model_header import known_set


def make_samples(inference: Inference, conditions: np.ndarray) -> np.ndarray:
    shape, generator = inference.header.architecture, np.random.default_rng(0)
    noise, style = (
        generator.standard_normal((len(conditions), dim), np.float32)
        for dim in (shape.content_dim, shape.style_dim)
    )
    return inference.sample(conditions, noise, style)[0]


def measure(
    data: PreparedSet, attribute: Attribute, place: slice, inference: Inference, images: int, per_row: int
) -> dict[str, object]:
    """What is read of one attribute: off real test images, and off samples made for their conditions."""
    values, known = data.conditions[:, place][:, :-1], data.conditions[:, place.stop - 1] == 0
    parts = np.where(known, data.parts, "left out")
    test = np.flatnonzero(parts == "test")
    asked = np.repeat(test, per_row)
    samples = make_samples(inference, data.conditions[asked])
    of_both = (("real", data.images[test], test), ("samples", samples, asked))
    found: dict[str, object] = {"attribute": attribute.name, "images": len(test), "samples": len(asked)}
    budget = FitConfig(images=images, check_every=max(1, images // 10))
    if attribute.kind == "categorical":
        classes = values.argmax(1)
        present = len(np.unique(classes[test]))
        judge = train_judge(
            data.images, classes, parts, len(attribute.values),
            JudgeConfig(fit=budget, symmetry=known_set(data).symmetry), seed=0, device=inference.device,
        )  # fmt: skip
        for name, those, rows in of_both:
            found[name] = round(balanced_accuracy(judge.labels(those), classes[rows]), 3)
        return {**found, "chance": round(1 / present, 3)}
    numbers = values[:, 0].astype(np.float64) * attribute.deviation + attribute.mean
    regressor = train_regressor(
        data.images,
        {attribute.name: numbers},
        parts,
        RegressorConfig(fit=budget),
        seed=0,
        device=inference.device,
    )
    for name, those, rows in of_both:
        read, said = regressor.predict(those), numbers[rows, None]
        found[name] = {
            "r_squared": round(float(r_squared(read, said)[0]), 3),
            "correlation": round(float(np.corrcoef(read[:, 0], said[:, 0])[0, 1]), 3),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--images", type=int, default=48_000, help="training images of each network")
    parser.add_argument("--per-row", type=int, default=2, help="samples for each test image's condition")
    given = parser.parse_args()
    directory = RunDirectory(given.run)
    data = prepare(directory.read_data_options(), seed=0, split_file=directory.split)
    device = choose_device()
    inference = Inference(load_model(directory.model, device), device)
    for attribute, place in list(zip(data.schema.attributes, data.schema.slices(), strict=True))[1:]:
        print(json.dumps(measure(data, attribute, place, inference, given.images, given.per_row)), flush=True)


if __name__ == "__main__":
    main()
