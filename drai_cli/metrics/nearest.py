"""Nearest images of a set: distances in pixels and in features, under the symmetries of the data.

Knows nothing of what a small distance means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from drai_cli.metrics.mapping import Images, batches, map_images
from drai_cli.metrics.symmetries import Symmetry

PIXEL_SIDE = 32
_QUERIES = 1024  # images per batch
_ROWS = 2048  # rows of a block on either side: at most 16 MiB of distances
_VALUES = 1 << 23  # entries of a block on either side, 32 MiB
_CANDIDATES = 4  # rows per query whose distance is computed exactly


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


def nearest(
    queries: Float[np.ndarray, "n d"],
    reference: Float[np.ndarray, "m d"],
    apart: tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " m"]] | None = None,
) -> Nearest:
    """The nearest row of `reference` to each query, in blocks.

    Candidates are found from float32 matrix products, ‖r‖² - 2 q·r; the distances of the best few are then computed
    in float64 from the differences, because products give equal rows a distance of about 1e-4 of their norm.

    Args:
        queries: Rows to find neighbours of.
        reference: Rows to search.
        apart: Group numbers of queries and reference rows: rows of the query's own group do not count. The distance is
            infinite where no other row is left. None: all count.

    Raises:
        ValueError: No reference rows, or rows of another length than the queries.
    """
    if not len(reference) or queries.shape[1] != reference.shape[1]:
        raise ValueError(f"the nearest to queries {queries.shape} among {reference.shape}")
    size = max(1, min(_ROWS, _VALUES // max(1, queries.shape[1])))
    centre = np.asarray(reference[:size], np.float64).mean(0)  # smaller norms, smaller errors
    least = torch.full((len(queries), 0), np.inf)
    rows = torch.zeros((len(queries), 0), dtype=torch.int64)
    for below in batches(len(reference), size):
        theirs = torch.from_numpy((np.asarray(reference[below], np.float64) - centre).astype(np.float32))
        square = theirs.square().sum(1)
        best, places = [], []
        for part in batches(len(queries), size):
            mine = torch.from_numpy((np.asarray(queries[part], np.float64) - centre).astype(np.float32))
            products = torch.addmm(square, mine, theirs.T, alpha=-2)
            if apart is not None:
                products[torch.from_numpy(apart[0][part, None] == apart[1][None, below])] = np.inf
            value, place = products.topk(min(_CANDIDATES, len(theirs)), 1, largest=False)
            best.append(value)
            places.append(place + below.start)
        least, rows = torch.cat([least, torch.cat(best)], 1), torch.cat([rows, torch.cat(places)], 1)
        order = least.argsort(1)[:, :_CANDIDATES]
        least, rows = least.gather(1, order), rows.gather(1, order)
    candidates, _ = rows.sort(1)  # of equally near ones the first counts
    return _nearest_of(queries, reference, candidates.numpy(), apart)


def _nearest_of(
    queries: Float[np.ndarray, "n d"],
    reference: Float[np.ndarray, "m d"],
    candidates: Int64[np.ndarray, "n k"],
    apart: tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " m"]] | None,
) -> Nearest:
    """The nearest of a few rows to each query, by differences in float64."""
    distance, row = np.full(len(queries), np.inf), np.zeros(len(queries), np.int64)
    for part in batches(len(queries), _QUERIES):
        mine = np.asarray(queries[part], np.float64)
        for column in candidates[part].T:
            away = np.sqrt(np.square(mine - np.asarray(reference[column], np.float64)).sum(1))
            if apart is not None:
                away[apart[1][column] == apart[0][part]] = np.inf
            closer = away < distance[part]
            distance[part] = np.where(closer, away, distance[part])
            row[part] = np.where(closer, column, row[part])
    return Nearest(distance, row, np.zeros(len(queries), np.int64))


def find_nearest(
    images: Images,
    space: Features,
    references: Sequence[Float[np.ndarray, "m d"]],
    symmetry: Symmetry,
    only: Int64[np.ndarray, " n"] | None = None,
) -> list[Nearest]:
    """The nearest row of each reference to images under a symmetry: the smallest distance over all views.

    Features of a view are computed once for all references and not kept.

    Args:
        images: Stored images.
        space: Where distances are computed.
        references: Features of other images in that space.
        symmetry: Flips and rotations under which an image is equivalent to the original.
        only: For each image the view to look at besides the unchanged one, as where a search in a cheaper space
            has found it already; None: all views.

    Returns:
        One `Nearest` per reference, rows in the order of the images.
    """
    parts: list[list[Nearest]] = [[] for _ in references]
    for part in batches(len(images), _QUERIES):
        best: list[Nearest] = []
        for view, seen in enumerate(views(images[part], symmetry)):
            rows = np.arange(len(seen)) if only is None or not view else np.flatnonzero(only[part] == view)
            if not len(rows):
                continue
            features = space.features(np.ascontiguousarray(seen[rows]))
            now = [nearest(features, reference) for reference in references]
            best = (
                [_closer(old, new, rows, view) for old, new in zip(best, now, strict=True)] if view else now
            )
        for of_reference, one in zip(parts, best, strict=True):
            of_reference.append(one)
    return [_join(of_reference) for of_reference in parts]


def search_spaces(
    images: Images,
    spaces: Mapping[str, Features],
    references: Mapping[str, Float[np.ndarray, "m d"]],
    symmetry: Symmetry,
) -> dict[str, Nearest]:
    """`find_nearest` in several spaces, the first of which is searched under all views.

    The others are searched unchanged and under the view that is nearest in the first: features of eight views of each
    image would take most of the time. Distances to one set may be compared with those of other images to the same set.
    """
    found: dict[str, Nearest] = {}
    view = None
    for name, space in spaces.items():
        (found[name],) = find_nearest(images, space, [references[name]], symmetry, view)
        view = found[name].view if view is None else view
    return found


def _closer(old: Nearest, new: Nearest, rows: Int64[np.ndarray, " k"], view: int) -> Nearest:
    """The nearer of two results, query by query; `new` has these rows of the queries, under the view of this index."""
    closer = new.distance < old.distance[rows]
    chosen = rows[closer]
    distance, row, of_view = old.distance.copy(), old.row.copy(), old.view.copy()
    distance[chosen], row[chosen], of_view[chosen] = new.distance[closer], new.row[closer], view
    return Nearest(distance, row, of_view)


def _join(parts: Sequence[Nearest]) -> Nearest:
    """Results of consecutive queries as one."""
    if not parts:
        return Nearest(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    return Nearest(
        np.concatenate([one.distance for one in parts]),
        np.concatenate([one.row for one in parts]),
        np.concatenate([one.view for one in parts]),
    )
