"""The image grid of a tick: samples of each label, real images, their reconstructions, and style swaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt
from torch import Tensor
from torch.nn import functional

from drai_cli.io.tiles import tile_images
from drai_cli.model.networks import Networks
from drai_cli.model.pixels import from_unit, to_unit

COLUMNS = 8
GAP = 2
"""White pixels between images."""
_MAX_LABELS = 12
_SWAPS = 3


def row_names(labels: Sequence[str], has_encoder: bool) -> list[str]:
    """Names of the rows of `draw_grid`, from the top."""
    swaps = [f"content of real {k + 1}" for k in range(_SWAPS)]
    return [*labels[:_MAX_LABELS], *(["real", "reconstructed", *swaps] if has_encoder else [])]


@torch.inference_mode()
def draw_grid(
    networks: Networks,
    images: UInt[np.ndarray, "n height width channels"],
    conditions: Float[Tensor, "n condition"],
    label_conditions: Float[Tensor, "label condition"],
    style_dim: int,
    device: torch.device,
) -> UInt[np.ndarray, "sheet_height sheet_width channels"]:
    """Draws rows of samples for each label (a column has one style), real images, their reconstructions, and swaps.

    Swap row k has the content of real image k and the style of each column's real image. If content is not inferred, it
    is the prior's mean for the image's condition. Without an encoder there are only samples.

    Args:
        networks: In eval mode.
        images: Real images, uint8 or uint16; the first `COLUMNS` are shown.
        conditions: Conditions of those images.
        label_conditions: One condition per label; the first twelve are shown.
        style_dim: Size of the style code.
        device: Device of the networks.
    """
    generator = torch.Generator().manual_seed(0)
    style = torch.randn(COLUMNS, style_dim, generator=generator).to(device)
    side, grain = networks.generator.grain_side, None
    if side:
        grain = torch.randn(COLUMNS, 1, side, side, generator=generator).to(device)
    rows = []
    for condition in label_conditions[:_MAX_LABELS]:
        prior = networks.content_prior(condition[None].expand(COLUMNS, -1).to(device))
        content = prior.sample(torch.randn(prior.mean.shape, generator=generator).to(device))
        rows.append(networks.generator(content, style, grain))
    real = to_unit(images[:COLUMNS], device)
    if len(real) < COLUMNS:
        real = torch.cat([real, -torch.ones(COLUMNS - len(real), *real.shape[1:], device=device)])
    if networks.encoder is not None:
        inferred, of_style = networks.encoder(real)
        if inferred is None:
            shown = functional.pad(conditions[:COLUMNS], (0, 0, 0, COLUMNS - len(conditions[:COLUMNS])))
            inferred = networks.content_prior(shown.to(device))
        content, style = inferred.mean, of_style.mean
        rows += [real, networks.generator(content, style)]
        rows += [networks.generator(content[k : k + 1].expand(COLUMNS, -1), style) for k in range(_SWAPS)]
    return tile_images([from_unit(row) for row in rows], (GAP, GAP))
