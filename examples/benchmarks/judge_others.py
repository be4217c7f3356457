"""Judges samples of any origin by what trained none of them: features of a frozen network and a label judge on them.

    python examples/benchmarks/judge_others.py --data HAM10000 --features efficientnet-lite0.pth SAMPLES...

SAMPLES are .npz files of `train_others.py` (images, labels) or model files of drai, of which as many are drawn. All are
compared with as many images of each label of one part (rare ones repeated), and so are training images of the set.

A line each: label agreement (balanced accuracy of a logistic regression on the features, trained on the training part),
Fréchet and kernel distance in the features, spread within a label beside real images', and the log power in three bands
of frequency beside real images'. The first line is training images: what real images reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.evaluation.extractors.chosen import load_extractor
from drai_cli.metrics.frechet import frechet_distance, kernel_distance
from drai_cli.metrics.generation import sample
from drai_cli.metrics.judge import balanced_accuracy
from drai_cli.metrics.samples import rows_per_label
from drai_cli.metrics.texture import log_power, to_grey
from drai_cli.model_file.checkpoint import load_model, read_header
from drai_cli.settings.data_options import DataOptions


def power(images: np.ndarray) -> np.ndarray:
    """Mean log power in each band of frequency, in nats."""
    out: np.ndarray = log_power(to_grey(images)).mean(axis=1)
    return out


def drawn(path: Path, data: PreparedSet, options: DataOptions, rows: np.ndarray) -> np.ndarray:
    """Images of a file for the labels of some rows, which are in order of the label, as many of each."""
    if path.suffix == ".npz":
        with np.load(path) as file:
            assert np.array_equal(file["labels"], data.labels[rows]), "draw as many of each label: --each"
            images: np.ndarray = file["images"]
            return images
    attributes = tuple(attribute.name for attribute in read_header(path).schema.attributes)
    conditions = prepare(
        DataOptions(options.path, size=options.size, conditions=attributes), seed=0
    ).conditions
    model = load_model(path)
    return sample(model, conditions[rows], model.generator.style_dim, data.images.dtype, seed=11)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("samples", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--features", type=Path, required=True, help="a network that trained none of them")
    parser.add_argument("--part", default="validation", choices=("validation", "test"))
    parser.add_argument("--each", type=int, default=50, help="samples of each label")
    given = parser.parse_args()
    torch.set_num_threads(1)
    options = DataOptions(given.data, size=given.size)
    data = prepare(options, seed=0)
    extractor = load_extractor(given.features, None)
    assert extractor is not None
    labels, held, known = data.labels, data.rows(given.part), data.rows("train")
    rows = held[rows_per_label(labels[held], given.each, 0)]
    other = known[rows_per_label(labels[known], given.each, 1)]
    known = known[rows_per_label(labels[known], 330, 9, again=False)]
    found = extractor.features(data.images[known])
    mean, scale = found.mean(axis=0), found.std(axis=0) + 1e-6
    judge = LogisticRegression(C=0.02, class_weight="balanced", max_iter=300)
    judge.fit((found - mean) / scale, labels[known])
    real, real_power = extractor.features(data.images[rows]), power(data.images[rows])
    everywhere = np.arange(len(rows))

    def spread(features: np.ndarray) -> np.ndarray:
        return np.array(
            [features[labels[rows] == label].std(axis=0).mean() for label in np.unique(labels[rows])]
        )

    def agreement(features: np.ndarray, its_labels: np.ndarray) -> float:
        return balanced_accuracy(judge.predict((features - mean) / scale), its_labels)

    def line(name: str, images: np.ndarray, judged: float | None = None) -> str:
        features = extractor.features(images)
        kernel = kernel_distance(real, features, everywhere, everywhere, 0).value
        bands = " ".join(f"{value:.2f}" for value in power(images) - real_power)
        shared = (spread(features) / spread(real)).mean()
        agreed = agreement(features, labels[rows]) if judged is None else judged
        distance = frechet_distance(real, features)
        return f"| {name} | {agreed:.3f} | {distance:.0f} | {kernel:.3f} | {shared:.2f} | {bands} |"

    def lines() -> Iterator[str]:
        yield "| samples | agreement | Fréchet | KID | spread | bands |"
        yield "|---|---|---|---|---|---|"
        own = agreement(extractor.features(data.images[held]), labels[held])
        yield line("real", data.images[other], own)
        for path in given.samples:
            yield line(f"{path.parent.name}/{path.stem}", drawn(path, data, options, rows))

    for text in lines():
        print(text, flush=True)


if __name__ == "__main__":
    main()
