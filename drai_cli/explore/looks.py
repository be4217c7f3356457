"""Simple measures of how an image looks: brightness, size, position. Arrays in, numbers out; no torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, UInt

Grey = Float[np.ndarray, "images height width"]
Numbers = Float[np.ndarray, " images"]

_BINS = 64
_LUMINANCE = np.array([0.299, 0.587, 0.114])
# Distances from the centre in shares of the side. Around the object lies a ring of background. The corners beyond the
# circle are dark where the rim of an instrument is seen, so they are not skin.
_RING = (0.35, 0.48)
_CIRCLE = 0.5
_CORNERS = 0.6


def measure_looks(
    images: UInt[np.ndarray, "images height width channels"], *, is_skin: bool = False
) -> dict[str, Numbers]:
    """Measures of images by name, in a fixed order; `redness` of colour images only.

    `background` (where it `is_skin`: `skin tone`) is the median brightness of a ring around the centre. The object is
    what differs from it inside the circle, by Otsu's threshold; `size` is its share of the image, `left-right` and
    `up-down` its centre in shares of the side, `elongation` the ratio of its axes. `corners` are relative to the ring.
    """
    levels = images.astype(np.float64) / np.iinfo(images.dtype).max
    is_colour = levels.shape[3] == 3
    grey = levels @ _LUMINANCE if is_colour else levels[..., 0]
    distance = _distances(*grey.shape[1:])
    ring, circle, corners = (
        (distance >= _RING[0]) & (distance < _RING[1]),
        distance < _CIRCLE,
        distance > _CORNERS,
    )
    background = np.median(grey[:, ring], axis=1)
    own = np.median(levels[:, ring], axis=1)[:, None, None]
    difference = np.abs(levels - own).mean(3)
    mask = np.stack([circle & (one > _otsu(one[circle])) for one in difference])
    area = np.maximum(mask.sum((1, 2)), 1)
    rows, columns = _centre(mask, area)
    inside = (grey * mask).sum((1, 2)) / area
    found: dict[str, Numbers] = {
        "brightness": grey.mean((1, 2)),
        "skin tone" if is_skin else "background": background,
        "corners": grey[:, corners].mean(1) - background,
        "contrast of the object": np.abs(inside - background),
        "size": mask.mean((1, 2)),
        "left-right": columns,
        "up-down": rows,
        "elongation": _elongation(mask, area, rows, columns),
        "texture": np.abs(np.diff(grey, axis=1)).mean((1, 2)) + np.abs(np.diff(grey, axis=2)).mean((1, 2)),
    }
    if is_colour:
        found["redness"] = (levels[..., 0] - levels[..., 2]).mean((1, 2))
    return found


ENDS: dict[str, tuple[str, str]] = {
    "brightness": ("darker", "brighter"),
    "skin tone": ("darker skin", "lighter skin"),
    "background": ("darker background", "brighter background"),
    "corners": ("darker corners", "brighter corners"),
    "contrast of the object": ("fainter", "stronger contrast"),
    "size": ("smaller", "larger"),
    "left-right": ("to the left", "to the right"),
    "up-down": ("up", "down"),
    "elongation": ("rounder", "longer"),
    "texture": ("smoother", "more texture"),
    "redness": ("bluer", "redder"),
}
"""What less and more of a measure looks like, in words."""


def _distances(height: int, width: int) -> Float[np.ndarray, "height width"]:
    """Distance of each pixel from the centre, in shares of the side."""
    down, across = ((np.arange(length) + 0.5) / length - 0.5 for length in (height, width))
    found: np.ndarray = np.hypot(down[:, None], across[None])
    return found


def _otsu(values: Float[np.ndarray, " values"]) -> float:
    """The threshold between two groups of values that differ most (Otsu 1979)."""
    counts, edges = np.histogram(values, _BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = counts.cumsum()
    above = below[-1] - below
    mass = (counts * centres).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    return float(edges[1:][np.nan_to_num(between).argmax()])


def _centre(mask: np.ndarray, area: Numbers) -> tuple[Numbers, Numbers]:
    _, height, width = mask.shape
    rows = (mask.sum(2) * ((np.arange(height) + 0.5) / height)).sum(1) / area
    columns = (mask.sum(1) * ((np.arange(width) + 0.5) / width)).sum(1) / area
    return rows, columns


def _elongation(mask: np.ndarray, area: Numbers, rows: Numbers, columns: Numbers) -> Numbers:
    _, height, width = mask.shape
    down = ((np.arange(height) + 0.5) / height)[None, :, None] - rows[:, None, None]
    across = ((np.arange(width) + 0.5) / width)[None, None, :] - columns[:, None, None]
    moment: Callable[[np.ndarray], Numbers] = lambda product: (mask * product).sum((1, 2)) / area  # noqa: E731
    yy, xx, xy = moment(down**2), moment(across**2), moment(down * across)
    root = np.sqrt(((yy - xx) / 2) ** 2 + xy**2)
    middle = (yy + xx) / 2
    ratio: Numbers = np.sqrt((middle + root + 1e-6) / (middle - root + 1e-6))
    return ratio
