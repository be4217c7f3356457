"""Phantoms with findings: a disc with any of five marks, each drawn by itself, and style factors apart from them.

They test that each finding asked for is shown, and no other. Content is exactly the set of marks; everything else is
style, and its true value is known. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int8, UInt8

FINDINGS = ("band", "notch", "ring", "spot", "tail")
"""A dark stripe across the disc, a wedge cut out of it, a dark circle around it, a light centre, a tail."""

FINDING_FACTORS = ("x", "y", "radius", "tone", "light_x", "light_y", "rotation")
_SHARE = 0.4
_DRAWS = 16
_CHUNK = 256
_LIGHT, _DARK = np.array([0.93, 0.88, 0.80]), np.array([0.62, 0.52, 0.44])
_DISC, _SHADE, _PALE = (
    np.array([0.55, 0.22, 0.20]),
    np.array([0.12, 0.10, 0.16]),
    np.array([0.98, 0.92, 0.55]),
)


@dataclass(frozen=True)
class FindingPhantoms:
    """Images with what they were made from.

    Attributes:
        images: The pictures.
        states: Whether each of `FINDINGS` is present.
        factors: By name. `x`, `y`: centre off the middle, fractions of the frame, ±0.10. `radius`: 0.17 to 0.24 of the
            frame. `tone`: background, 0 light to 1 dark. `light_x`, `light_y`: brightness across the frame, ±0.12.
            `rotation`: direction of the marks and of the disc's shade, radians, ±0.5.
    """

    images: UInt8[np.ndarray, "n size size 3"]
    states: Int8[np.ndarray, "n findings"]
    factors: dict[str, Float32[np.ndarray, " n"]]


def render_finding_phantoms(n: int, size: int, seed: int, start: int = 0) -> FindingPhantoms:
    """Images `start` to `start + n`; image i depends on (seed, i) and the size only."""
    draws = np.zeros((n, _DRAWS))
    for row in range(n):
        # A stream apart from that of the lesions of the same seed.
        stream = np.random.Philox(key=seed, counter=[0, 1, start + row, 0])
        draws[row] = np.random.Generator(stream).random(_DRAWS)
    states = (draws[:, :5] < _SHARE).astype(np.int8)
    factors = {
        "x": draws[:, 5] * 0.20 - 0.10,
        "y": draws[:, 6] * 0.20 - 0.10,
        "radius": 0.17 + draws[:, 7] * 0.07,
        "tone": draws[:, 8],
        "light_x": draws[:, 9] * 0.24 - 0.12,
        "light_y": draws[:, 10] * 0.24 - 0.12,
        "rotation": draws[:, 11] - 0.5,
    }
    images = np.empty((n, size, size, 3), np.uint8)
    for first in range(0, n, _CHUNK):
        rows = slice(first, first + _CHUNK)
        images[rows] = _render(states[rows], {name: one[rows] for name, one in factors.items()}, size)
    return FindingPhantoms(images, states, {name: one.astype(np.float32) for name, one in factors.items()})


def _render(
    states: Int8[np.ndarray, "n findings"], factors: dict[str, Float[np.ndarray, " n"]], size: int
) -> UInt8[np.ndarray, "n size size 3"]:
    """A chunk of images, drawn at twice the size and averaged."""
    fine = size * 2
    axis = (np.arange(fine) + 0.5) / fine - 0.5
    grid_y, grid_x = np.meshgrid(axis, axis, indexing="ij")
    value = {name: one[:, None, None] for name, one in factors.items()}
    shown = {name: states[:, column, None, None] for column, name in enumerate(FINDINGS)}
    radius = value["radius"]
    shift_x, shift_y = grid_x - value["x"], grid_y - value["y"]
    cos, sin = np.cos(value["rotation"]), np.sin(value["rotation"])
    along, across = shift_x * cos + shift_y * sin, shift_y * cos - shift_x * sin
    distance = np.hypot(along, across)

    def inside(signed: np.ndarray) -> np.ndarray:
        """Near 1 where the signed distance is below 0, in fractions of the frame, with a soft edge."""
        return 1 / (1 + np.exp(np.clip(signed / 0.006, -40, 40)))

    disc = inside(distance - radius)
    notch = inside(np.abs(across) - 0.7 * along) * (along > 0)
    disc = disc * (1 - shown["notch"] * notch)
    band = inside(np.abs(along + 0.58 * radius) - 0.17 * radius) * disc
    spot = inside(distance - 0.38 * radius)
    ring = inside(np.abs(distance - 1.42 * radius) - 0.15 * radius)
    tail = inside(np.abs(across) - 0.22 * radius) * inside(np.abs(along + 1.5 * radius) - 0.6 * radius)
    # The disc is darker on the side of the tail: so the direction shows in an image without any mark, too.
    shade = 1 + 0.3 * np.clip(along / radius, -1, 1)

    tone = factors["tone"][:, None]
    images = np.broadcast_to((_LIGHT * (1 - tone) + _DARK * tone)[:, None, None], (*distance.shape, 3))
    for mask, colour in (
        (shown["tail"] * tail, _DISC * 0.7),
        (disc, _DISC * shade[..., None]),
        (shown["band"] * band, _SHADE),
        (shown["ring"] * ring, _SHADE),
        (shown["spot"] * spot, _PALE),
    ):
        images = images * (1 - mask[..., None]) + colour * mask[..., None]
    images = images * (1 + 2 * value["light_x"] * grid_x + 2 * value["light_y"] * grid_y)[..., None]
    images = images.reshape(len(states), size, 2, size, 2, 3).mean((2, 4))
    return np.asarray(np.round(np.clip(images, 0, 1) * 255), np.uint8)
