"""Random changes of images as one affine warp and one change of tone: V_self's T and the discriminator's augmentation.

Everything is drawn from a generator that the caller seeds, where that generator lives, per image, and is differentiable
in the images. Where the images are a share of a batch, what is drawn is that of the whole batch, and theirs is taken
from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from drai_cli.training.overlap import sent
from drai_cli.training.parallel import Share

Images = Float[Tensor, "batch channels height width"]
Symmetry = Literal["none", "flip", "dihedral"]


@dataclass(frozen=True)
class Changes:
    """Ranges of a random change.

    Attributes:
        symmetry: `none`, `flip` (left and right are alike), or `dihedral` (no preferred direction: flips and any turn).
        turn_degrees: Largest rotation where the symmetry does not allow any turn.
        shift: Largest shift, fraction of the frame.
        zoom: Largest change of scale, as a logarithm.
        brightness: Largest relative change of brightness.
        contrast: Largest relative change of contrast about the image's mean.
    """

    symmetry: Symmetry = "none"
    turn_degrees: float = 10.0
    shift: float = 0.08
    zoom: float = 0.12
    brightness: float = 0.1
    contrast: float = 0.1


def orient(
    images: Images, symmetry: Symmetry, generator: torch.Generator, share: Share | None = None
) -> Images:
    """Mirrors and, where the symmetry allows, quarter-turns each image at random: exact, without interpolation."""
    if symmetry == "none":
        return images
    n = len(images) if share is None else share.total
    code = _taken(torch.randint(0, 8 if symmetry == "dihedral" else 2, (n,), **drawn_by(generator)), share)
    bits = torch.stack([code % 2, code // 2 % 2, code // 4]).bool()[..., None, None, None]
    left_right, up_down, turned = sent(bits, images.device)
    images = torch.where(left_right, images.flip(3), images)
    if symmetry == "dihedral":
        images = torch.where(up_down, images.flip(2), images)
        images = torch.where(turned, images.transpose(2, 3), images)
    return images.contiguous(memory_format=torch.channels_last)


def change(
    images: Images,
    changes: Changes,
    generator: torch.Generator,
    probability: float | Tensor | None = None,
    share: Share | None = None,
) -> Images:
    """Each kind of change befalls each image with `probability` (None: always); uncovered parts are reflected."""
    n, device = len(images), images.device
    drawn = n if share is None else share.total

    def draw(low: float, high: float) -> Tensor:
        values = torch.rand(drawn, **drawn_by(generator)) * (high - low) + low
        if probability is not None:
            values = values * (torch.rand(drawn, **drawn_by(generator)) < probability)
        return _taken(values, share)

    limit = 180.0 if changes.symmetry == "dihedral" else changes.turn_degrees
    angle = draw(-limit, limit) * (math.pi / 180)
    scale = torch.exp(draw(-changes.zoom, changes.zoom))
    # affine_grid's frame runs from -1 to 1, so a shift by the whole frame is 2.
    shift_x, shift_y = (
        draw(-2 * changes.shift, 2 * changes.shift),
        draw(-2 * changes.shift, 2 * changes.shift),
    )
    mirror = torch.ones_like(angle)
    if changes.symmetry != "none":
        mirror = torch.where(draw(-1, 1) > 0, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrix = (
        torch.stack([cos * mirror, -sin, shift_x, sin * mirror, cos, shift_y], 1).view(n, 2, 3).to(device)
    )
    gain, contrast = draw(-changes.brightness, changes.brightness), draw(-changes.contrast, changes.contrast)
    with torch.autocast(device.type, enabled=False):
        grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
        images = functional.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
        mean = images.mean((1, 2, 3), keepdim=True)
        factor = (1 + contrast).to(device)[:, None, None, None]
        # Brightness scales light, so it acts on (x + 1): black stays black.
        images = ((images - mean) * factor + mean + 1) * (1 + gain).to(device)[:, None, None, None] - 1
    return images


def cut_out(
    images: Images,
    size: float,
    generator: torch.Generator,
    probability: float | Tensor,
    share: Share | None = None,
) -> Images:
    """Blanks a square of `size` (fraction of the frame) at a random place of each image, with `probability`."""
    height, width = images.shape[2:]
    n = len(images) if share is None else share.total
    half = size / 2
    centre: Float[Tensor, "2 batch"] = _taken(torch.rand(2, n, **drawn_by(generator)).T, share).T
    chosen = _taken(torch.rand(n, **drawn_by(generator)) < probability, share)
    rows = (torch.arange(height, device=centre.device) + 0.5) / height
    columns = (torch.arange(width, device=centre.device) + 0.5) / width
    in_rows = (rows[None] - centre[0][:, None]).abs() < half
    in_columns = (columns[None] - centre[1][:, None]).abs() < half
    hole = in_rows[:, None, :, None] & in_columns[:, None, None, :] & chosen[:, None, None, None]
    return images * (~hole).to(images.device)


def augment(
    images: Images, probability: float | Tensor | None, generator: torch.Generator, share: Share | None = None
) -> Images:
    """The discriminator's adaptive augmentation; None: there is none now, and nothing is drawn."""
    if probability is None:
        return images
    images = change(images, _DISCRIMINATOR_CHANGES, generator, probability, share)
    return cut_out(images, 0.4, generator, probability, share)


def _taken(drawn: Tensor, share: Share | None) -> Tensor:
    return drawn if share is None else drawn[share.rows]


_DISCRIMINATOR_CHANGES = Changes("flip", turn_degrees=15, shift=0.12, zoom=0.2, brightness=0.2, contrast=0.3)


def drawn_by(generator: torch.Generator) -> dict[str, Any]:
    """What a drawing function of torch is told to draw from a generator, where that lives."""
    return {"generator": generator, "device": generator.device}


def seeded(*numbers: int) -> torch.Generator:
    """A CPU generator whose state follows from whole numbers alone, such as (seed, images seen, purpose)."""
    mixed = 0
    for number in numbers:
        mixed = (mixed * 0x9E3779B97F4A7C15 + number + 0x632BE59BD9B4E019) % (1 << 63)
    return torch.Generator().manual_seed(mixed)
