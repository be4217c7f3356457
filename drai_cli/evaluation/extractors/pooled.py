"""What ImageNet networks with torchvision's tensor names share: size, colours, standardisation, a check of tensors.

Knows nothing of paths or of what the distances are for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32, Integer
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.errors import WeightsError
from drai_cli.metrics.mapping import map_images

BATCH = 64  # images at a time: a ResNet 50 at 128 px takes some 300 MB
SIZE = 128
"""Side in pixels at which distances are reported."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def fill_network(network: nn.Module, state: Mapping[str, Tensor], architecture: str) -> None:
    """Puts tensors into a network by their names; others, such as a classifier's, are left.

    Batch normalisation's count of batches may be missing: it says nothing of the network.

    Raises:
        WeightsError: A tensor is missing or has another shape.
    """
    kept = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            kept[name] = tensor
            continue
        if name not in state:
            raise WeightsError("feature extractor", f"expected {architecture} tensors, {name} is missing")
        if state[name].shape != tensor.shape:
            got, expected = tuple(state[name].shape), tuple(tensor.shape)
            raise WeightsError("feature extractor", f"expected {name} of shape {expected}, got {got}")
        kept[name] = state[name].float()
    network.load_state_dict(kept)


class PooledFeatures:
    """Stored images, grey or RGB, to a network's pooled features.

    Args:
        network: Standardised RGB images to features `[b, d]`.
        architecture: The first part of its name: `resnet50`.
        size: Side in pixels that images are brought to (bilinear, antialiased) before they are looked at.
        device: Where to run; always float32.
        weights: What tells the tensors from others of the same shapes, a hash; may be empty.
    """

    def __init__(
        self,
        network: nn.Module,
        architecture: str,
        size: int = SIZE,
        device: torch.device | str = "cpu",
        weights: str = "",
    ) -> None:
        self._network = network.to(device).eval().requires_grad_(False)
        self._architecture, self._size, self._weights = architecture, size, weights
        self._device = torch.device(device)
        self._mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(_DEVIATION, device=device).view(1, 3, 1, 1)

    @property
    def name(self) -> str:
        """What stands beside numbers measured in these features."""
        return f"{self._architecture}-{self._size}px"

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in a line."""
        which = f" ({self._weights})" if self._weights else ""
        return (
            f"numbers of {self.name} with the same weights{which} and as many images; not with published FID"
        )

    def features(self, images: Integer[np.ndarray, "n h w c"]) -> Float32[np.ndarray, "n d"]:
        """Pooled features of stored images."""
        return map_images(self._look, images, self._device, BATCH)

    def _look(self, batch: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        rgb = batch.expand(-1, 3, -1, -1) if batch.shape[1] == 1 else batch
        shown = (self._size, self._size)
        if rgb.shape[-2:] != shown:
            rgb = F.interpolate(rgb, size=shown, mode="bilinear", antialias=True)
        return self._network((rgb.add(1).mul(0.5) - self._mean) / self._deviation)
