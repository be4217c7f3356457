"""The pictures of an evaluation: samples beside real images, swaps across labels, the closest pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer

from drai_cli.evaluation.real import EvaluationSet
from drai_cli.io.png import encode_png
from drai_cli.io.tiles import tile_images, to_eight_bit
from drai_cli.metrics.generation import ModelNetworks, encode, generate
from drai_cli.metrics.source import SampleSource, drawable

Images = Integer[np.ndarray, "n h w c"]

_COLUMNS = 8
_LABELS = 12
_GAP = 2


def beside_real(real: EvaluationSet, source: SampleSource, part: str, seed: int) -> tuple[bytes, list[str]]:
    """Two rows a label: real images of the part, below them synthetic ones; the picture and the labels in its order."""
    rows, labels = [], []
    for label in range(min(_LABELS, len(real.schema.labels))):
        there = np.flatnonzero((real.parts == part) & (real.labels == label))
        chosen = np.random.default_rng(seed).permutation(there)[:_COLUMNS]
        if not len(chosen):
            continue
        made = source.draw(chosen[drawable(source, chosen, real.labels[chosen])], seed)
        rows += [real.images[chosen], made]
        labels.append(real.schema.labels[label])
    return _sheet(rows), labels


def swaps_across_labels(
    real: EvaluationSet, networks: ModelNetworks, part: str, seed: int, device: object
) -> tuple[bytes, list[str]]:
    """A grid: contents of one image of each label down, their styles across; the diagonal is the reconstruction.

    The first row and column hold the real images.
    """
    there = np.flatnonzero(real.parts == part)
    generator = np.random.default_rng(seed)
    chosen = [
        int(generator.permutation(there[real.labels[there] == label])[0])
        for label in np.unique(real.labels[there])[:_LABELS]
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
    return _sheet(rows), [real.schema.labels[real.labels[row]] for row in chosen]


def pairs_sheet(above: Images, below: Images) -> bytes:
    """Images in one row, their counterparts below."""
    return _sheet([above, below])


def _sheet(rows: Sequence[Images]) -> bytes:
    """Rows of images of one size on white, as PNG."""
    sheet = to_eight_bit(tile_images(rows, (_GAP, _GAP)))
    return encode_png(sheet, {"Comment": "synthetic images made by drai beside real ones"})
