"""Trains a PyTorch classifier on real images with and without synthetic ones, and tests it on held-out real images.

    python examples/augment_classifier.py lesions/ --weights runs/lesions --share 1.0

The model's own split is used: real images of its training part train the classifiers, and those of its test part test
them. Neither the model nor a classifier has seen the test images. Both classifiers train on the same number of images;
the one without synthetic images sees its real ones more often. A gain is then due to the synthetic images, not to
longer training. `drai evaluate --metrics usefulness` does the same with several seeds and intervals. Replace the
classifier in this short version by your own.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from drai_cli import Drai
from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.data_options import DataOptions


def classifier(channels: int, classes: int) -> nn.Module:
    """A small convolutional network; put yours here."""
    widths = (channels, 32, 64, 128)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def to_tensor(images: np.ndarray) -> Tensor:
    """Stored levels `[N, H, W, C]` as `[N, C, H, W]` in -1 to 1."""
    top = np.iinfo(images.dtype).max
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / top * 2 - 1


def train(images: Tensor, labels: Tensor, classes: int, shown: int, seed: int) -> nn.Module:
    """A classifier that was shown `shown` images, labels in equal shares, mirrored at random."""
    torch.manual_seed(seed)
    model = classifier(images.shape[1], classes)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    weights = 1 / torch.bincount(labels, minlength=classes).clamp(min=1)[labels].double()
    for _ in range(max(1, shown // 64)):
        rows = torch.multinomial(weights, 64, replacement=True)
        batch = images[rows]
        flipped = torch.rand(len(rows)) < 0.5
        batch[flipped] = batch[flipped].flip(3)
        loss = nn.functional.cross_entropy(model(batch), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


@torch.inference_mode()
def balanced_accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Mean recall over the labels that there are."""
    right = model(images).argmax(1) == labels
    return float(torch.stack([right[labels == label].float().mean() for label in labels.unique()]).mean())


def synthetic_images(model: Drai, data: PreparedSet, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """As many images of each label as `share` times its real ones in training."""
    counts = np.bincount(data.labels[data.rows("train")], minlength=len(model.labels))
    wanted = [max(1, round(share * int(count))) for count in counts]
    made = [model.sample(label, n, seed=seed) for label, n in zip(model.labels, wanted, strict=True)]
    labels = torch.from_numpy(np.repeat(np.arange(len(wanted)), wanted))
    return to_tensor(np.concatenate(made)), labels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the data set that the run was trained on")
    parser.add_argument("--weights", type=Path, required=True, help="a run directory: its split is used")
    parser.add_argument("--share", type=float, default=1.0, help="synthetic images per real image")
    parser.add_argument(
        "--shown",
        type=int,
        default=30_000,
        help="training images of each classifier",
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    run = RunDirectory(given.weights)
    options = run.read_data_options()
    options = DataOptions(**{**vars(options), "path": given.data})
    data = prepare(options, seed=given.seed, split_file=run.split)
    model = Drai.from_pretrained(given.weights)
    real, test = data.rows("train"), data.rows("test")
    images, labels = to_tensor(data.images[real]), torch.from_numpy(data.labels[real])
    made, made_labels = synthetic_images(model, data, given.share, given.seed)
    held_out, held_out_labels = to_tensor(data.images[test]), torch.from_numpy(data.labels[test])
    print(f"{len(images)} real and {len(made)} synthetic to train on, {len(held_out)} real to measure on")
    sets = {
        "real alone": (images, labels),
        "synthetic alone": (made, made_labels),
        "real and synthetic": (torch.cat([images, made]), torch.cat([labels, made_labels])),
    }
    for name, (shown_images, shown_labels) in sets.items():
        found = train(shown_images, shown_labels, len(model.labels), given.shown, given.seed)
        print(f"{name}: balanced accuracy {balanced_accuracy(found, held_out, held_out_labels):.3f}")


if __name__ == "__main__":
    main()
