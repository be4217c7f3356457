"""The generator G(c, z): codes to image. The condition reaches it through the content code alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.model.layers import FilmBlock, UpConv, activate, conv, linear, mlp
from drai_cli.settings.config import ModelConfig

_CODE_DIM = 192
_HEAD_CHANNELS = 16


def stage_channels(config: ModelConfig) -> list[int]:
    """Channels of each stage from half the image's resolution down to the smallest, at most 7 px wide."""
    size, channels = config.image_size // 2, [config.channels]
    while size % 2 == 0 and size > 4:
        size //= 2
        channels.append(min(channels[-1] * 2, config.max_channels))
    return channels


def smallest_size(config: ModelConfig) -> int:
    """Height and width of the coarsest stage."""
    return config.image_size // 2 ** len(stage_channels(config))


class Grain(nn.Module):
    """Adds noise to feature maps, the same to all channels, each with a learned strength that starts at 0."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))

    def forward(
        self, x: Float[Tensor, "batch channels height width"], grain: Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return torch.addcmul(x, self.strength.to(x.dtype)[:, None, None], grain.to(x.dtype))


def halve_grain(grain: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 h w"]:
    """White noise of variance 1 at half the resolution: the mean of four such numbers has the deviation one half."""
    return 2 * functional.avg_pool2d(grain, 2)


class Generator(nn.Module):
    """Maps the codes to one vector that modulates every block, and to the coarsest feature map."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.style_dim = config.style_dim
        self.channels = stage_channels(config)[::-1]
        self.size = smallest_size(config)
        self.code = mlp(config.content_dim + config.style_dim, _CODE_DIM, _CODE_DIM, hidden_layers=1)
        self.start = linear(config.content_dim + config.style_dim, self.channels[0] * self.size**2)
        self.stages = nn.ModuleList(
            nn.ModuleList(FilmBlock(width, _CODE_DIM) for _ in range(config.blocks))
            for width in self.channels
        )
        self.ups = nn.ModuleList(UpConv(a, b) for a, b in zip(self.channels, self.channels[1:], strict=False))
        self.head = UpConv(self.channels[-1], _HEAD_CHANNELS)
        # From the coarsest stage to the image's own resolution.
        widths = [*self.channels, _HEAD_CHANNELS] if config.grain else []
        self.grains = nn.ModuleList(Grain(width) for width in widths)
        self.grain_side = config.image_size if config.grain else 0
        self.image_channels, self.mask_channels = config.image_channels, config.mask_channels
        self.to_image = conv(_HEAD_CHANNELS, config.image_channels + config.mask_channels, gain=0.5)

    def forward(
        self,
        content: Float[Tensor, "batch content_dim"],
        style: Float[Tensor, "batch style_dim"],
        grain: Float[Tensor, "batch 1 side side"] | None = None,
        with_masks: bool = False,
    ) -> Float[Tensor, "batch channels height width"]:
        """Images in [-1, 1], with their masks after the intensities if asked for: above 0 is inside.

        `grain` is white noise of variance 1 at the image's size, of models that take it.
        """
        noise = self._levels(grain)
        codes = torch.cat([content, style], dim=1)
        code = activate(self.code(codes))
        x = self.start(codes).view(-1, self.channels[0], self.size, self.size)
        x = x.contiguous(memory_format=torch.channels_last)
        for index, blocks in enumerate(self.stages):
            if index:
                x = activate(self.ups[index - 1](x))
            if noise:
                x = self.grains[index](x, noise[index])
            for block in blocks:  # type: ignore[attr-defined]
                x = block(x, code)
        x = activate(self.head(x))
        if noise:
            x = self.grains[-1](x, noise[-1])
        images: Tensor = torch.tanh(self.to_image(x).float())
        return images if with_masks or not self.mask_channels else images[:, : self.image_channels]

    def _levels(self, grain: Float[Tensor, "batch 1 side side"] | None) -> list[Tensor]:
        """The noise of every stage and of the image; empty without noise."""
        if grain is None or not self.grains:
            return []
        levels = [grain]
        for _ in self.channels:
            levels.insert(0, halve_grain(levels[0]))
        return levels
