"""A report and a comparison as they come out of an evaluation, from made-up numbers: four parts, seven skin lesions."""

from __future__ import annotations

import random
from functools import cache

import numpy as np

from drai_cli.io.png import encode_png
from drai_cli.report.findings import (
    Baseline,
    Better,
    Cell,
    Comparison,
    ComparisonRow,
    Figure,
    Measure,
    Part,
    Report,
)

LABELS = {"akiec": 33, "bcc": 51, "bkl": 110, "df": 12, "mel": 111, "nv": 671, "vasc": 14}
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ARMS = ("synthetic only", "real only", "real, oversampled", "real + synthetic")


def per_label(
    key: str,
    name: str,
    how: str,
    centre: float,
    spread: float,
    what: str,
    base: float,
    better: Better = "higher",
) -> list[Measure]:
    """A measure of every label around `centre`, each beside its own baseline."""
    drawn = random.Random(key)
    found = []
    for label, n in LABELS.items():
        value, reach = centre + drawn.uniform(-spread, spread), 1.2 / n**0.5 * spread * 2
        beside = base + drawn.uniform(-spread, spread) / 2
        baseline = Baseline(what, beside, beside - reach / 2, beside + reach / 2)
        found.append(
            Measure(key, name, value, better, how, value - reach, value + reach, n, label, baseline=baseline)
        )
    return found


def fidelity() -> Part:
    """Distances with two baselines and a measure a label."""
    real = "real against real"
    how = (
        "Distance between the two sets of images in features; compare it only within one extractor and one n."
    )
    return Part(
        "fidelity",
        "Fidelity",
        (
            Measure(
                "frechet", "Fréchet distance", 23.41, "lower", how, 21.9, 25.2, 1002, variant="squeezenet",
                baseline=Baseline(real, 11.8, 10.6, 13.1), extractor="SqueezeNet 1.1, ImageNet", is_headline=True,
            ),
            Measure(
                "frechet", "Fréchet distance", 4.07, "lower", how, 3.81, 4.44, 1002, variant="judge",
                baseline=Baseline(real, 2.9, 2.41, 3.95), extractor="judge, penultimate layer",
            ),
            Measure(
                "kid", "Kernel distance × 1,000", -0.00004, "baseline", "Unbiased, so it may fall below zero; "
                "zero for two sets of one distribution.", -0.021, 0.034, 1002,
                baseline=Baseline(real, 0.0, -0.02, 0.02), extractor="SqueezeNet 1.1, ImageNet",
            ),
            Measure(
                "precision", "Precision", 0.713, "baseline", "Share of synthetic images that lie among real ones.",
                0.68, 0.742, 1002, baseline=Baseline(real, 0.75, 0.72, 0.78), extractor="SqueezeNet 1.1, ImageNet",
            ),
            Measure(
                "label_agreement", "Label agreement", 0.802, "baseline", "How often a classifier trained on real "
                "images sees the label that was asked for, averaged over labels.", 0.771, 0.83, 1002,
                baseline=Baseline("the judge on real images", 0.815, 0.76, 0.861), is_headline=True,
            ),
            *per_label(
                "label_agreement", "Label agreement", "", 0.78, 0.14, "the judge on real images", 0.81, "baseline"
            ),
            *per_label("spread", "Spread", "1 is as varied as real images; far below is collapse.",
                       0.93, 0.12, "real images", 1.0, "baseline"),
        ),
        "Synthetic images are told from real ones in general features (23.4 against 11.8), yet carry the label that "
        "was asked for as often as real images do.",
        "Features trained on photographs miss what a dermatologist looks at.",
    )  # fmt: skip


def disentanglement() -> Part:
    """Swaps and probes; one probe could not be made."""
    return Part(
        "disentanglement",
        "Content and style",
        (
            Measure(
                "swap_kept", "Label kept in swaps", 0.781, "baseline", "Share of swaps that still show the label of "
                "the image that gave the content, by the judge.", 0.75, 0.81, 2000,
                baseline=Baseline("the content image itself", 0.815, 0.76, 0.861), is_headline=True,
            ),
            Measure(
                "swap_leaked", "Label leaked in swaps", 0.081, "baseline", "Share of swaps that show the label of the "
                "image that gave the style.", 0.07, 0.095, 2000, baseline=Baseline("the content image itself", 0.052),
            ),
            Measure(
                "style_followed", "Style followed", 0.912, "higher", "Correlation of the colour of the frame with that "
                "of the image that gave the style.", 0.894, 0.928, 2000,
                baseline=Baseline("correlation with the content image", 0.11, 0.06, 0.16), is_headline=True,
            ),
            *per_label(
                "swap_kept", "Label kept in swaps", "", 0.74, 0.15, "the content image itself", 0.81, "baseline"
            ),
        ),
        "Swaps keep the label and take over the skin and the light.",
        "",
        (
            "Style kept, by known factors: the data has no table of true factors; only phantoms do.",
            "Label in style, by the two-layer probe: fewer than 20 training images of df.",
        ),
    )  # fmt: skip


def usefulness() -> Part:
    """Arms of training sets, together and a label."""
    values = {
        "synthetic only": 0.612,
        "real only": 0.741,
        "real, oversampled": 0.752,
        "real + synthetic": 0.779,
    }
    how = "Balanced accuracy on real test images of a classifier trained on this set; equal optimiser steps."
    base = Baseline("real, oversampled", 0.752, 0.712, 0.79)
    measures = [
        Measure(
            "accuracy", "Balanced accuracy", value, "higher", how, value - 0.031, value + 0.029, 1002, variant=arm,
            baseline=None if arm == "real, oversampled" else base, is_headline=arm == "real + synthetic",
        )
        for arm, value in values.items()
    ]  # fmt: skip
    drawn = random.Random(5)
    for label, n in LABELS.items():
        for arm in ARMS[2:]:
            value = min(0.97, values[arm] + drawn.uniform(-0.12, 0.12))
            reach = 0.4 / n**0.5
            measures.append(
                Measure(
                    "recall",
                    "Recall",
                    value,
                    "higher",
                    "",
                    value - reach,
                    min(1, value + reach),
                    n,
                    label,
                    arm,
                )
            )
    return Part(
        "usefulness",
        "Usefulness",
        tuple(measures),
        "Synthetic images beside real ones help a little; the interval does not exclude that they do not.",
        "",
    )


def privacy() -> Part:
    """Copies in two spaces; nothing is guaranteed."""
    how = "Share of samples nearer to a training image than 1 % of test images are."
    return Part(
        "privacy",
        "Privacy",
        (
            Measure("copies", "Copies", 0.0, "lower", how, 0.0, 0.0037, 1002, variant="pixels",
                    baseline=Baseline("test images", 0.01), is_headline=True),
            Measure("copies", "Copies", 0.014, "lower", how, 0.008, 0.023, 1002, variant="judge",
                    baseline=Baseline("test images", 0.01), extractor="judge, penultimate layer"),
            Measure("membership", "Membership, area under the curve", 0.531, "baseline", "0.5: who was in the training "
                    "set cannot be told from the model.", 0.498, 0.566, 2004,
                    baseline=Baseline("chance", 0.5), is_headline=True),
        ),
        "No copies by pixels; in the judge's features no more than among real images.",
        "Evidence, not a guarantee: an attack that was not tried may still find something.",
    )  # fmt: skip


def example_report() -> Report:
    """All four parts."""
    return Report(
        {
            "kind": "model", "name": "lesions-64", "sha256": SHA256, "method": "drai", "images_seen": 4_000_000,
        },
        {
            "kind": "csv", "part": "test", "n": sum(LABELS.values()), "groups": 747, "image_size": 64,
            "labels": LABELS,
        },
        {
            "seed": 0, "samples_per_label": 143, "bootstrap_draws": 1000, "extractor": "SqueezeNet 1.1, ImageNet",
            "learning_rate": 0.0003, "probes": ["logistic", "two-layer"], "mixed_precision": False, "note": None,
        },
        (fidelity(), disentanglement(), usefulness(), privacy()),
        "0.3.0",
    )  # fmt: skip


def grid_png(rows: int, columns: int, side: int = 64, seed: int = 0) -> bytes:
    """Blobs on skin in rows and columns."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    grid = np.zeros((rows * side, columns * side, 3), np.uint8)
    for row in range(rows):
        for column in range(columns):
            radius = draw.uniform(0.3, 0.6) + 0.1 * np.sin(draw.integers(2, 6) * np.arctan2(y, x))
            inside = 1 / (1 + np.exp((np.hypot(x, y) - radius) * 14))[..., None]
            skin, spot = (
                np.array([224, 180, 160]) * draw.uniform(0.8, 1.05),
                np.array([110 - 9 * row, 62, 50]),
            )
            image = skin * (1 - inside) + spot * inside + draw.normal(0, 5, (side, side, 1))
            place = (slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side))
            grid[place] = image.clip(0, 255).astype(np.uint8)
    return encode_png(grid, {})


@cache
def example_figures() -> tuple[Figure, ...]:
    """Two grids in one part, one wide strip in another."""
    return (
        Figure("fidelity", "Real images", "A row a label, drawn from the test part.", grid_png(7, 6, seed=1)),
        Figure(
            "fidelity",
            "Synthetic images",
            "A row a label, seed 0, not chosen by hand.",
            grid_png(7, 6, seed=2),
        ),
        Figure(
            "disentanglement",
            "Swaps",
            "Content from the left column, style from the top row.",
            grid_png(5, 12),
        ),
    )


def example_comparison() -> Comparison:
    """Three methods over three seeds; one cannot swap."""
    none = Cell(None, note="cgan has no encoder, so nothing of a real image can be swapped or reconstructed")
    return Comparison(
        ("cgan", "dai", "drai"),
        (
            ComparisonRow("frechet", "Fréchet distance", "lower",
                          (Cell(31.2, 2.4, 3), Cell(26.03, 1.9, 3), Cell(23.4, 1.21, 3)),
                          Baseline("real against real", 11.8)),
            ComparisonRow("label_agreement", "Label agreement", "baseline",
                          (Cell(0.77, 0.02, 3), Cell(0.803, 0.011, 3), Cell(0.8029, 0.02, 2, "one run diverged")),
                          Baseline("the judge on real images", 0.815)),
            ComparisonRow("swap_kept", "Label kept in swaps", "higher",
                          (none, Cell(0.61, 0.08, 3), Cell(0.781, 0.012, 3))),
            ComparisonRow("cifc", "Cross-image feature consistency", "lower",
                          (none, Cell(0.0213, 0.002, 3), Cell(0.0151, 0.0009, 3))),
        ),
    )  # fmt: skip
