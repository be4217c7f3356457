"""The mask reader: image to its masks, a small U-Net that serves training alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.model.layers import ResidualBlock, activate, conv
from drai_cli.settings.config import ModelConfig

_WIDTHS = (32, 48)


class MaskReader(nn.Module):
    """Says from an image's intensities which of its pixels each mask covers (after Ronneberger et al. 2015).

    It works at half and a quarter of the resolution, and its last layer gives the four pixels of each place.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        fine, coarse = _WIDTHS
        self.stem = conv(config.image_channels * 4, fine)
        self.before = ResidualBlock(fine)
        self.down = conv(fine, coarse)
        self.middle = ResidualBlock(coarse)
        self.up = conv(coarse + fine, fine)
        self.after = ResidualBlock(fine)
        self.to_masks = conv(fine, config.mask_channels * 4, gain=0.5)

    def forward(
        self, images: Float[Tensor, "batch intensities height width"]
    ) -> Float[Tensor, "batch masks height width"]:
        """Logits of inside."""
        x = self.before(activate(self.stem(functional.pixel_unshuffle(images, 2))))
        coarse = self.middle(activate(self.down(functional.avg_pool2d(x, 2, ceil_mode=True))))
        wide = functional.interpolate(coarse, x.shape[-2:], mode="bilinear")
        x = self.after(activate(self.up(torch.cat([wide, x], 1))))
        return functional.pixel_shuffle(self.to_masks(x), 2).float()
