"""The figures of an evaluation: real and synthetic images, swaps across labels, rows of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drai_cli.evaluation.real import EvaluationSet
from drai_cli.io.png import encode_png
from drai_cli.io.tiles import tile_images, to_eight_bit
from drai_cli.metrics.generation import ModelNetworks, encode, generate
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.source import SampleSource, drawable
from drai_cli.output.figure import add_row_names

_COLUMNS = 8
_LABELS = 12
_FEW = 4
"""Columns and labels of the picture at the top of the page."""
_GAP = 2
_MIDDLE, _ENLARGED = 24, 4
_SIDE = 144
"""Images are shown at a whole multiple of their size, up to three times, that keeps within this many pixels."""


def real_and_synthetic(
    real: EvaluationSet, source: SampleSource, part: str, seed: int, *, few: bool = False
) -> tuple[bytes, list[str]]:
    """Two named rows per label, real images of the part above synthetic ones; the PNG file and the labels in order.

    Args:
        real: The real images.
        source: Of the synthetic ones.
        part: Of the split.
        seed: Of the choice.
        few: Some images of the first labels only.
    """
    rows: list[Images] = []
    labels: list[str] = []
    names: list[str] = []
    for label in range(len(real.schema.labels)):
        if len(labels) == (_FEW if few else _LABELS):
            break
        of_label = np.flatnonzero((real.parts == part) & (real.labels == label))
        chosen = np.random.default_rng(seed).permutation(of_label)[: _FEW if few else _COLUMNS]
        if not len(chosen):
            continue
        made = source.draw(chosen[drawable(source, chosen, real.labels[chosen])], seed)
        rows += [real.images[chosen], made]
        labels.append(real.schema.labels[label])
        names += [f"{labels[-1]}, real", f"{labels[-1]}, synthetic"]
    return sheet_of(rows, names), labels


def enlarged_texture(real: EvaluationSet, source: SampleSource, part: str, seed: int) -> bytes:
    """Middles of images, enlarged without interpolation: a row of real ones of the part, one of synthetic ones."""
    rows = np.flatnonzero(real.parts == part)
    rows = np.random.default_rng(seed).permutation(rows)[:_COLUMNS]
    made = source.draw(rows[drawable(source, rows, real.labels[rows])], seed)
    return sheet_of([_enlarged(real.images[rows]), _enlarged(made)])


def _enlarged(images: Images) -> Images:
    side = min(_MIDDLE, images.shape[1])
    top, left = ((length - side) // 2 for length in images.shape[1:3])
    middle = images[:, top : top + side, left : left + side]
    out: np.ndarray = middle.repeat(_ENLARGED, 1).repeat(_ENLARGED, 2)
    return out


def swaps_across_labels(
    real: EvaluationSet, networks: ModelNetworks, part: str, seed: int, device: object
) -> tuple[bytes, list[str]]:
    """A grid with the content of one image of each label per row, and their styles per column; the PNG file and labels.

    The first row and column show the real images, the diagonal the reconstructions.
    """
    of_part = np.flatnonzero(real.parts == part)
    generator = np.random.default_rng(seed)
    chosen = [
        int(generator.permutation(of_part[real.labels[of_part] == label])[0])
        for label in np.unique(real.labels[of_part])[:_LABELS]
    ]
    images = real.images[chosen]
    codes = encode(networks, images, real.conditions[chosen], device)  # type: ignore[arg-type]
    n = len(chosen)
    made = generate(
        networks,
        codes.content.repeat(n, 0),
        np.tile(codes.style, (n, 1)),
        images.dtype,
        device,  # type: ignore[arg-type]
    )
    blank = np.full_like(images[:1], np.iinfo(images.dtype).max)
    rows = [np.concatenate([blank, images])]
    rows += [np.concatenate([images[row : row + 1], made[row * n : (row + 1) * n]]) for row in range(n)]
    labels = [real.schema.labels[real.labels[row]] for row in chosen]
    return sheet_of(rows, ["styles of", *(f"content of {label}" for label in labels)]), labels


def sheet_of(rows: Sequence[Images], names: Sequence[str] = ()) -> bytes:
    """Rows of images of one size on white, enlarged and named, as PNG."""
    factor = max(1, min(3, _SIDE // rows[0].shape[1]))
    larger = [to_eight_bit(row).repeat(factor, 1).repeat(factor, 2) for row in rows]
    sheet = tile_images(larger, (_GAP, _GAP))
    if names:
        sheet = add_row_names(sheet, names, larger[0].shape[1] + _GAP)
    return encode_png(sheet, {"Comment": "synthetic images made by drai, next to real ones"})
