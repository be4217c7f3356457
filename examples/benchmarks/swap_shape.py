"""What of a lesion's shape and colour the two codes carry: ridge regression of mask measures, slopes of skin colour.

    python examples/benchmarks/swap_shape.py HAM10000 --masks HAM10000/masks --ids unseen.csv

HAM10000 is a folder with images/ISIC_*.jpg; unseen.csv has the columns image_id, dx and lesion_id of images that the
model was not trained on. Prints R² of each measure from style, content, both and the label (five folds by lesion), and
how far colour of the frame's outer eighth follows the image in its reconstruction and in swaps with other contents.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image

from drai_cli import Drai

MEASURES = (
    "log area", "centre x", "centre y", "elongation", "elongation along x", "elongation along the diagonal",
    "irregularity (perimeter² / area)", "touches the edge",
)  # fmt: skip


def measure(path: Path) -> list[float]:
    """Measures of a mask's middle square."""
    mask = np.array(Image.open(path).convert("L")) > 0
    side = min(mask.shape)
    left = (mask.shape[1] - side) // 2
    mask = mask[:, left : left + side]
    if mask.sum() < 20:
        return [np.nan] * len(MEASURES)
    y, x = (axis / side - 0.5 for axis in np.nonzero(mask))
    values, vectors = np.linalg.eigh(np.cov(np.stack([x, y])))
    angle = np.arctan2(vectors[1, 1], vectors[0, 1])
    long = np.log(np.sqrt(values[1] / max(values[0], 1e-6)))
    padded = np.pad(mask, 1)
    perimeter = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    edge = mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
    return [
        float(np.log(mask.mean())), x.mean(), y.mean(), long, long * np.cos(2 * angle), long * np.sin(2 * angle),
        float(np.log(perimeter**2 / mask.sum())), float(edge),
    ]  # fmt: skip


def explained(inputs: np.ndarray, values: np.ndarray, folds: np.ndarray) -> float:
    """Cross-validated R² of ridge regression, with the best of four penalties."""
    best = -np.inf
    for penalty in (1, 10, 100, 1000):
        predicted = np.zeros(len(values))
        for fold in np.unique(folds):
            train, test = folds != fold, folds == fold
            mean, deviation = inputs[train].mean(0), inputs[train].std(0) + 1e-9
            rows, target = (inputs[train] - mean) / deviation, values[train] - values[train].mean()
            weights = np.linalg.solve(rows.T @ rows + penalty * np.eye(rows.shape[1]), rows.T @ target)
            predicted[test] = (inputs[test] - mean) / deviation @ weights + values[train].mean()
        best = max(best, 1 - ((values - predicted) ** 2).sum() / ((values - values.mean()) ** 2).sum())
    return best


def skin(images: np.ndarray) -> np.ndarray:
    """Mean CIELAB colour of the outer eighth."""
    rgb = images.astype(float) / 255
    rgb = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = rgb @ matrix.T / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)
    edge = images.shape[1] // 8
    ring = np.ones(images.shape[1:3], bool)
    ring[edge:-edge, edge:-edge] = False
    out: np.ndarray = lab[:, ring].mean(1)
    return out


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--ids", type=Path, required=True)
    parser.add_argument("--weights", default="lesions-64")
    options = parser.parse_args()
    with open(options.ids, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names, labels = [row["image_id"] for row in rows], np.array([row["dx"] for row in rows])
    lesions = np.unique([row["lesion_id"] for row in rows], return_inverse=True)[1]
    random = np.random.default_rng(0)
    folds = (random.permutation(lesions.max() + 1) % 5)[lesions]
    model = Drai.from_pretrained(options.weights, device="cpu")
    images = np.stack([model.transform(options.data / f"images/{name}.jpg") for name in names])
    content, style = model.encode(list(images))
    assert content is not None
    masks = np.array([measure(options.masks / f"{name}_segmentation.png") for name in names])
    whole = np.isfinite(masks).all(1)
    known = np.stack([labels == label for label in np.unique(labels)], 1).astype(float)
    inputs = {"style": style, "content": content, "both": np.hstack([style, content]), "label": known}
    for place, name in enumerate(MEASURES):
        found = [
            f"{kind} {explained(codes[whole], masks[whole, place], folds[whole]):.2f}"
            for kind, codes in inputs.items()
        ]
        print(f"{name:34s} R² from {', '.join(found)}")
    real, again = skin(images), skin(model.generate(content, style))
    swapped = skin(model.generate(content[random.permutation(len(content))], style))
    for place, name in enumerate(("lightness L", "redness a", "yellowness b")):
        slopes = [np.polyfit(real[:, place], made[:, place], 1)[0] for made in (again, swapped)]
        print(
            f"{name}: slope {slopes[0]:.2f} in the reconstruction, {slopes[1]:.2f} with another image's content"
        )


if __name__ == "__main__":
    main()
