"""Nearest images of a set: distances in pixels and in features, under the symmetries of the data.

Knows nothing of what a small distance means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from drai_cli.metrics.mapping import Images, batches, map_images
from drai_cli.metrics.symmetries import Symmetry

PIXEL_SIDE = 32
_QUERIES = 1024  # images per batch
_ROWS = 2048  # rows of a block on either side: at most 32 MiB of distances
_VALUES = 1 << 23  # entries of a block on either side, 64 MiB


class Features(Protocol):
    """Turns stored images into rows between which distances are computed."""

    def features(self, images: Images) -> Float[np.ndarray, "n d"]: ...


@dataclass(frozen=True)
class Nearest:
    """The nearest reference row of each query.

    Attributes:
        distance: Euclidean.
        row: Index of the reference row; the first of equally near ones.
        view: Index in `views` of the mirrored or rotated query that is nearest; 0 is the unchanged image.
    """

    distance: Float64[np.ndarray, " n"]
    row: Int64[np.ndarray, " n"]
    view: Int64[np.ndarray, " n"]


class PixelFeatures:
    """The pixels themselves, averaged down so that noise and shifts by a pixel have little effect.

    Images whose longer side exceeds `side` pixels are shrunk to that size (bilinear, antialiased). Rows are scaled so
    that their distance is the root mean square difference of the images, in 0..1.
    """

    name = "pixels"

    def __init__(self, side: int = PIXEL_SIDE) -> None:
        self._side = side

    def features(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Shrunk images as rows."""
        return map_images(self._look, images)

    def _look(self, batch: Tensor) -> Tensor:
        height, width = batch.shape[-2:]
        scale = self._side / max(height, width)
        if scale < 1:
            size = (max(1, round(height * scale)), max(1, round(width * scale)))
            batch = F.interpolate(batch, size=size, mode="bilinear", antialias=True)
        rows = batch.add(1).div(2).flatten(1)
        return rows / rows.shape[1] ** 0.5


def views(images: Images, symmetry: Symmetry) -> Iterator[Images]:
    """The unchanged images, then those that the symmetry allows: mirrored left-right, rotated by quarter turns.

    Raises:
        ValueError: An unknown symmetry, or rotations of images that are not square.
    """
    if symmetry not in ("none", "flip", "dihedral"):
        raise ValueError(f"symmetry {symmetry!r}: expected none, flip or dihedral")
    if symmetry == "dihedral" and images.shape[1] != images.shape[2]:
        raise ValueError(
            f"images of {images.shape[1]}×{images.shape[2]} pixels cannot be turned into each other"
        )
    sides = [images] if symmetry == "none" else [images, images[:, :, ::-1]]
    for turns in range(4 if symmetry == "dihedral" else 1):
        for side in sides:
            yield np.rot90(side, turns, (1, 2))


def nearest(queries: Float[np.ndarray, "n d"], reference: Float[np.ndarray, "m d"]) -> Nearest:
    """The nearest row of `reference` to each query, in float64 and in blocks.

    The nearest row is found from products, ‖q‖² + ‖r‖² - 2 q·r; its distance is then computed from the difference,
    because the products give equal rows a distance of about 1e-8 of their norm.

    Raises:
        ValueError: No reference rows, or rows of another length than the queries.
    """
    if not len(reference) or queries.shape[1] != reference.shape[1]:
        raise ValueError(f"the nearest to queries {queries.shape} among {reference.shape}")
    size = max(1, min(_ROWS, _VALUES // max(1, queries.shape[1])))
    least, row = np.full(len(queries), np.inf), np.zeros(len(queries), np.int64)
    distance = np.empty(len(queries))
    centre = np.asarray(reference[:size], np.float64).mean(0)  # smaller norms, smaller errors
    for below in batches(len(reference), size):
        theirs = np.asarray(reference[below], np.float64) - centre
        square = np.square(theirs).sum(1)
        for part in batches(len(queries), size):
            mine = np.asarray(queries[part], np.float64) - centre
            products = square - 2 * mine @ theirs.T
            index = products.argmin(1)
            value = products[np.arange(len(mine)), index]
            closer = value < least[part]
            least[part] = np.where(closer, value, least[part])
            row[part] = np.where(closer, below.start + index, row[part])
    for part in batches(len(queries), size):
        gap = np.asarray(queries[part], np.float64) - np.asarray(reference[row[part]], np.float64)
        distance[part] = np.sqrt(np.square(gap).sum(1))
    return Nearest(distance, row, np.zeros(len(queries), np.int64))


def find_nearest(
    images: Images,
    space: Features,
    references: Sequence[Float[np.ndarray, "m d"]],
    symmetry: Symmetry,
) -> list[Nearest]:
    """The nearest row of each reference to images under a symmetry: the smallest distance over all views.

    Features of a view are computed once for all references and not kept.

    Args:
        images: Stored images.
        space: Where distances are computed.
        references: Features of other images in that space.
        symmetry: Flips and rotations under which an image is equivalent to the original.

    Returns:
        One `Nearest` per reference, rows in the order of the images.
    """
    parts: list[list[Nearest]] = [[] for _ in references]
    for part in batches(len(images), _QUERIES):
        best: list[Nearest] = []
        for view, seen in enumerate(views(images[part], symmetry)):
            rows = space.features(np.ascontiguousarray(seen))
            now = [nearest(rows, reference) for reference in references]
            best = [_closer(old, new, view) for old, new in zip(best, now, strict=True)] if view else now
        for of_reference, one in zip(parts, best, strict=True):
            of_reference.append(one)
    return [_joined(of_reference) for of_reference in parts]


def _closer(old: Nearest, new: Nearest, view: int) -> Nearest:
    """The nearer of two results, query by query; `new` belongs to the view with this index."""
    closer = new.distance < old.distance
    return Nearest(
        np.where(closer, new.distance, old.distance),
        np.where(closer, new.row, old.row),
        np.where(closer, view, old.view),
    )


def _joined(parts: Sequence[Nearest]) -> Nearest:
    """Results of consecutive queries as one."""
    if not parts:
        return Nearest(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    return Nearest(
        np.concatenate([one.distance for one in parts]),
        np.concatenate([one.row for one in parts]),
        np.concatenate([one.view for one in parts]),
    )
