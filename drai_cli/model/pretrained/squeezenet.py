"""SqueezeNet 1.1 (Iandola et al. 2016): its feature maps, and features after global average pooling."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.model.pretrained.imagenet_scale import IMAGENET_DEVIATION, IMAGENET_MEAN

# Position in torchvision's sequence: channels in, squeezed, and expanded per kernel size.
_FIRES = {
    3: (64, 16, 64),
    4: (128, 16, 64),
    6: (128, 32, 128),
    7: (256, 32, 128),
    9: (256, 48, 192),
    10: (384, 48, 192),
    11: (384, 64, 256),
    12: (512, 64, 256),
}
_POOLS = (2, 5, 8)
_TAPS = (2, 4, 7, 12)  # the last layer of each resolution, and the first pooled edges


class _Fire(nn.Module):
    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        narrow = F.relu(self.squeeze(maps))
        return F.relu(torch.cat([self.expand1x1(narrow), self.expand3x3(narrow)], 1))


class SqueezeNet(nn.Module):
    """The convolutional part of SqueezeNet 1.1; tensor names are torchvision's."""

    name, title, feature_dim = "squeezenet1_1", "SqueezeNet 1.1", 512
    map_channels = (64, 128, 256, 512)
    mean, deviation = IMAGENET_MEAN, IMAGENET_DEVIATION

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place in range(13):
            if place == 0:
                layers.append(nn.Conv2d(3, 64, 3, stride=2))
            elif place == 1:
                layers.append(nn.ReLU())
            elif place in _POOLS:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            else:
                layers.append(_Fire(*_FIRES[place]))
        self.features = nn.Sequential(*layers)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 512"]:
        return self.maps(images)[-1].mean((2, 3))

    def maps(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Feature maps of four depths, from fine to coarse."""
        out, taps = images, []
        for place, layer in enumerate(self.features):
            out = layer(out)
            if place in _TAPS:
                taps.append(out)
        return taps
