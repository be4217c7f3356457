"""A feature extractor that works offline: SqueezeNet 1.1 (Iandola et al. 2016), pooled, from tensors the caller read.

Distances on these features are named for them; they are not published FID. Knows nothing of paths.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.errors import WeightsError
from drai_cli.metrics.pixels import map_images

# Position in the sequence as torchvision numbers it: channels in, squeezed, and expanded per kernel size.
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
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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

    feature_dim = 512

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
        out: Tensor = self.features(images)
        return out.mean((2, 3))


class SqueezeNetFeatures:
    """Stored images, grey or RGB, to 512 pooled features.

    Args:
        state: Tensors by torchvision's names; the classifier's are not needed.
        size: Side in pixels that images are brought to (bilinear, antialiased) before they are looked at.
        device: Where to run; always float32.

    Raises:
        WeightsError: A tensor is missing or has another shape.
    """

    def __init__(
        self, state: Mapping[str, Tensor], size: int = 128, device: torch.device | str = "cpu"
    ) -> None:
        network = SqueezeNet()
        wanted = network.state_dict()
        for name, tensor in wanted.items():
            if name not in state:
                raise WeightsError("feature extractor", f"expected SqueezeNet 1.1 tensors, {name} is missing")
            if state[name].shape != tensor.shape:
                got, expected = tuple(state[name].shape), tuple(tensor.shape)
                raise WeightsError("feature extractor", f"expected {name} of shape {expected}, got {got}")
        network.load_state_dict({name: state[name].float() for name in wanted})
        self._network = network.to(device).eval().requires_grad_(False)
        self._size, self._device = size, torch.device(device)
        self._mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(_DEVIATION, device=device).view(1, 3, 1, 1)

    @property
    def name(self) -> str:
        """What stands beside numbers measured in these features."""
        return f"squeezenet1_1-{self._size}px"

    def features(self, images: Integer[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n 512"]:
        """Pooled features of stored images."""
        return map_images(self._look, images, self._device)

    def _look(self, batch: Tensor) -> Tensor:
        rgb = batch.expand(-1, 3, -1, -1) if batch.shape[1] == 1 else batch
        shown = (self._size, self._size)
        if rgb.shape[-2:] != shown:
            rgb = F.interpolate(rgb, size=shown, mode="bilinear", antialias=True)
        out: Tensor = self._network((rgb.add(1).mul(0.5) - self._mean) / self._deviation)
        return out


def load_squeezenet(state: Mapping[str, Tensor], device: torch.device | str = "cpu") -> SqueezeNetFeatures:
    """The extractor of reported distances, at its usual size of 128 px, from tensors by torchvision's names."""
    return SqueezeNetFeatures(state, device=device)
