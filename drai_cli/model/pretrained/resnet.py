"""ResNet 18, 34 and 50 (He et al. 2016): feature maps of four stages, and features after global average pooling.

Tensor names and arithmetic are torchvision's: in the blocks of three convolutions the middle one has the stride.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.model.pretrained.imagenet_scale import IMAGENET_DEVIATION, IMAGENET_MEAN

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
"""Blocks per stage, by depth; those of 50 have three convolutions, the others two."""
_STEM = 64


class _Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1, with an identity path."""

    def __init__(self, channels: int, width: int, stride: int, is_deep: bool) -> None:
        super().__init__()
        out = 4 * width if is_deep else width
        if is_deep:
            self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
        else:
            self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, out, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.is_deep, self.downsample = is_deep, None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, maps: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(maps)))
        out = self.bn2(self.conv2(out))
        if self.is_deep:
            out = self.bn3(self.conv3(F.relu(out)))
        return F.relu(out + (maps if self.downsample is None else self.downsample(maps)))


class ResNet(nn.Module):
    """A ResNet without its classifier.

    Args:
        depth: 18, 34 or 50.
    """

    mean, deviation = IMAGENET_MEAN, IMAGENET_DEVIATION

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.name, self.title, is_deep = f"resnet{depth}", f"ResNet {depth}", depth >= 50
        self.conv1 = nn.Conv2d(3, _STEM, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        channels, of_stages = _STEM, []
        for stage, count in enumerate(BLOCKS[depth]):
            width = _STEM << stage
            blocks = []
            for place in range(count):
                blocks.append(_Block(channels, width, 2 if stage and not place else 1, is_deep))
                channels = 4 * width if is_deep else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            of_stages.append(channels)
        self.feature_dim, self.map_channels = channels, tuple(of_stages)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        return self.maps(images)[-1].mean((2, 3))

    def maps(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Feature maps of the four stages, from fine to coarse."""
        out, taps = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, 2, 1), []
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
            taps.append(out)
        return taps


def resnet_depth(names: Collection[str]) -> int | None:
    """The depth of the ResNet that tensors of these names belong to; 0: another depth, None: not a ResNet."""
    places = (re.fullmatch(r"layer([1-4])\.\d+\.conv1\.weight", name) for name in names)
    counts = Counter(place[1] for place in places if place)
    if not counts:
        return None
    stages = tuple(counts[stage] for stage in "1234")
    is_deep = "layer1.0.conv3.weight" in names
    return next((depth for depth, blocks in BLOCKS.items() if (blocks, depth >= 50) == (stages, is_deep)), 0)
