"""Phantom lesions made by formula: seven classes, and style factors drawn independently of the class.

They test the method: content is exactly palette, border irregularity and texture scale; everything else is style, and
its true value is known. Knows nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Classes in the order of border irregularity; lesion colour at the centre and at the rim, RGB in 0..1.
CLASSES = ("amber", "brick", "cocoa", "dusk", "ebony", "fawn", "grape")
_CENTRE = np.array(
    [[0.80, 0.52, 0.16], [0.66, 0.20, 0.14], [0.36, 0.21, 0.12], [0.30, 0.34, 0.46],
     [0.13, 0.11, 0.12], [0.72, 0.56, 0.40], [0.42, 0.16, 0.40]]
)  # fmt: skip
_RIM = np.array(
    [[0.62, 0.36, 0.14], [0.82, 0.36, 0.30], [0.52, 0.34, 0.22], [0.46, 0.46, 0.54],
     [0.34, 0.20, 0.16], [0.56, 0.38, 0.24], [0.60, 0.32, 0.52]]
)  # fmt: skip
_IRREGULARITY = np.linspace(0.05, 0.38, len(CLASSES))
# Cycles of the texture across the frame; shuffled against irregularity so that neither orders the classes alone.
_TEXTURE_CYCLES = np.array([5.0, 11.0, 7.0, 3.0, 9.0, 13.0, 4.0])
_LIGHT_SKIN, _DARK_SKIN = np.array([0.97, 0.84, 0.76]), np.array([0.50, 0.34, 0.26])

FACTORS = ("x", "y", "radius", "tone", "light_x", "light_y", "aspect", "rotation", "hairs")
_HARMONICS = np.array([2, 3, 4, 5, 7])
_WAVES = 4
_DRAWS = 64
_CHUNK = 256


@dataclass(frozen=True)
class Phantoms:
    """Images with what they were made from.

    Attributes:
        images: uint8 `[N, size, size, 3]`.
        labels: int64 `[N]`, positions in `CLASSES`.
        factors: float32 `[N]` each. `x`, `y`: centre off the middle, fractions of the frame, ±0.15. `radius`: 0.16 to
            0.30 of the frame. `tone`: skin, 0 light to 1 dark. `light_x`, `light_y`: brightness across the frame,
            ±0.12. `aspect`: long over short axis, 1 to 1.4. `rotation`: of the long axis, radians in [0, pi).
            `hairs`: 0 to 3.
        masks: uint8 `[N, size, size]`: 255 where at least half of a pixel lies in the lesion, hairs or not; else 0.
    """

    images: np.ndarray
    labels: np.ndarray
    factors: dict[str, np.ndarray]
    masks: np.ndarray


def render_phantoms(n: int, size: int, seed: int, start: int = 0) -> Phantoms:
    """Images `start` to `start + n`; image i depends on (seed, i) and the size only.

    Labels cycle through the classes, so that any range is balanced.
    """
    draws = np.zeros((n, _DRAWS))
    for row in range(n):
        draws[row] = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, start + row, 0])).random(
            _DRAWS
        )
    labels = np.arange(start, start + n, dtype=np.int64) % len(CLASSES)
    factors = {
        "x": draws[:, 0] * 0.30 - 0.15,
        "y": draws[:, 1] * 0.30 - 0.15,
        "radius": 0.16 + draws[:, 2] * 0.14,
        "tone": draws[:, 3],
        "light_x": draws[:, 4] * 0.24 - 0.12,
        "light_y": draws[:, 5] * 0.24 - 0.12,
        "aspect": 1 + draws[:, 6] * 0.4,
        "rotation": draws[:, 7] * np.pi,
        "hairs": np.floor(draws[:, 8] * 4),
    }
    images = np.empty((n, size, size, 3), np.uint8)
    masks = np.empty((n, size, size), np.uint8)
    for first in range(0, n, _CHUNK):
        rows = slice(first, first + _CHUNK)
        part = {name: values[rows] for name, values in factors.items()}
        images[rows], masks[rows] = _render(labels[rows], part, draws[rows, 9:], size)
    return Phantoms(
        images, labels, {name: values.astype(np.float32) for name, values in factors.items()}, masks
    )


def _render(
    labels: np.ndarray, factors: dict[str, np.ndarray], draws: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images `[n, size, size, 3]` and masks `[n, size, size]`, uint8, of a chunk: drawn twice as fine and averaged."""
    fine = size * 2
    axis = (np.arange(fine) + 0.5) / fine - 0.5
    grid_y, grid_x = np.meshgrid(axis, axis, indexing="ij")

    def each(values: np.ndarray) -> np.ndarray:
        return values[:, None, None]

    shift_x, shift_y = grid_x - each(factors["x"]), grid_y - each(factors["y"])
    cos, sin = each(np.cos(factors["rotation"])), each(np.sin(factors["rotation"]))
    root = each(np.sqrt(factors["aspect"]))
    along, across = (shift_x * cos + shift_y * sin) / root, (shift_y * cos - shift_x * sin) * root
    distance = np.hypot(along, across)
    angle = np.arctan2(across, along)
    count = len(_HARMONICS)
    phases, sizes = draws[:, :count] * 2 * np.pi, 0.5 + draws[:, count : 2 * count]
    sizes = sizes / np.sqrt((sizes**2).sum(1, keepdims=True) / 2)  # unit root mean square around the border
    wobble = np.zeros_like(distance)
    for k, harmonic in enumerate(_HARMONICS):
        wobble += each(sizes[:, k]) * np.cos(harmonic * angle + each(phases[:, k]))
    border = each(factors["radius"]) * (1 + 0.6 * each(_IRREGULARITY[labels]) * wobble)
    inside = 1 / (1 + np.exp(np.clip((distance - border) / 0.012, -40, 40)))

    texture = np.zeros_like(distance)
    for k in range(_WAVES):
        direction, phase = each(draws[:, 12 + 2 * k] * np.pi), each(draws[:, 13 + 2 * k] * 2 * np.pi)
        wave = 2 * np.pi * each(_TEXTURE_CYCLES[labels])
        texture += np.cos(wave * (shift_x * np.cos(direction) + shift_y * np.sin(direction)) + phase)
    depth = np.clip(distance / np.maximum(border, 1e-3), 0, 1)[..., None] ** 2
    lesion = _CENTRE[labels][:, None, None] * (1 - depth) + _RIM[labels][:, None, None] * depth
    lesion = lesion * (1 + 0.11 * texture[..., None] / np.sqrt(_WAVES / 2))
    tone = factors["tone"][:, None]
    skin = (_LIGHT_SKIN * (1 - tone) + _DARK_SKIN * tone)[:, None, None]
    images = skin * (1 - inside[..., None]) + lesion * inside[..., None]
    images = (
        images
        * (1 + 2 * each(factors["light_x"]) * grid_x + 2 * each(factors["light_y"]) * grid_y)[..., None]
    )
    for k in range(3):
        offset, turn, bend = (draws[:, 22 + 3 * k + j] for j in range(3))
        nx, ny = each(np.cos(turn * np.pi)), each(np.sin(turn * np.pi))
        run = grid_y * nx - grid_x * ny
        line = grid_x * nx + grid_y * ny - each(offset * 0.7 - 0.35) - each(bend - 0.5) * run**2
        hair = np.exp(-((line / 0.011) ** 2)) * each((factors["hairs"] > k) * 0.75)
        images = images * (1 - hair[..., None]) + np.array([0.10, 0.07, 0.05]) * hair[..., None]
    images = images.reshape(len(labels), size, 2, size, 2, 3).mean((2, 4))
    covered = (distance < border).reshape(len(labels), size, 2, size, 2).mean((2, 4))
    masks = (covered >= 0.5).astype(np.uint8) * np.uint8(255)
    return np.asarray(np.round(np.clip(images, 0, 1) * 255), np.uint8), masks
