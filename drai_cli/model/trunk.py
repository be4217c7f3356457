"""The image-reading network in the encoder and in the discriminator."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.model.generator import smallest_size, stage_channels
from drai_cli.model.layers import ResidualBlock, activate, conv, linear
from drai_cli.settings.config import ModelConfig

FEATURE_DIM = 384


class Trunk(nn.Module):
    """Image to feature vector. Only a space-to-depth works at full resolution.

    Args:
        config: The networks' shape.
        with_masks: Whether it reads the masks too, after the intensities.
    """

    def __init__(self, config: ModelConfig, with_masks: bool = False) -> None:
        super().__init__()
        channels = stage_channels(config)
        read = config.image_channels + (config.mask_channels if with_masks else 0)
        self.stem = conv(read * 4, channels[0])
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(config.blocks))) for width in channels
        )
        self.downs = nn.ModuleList(conv(a, b) for a, b in itertools.pairwise(channels))
        self.flat = linear(channels[-1] * smallest_size(config) ** 2, FEATURE_DIM, gain=1.4)

    def forward(self, images: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch feature"]:
        *_, coarsest = self.maps(images)
        return self.read(activate(coarsest))

    def read(self, seen: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch feature"]:
        """The feature vector of the whole frame, from the last of `maps`, activated."""
        features: Tensor = activate(self.flat(seen.flatten(1)))
        return features.float()

    def maps(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Iterator[Float[Tensor, "batch stage_channels stage_height stage_width"]]:
        """The feature maps of each stage, from the finest to the coarsest."""
        x = activate(self.stem(functional.pixel_unshuffle(images, 2)))
        for index, stage in enumerate(self.stages):
            if index:
                x = activate(self.downs[index - 1](functional.avg_pool2d(x, 2)))
            x = stage(x)
            yield x
