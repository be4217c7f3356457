"""Random changes of images, one affine warp and one change of tone: V_self's T and the discriminator's augmentation.

All changes are drawn per image from a generator that the caller seeds, and are differentiable in the images. If the
images are a share of a batch, the draws are made for the whole batch and those of the share are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from drai_cli.training.draws import draw_integers, draw_uniform
from drai_cli.training.overlap import send
from drai_cli.training.parallel import Share
from drai_cli.training.precision import full_precision

Images = Float[Tensor, "batch channels height width"]
Symmetry = Literal["none", "flip", "dihedral"]


@dataclass(frozen=True)
class Changes:
    """Ranges of a random change.

    Attributes:
        symmetry: `none`, `flip` (left and right are alike), or `dihedral` (flips and any rotation).
            Rotations here are free, those of `orient` are multiples of 90°.
        turn_degrees: Largest rotation where the symmetry does not allow all of them.
        shift: Largest shift, as a fraction of the frame.
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


DISCRIMINATOR_CHANGES = Changes("flip", turn_degrees=15.0, shift=0.12, zoom=0.2, brightness=0.2, contrast=0.3)


_HOLE = 0.4


def orient(
    images: Images, symmetry: Symmetry, generator: torch.Generator, share: Share | None = None
) -> Images:
    """Mirrors each image at random and, for `dihedral`, rotates it by a multiple of 90°: exact, no interpolation."""
    if symmetry == "none":
        return images
    n = len(images) if share is None else share.total
    code = _take(draw_integers(generator, 8 if symmetry == "dihedral" else 2, n), share)
    bits = torch.stack([code % 2, code // 2 % 2, code // 4]).bool()[..., None, None, None]
    left_right, up_down, turned = send(bits, images.device)
    images = torch.where(left_right, images.flip(3), images)
    if symmetry == "dihedral":
        images = torch.where(up_down, images.flip(2), images)
        images = torch.where(turned, images.transpose(2, 3), images)
    return images.contiguous(memory_format=torch.channels_last)


def change(
    images: Images,
    changes: Changes,
    generator: torch.Generator,
    probability: float | Float[Tensor, ""] | None = None,
    share: Share | None = None,
    side: int | None = None,
    masks: int = 0,
) -> Float[Tensor, "batch channels _ _"]:
    """Makes each kind of change to each image with `probability` (None: always); uncovered parts are reflected.

    With a `side`, images are always brought to that height and width, in the same interpolation. It must not be smaller
    than theirs, or they are aliased. The last `masks` channels are moved along, and keep their tone.
    """
    n, device = len(images), images.device
    drawn = n if share is None else share.total

    def draw(low: float, high: float) -> Float[Tensor, " batch"]:
        values = draw_uniform(generator, drawn) * (high - low) + low
        if probability is not None:
            values = values * (draw_uniform(generator, drawn) < probability)
        return _take(values, share)

    limit = 180.0 if changes.symmetry == "dihedral" else changes.turn_degrees
    angle = draw(-limit, limit) * (math.pi / 180)
    scale = torch.exp(draw(-changes.zoom, changes.zoom))
    # affine_grid's frame is from -1 to 1, so a shift by the whole frame is 2.
    shift_x, shift_y = (draw(-2 * changes.shift, 2 * changes.shift) for _ in range(2))
    mirror = torch.ones_like(angle)
    if changes.symmetry != "none":
        mirror = torch.where(draw(-1.0, 1.0) > 0, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([cos * mirror, -sin, shift_x, sin * mirror, cos, shift_y], 1)
    matrix = rows.view(n, 2, 3).to(device)
    gain, contrast = draw(-changes.brightness, changes.brightness), draw(-changes.contrast, changes.contrast)
    shape = list(images.shape)
    with full_precision(device):
        if side is not None:
            shape[2:] = [side, side]
        grid = functional.affine_grid(matrix, shape, align_corners=False)
        images = functional.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
        regions = images[:, images.shape[1] - masks :]
        images = images[:, : images.shape[1] - masks] if masks else images
        mean = images.mean((1, 2, 3), keepdim=True)
        factor = (1 + contrast).to(device)[:, None, None, None]
        # Brightness scales light, so it acts on (x + 1): black stays black.
        images = ((images - mean) * factor + mean + 1) * (1 + gain).to(device)[:, None, None, None] - 1
    return torch.cat([images, regions], 1) if masks else images


def cut_out(
    images: Images,
    size: float,
    generator: torch.Generator,
    probability: float | Float[Tensor, ""],
    share: Share | None = None,
) -> Images:
    """Blanks a square of `size` (fraction of the frame) at a random place of each image, with `probability`."""
    height, width = images.shape[2:]
    n = len(images) if share is None else share.total
    centre: Float[Tensor, "2 batch"] = _take(draw_uniform(generator, 2, n).T, share).T
    is_chosen = _take(draw_uniform(generator, n) < probability, share)
    rows = (torch.arange(height, device=centre.device) + 0.5) / height
    columns = (torch.arange(width, device=centre.device) + 0.5) / width
    in_rows = (rows[None] - centre[0][:, None]).abs() < size / 2
    in_columns = (columns[None] - centre[1][:, None]).abs() < size / 2
    hole = in_rows[:, None, :, None] & in_columns[:, None, None, :] & is_chosen[:, None, None, None]
    return images * (~hole).to(images.device)


def augment(
    images: Images,
    probability: float | Float[Tensor, ""] | None,
    generator: torch.Generator,
    share: Share | None = None,
    masks: int = 0,
) -> Images:
    """Augments images for the discriminator; with probability None nothing is drawn or changed.

    The last `masks` channels move with the image; its tone is not theirs.
    """
    if probability is None:
        return images
    images = change(images, DISCRIMINATOR_CHANGES, generator, probability, share, masks=masks)
    return cut_out(images, _HOLE, generator, probability, share)


def _take(drawn: Tensor, share: Share | None) -> Tensor:
    return drawn if share is None else drawn[share.rows]
