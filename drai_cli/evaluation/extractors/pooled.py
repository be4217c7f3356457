"""Pooled features of ImageNet networks with torchvision's tensor names, from tensors that the caller read.

Which network the tensors belong to follows from their names. Distances in these features are not published FID. Knows
nothing of paths.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.resnet import ResNet, resnet_depth
from drai_cli.evaluation.extractors.squeezenet import SqueezeNet
from drai_cli.metrics.mapping import Images, map_images

BATCH = 64  # images at a time: a ResNet 50 at 128 px takes some 300 MB
SIZE = 128
"""Side in pixels at which distances are reported."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


KNOWN = "SqueezeNet 1.1, ResNet 18, 34 or 50 (torchvision's tensor names), or the Inception of published FID"


class PooledFeatures:
    """Stored images, grey or RGB, to a network's pooled features.

    Args:
        network: Standardised RGB images to features `[b, d]`; its `name` is the first part of the extractor's.
        size: Side in pixels to which images are resized first (bilinear, antialiased).
        device: Where to run; always float32.
        weights: A hash that identifies the tensors; may be empty.
    """

    def __init__(
        self,
        network: SqueezeNet | ResNet,
        size: int = SIZE,
        device: torch.device | str = "cpu",
        weights: str = "",
    ) -> None:
        self._network = network.to(device).eval().requires_grad_(False)
        self._architecture, self._size, self._weights = network.name, size, weights
        self._device = torch.device(device)
        self._mean = torch.tensor(_MEAN, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(_DEVIATION, device=device).view(1, 3, 1, 1)

    @property
    def name(self) -> str:
        """Identifies these features next to numbers measured in them."""
        return f"{self._architecture}-{self._size}px"

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in one line."""
        which = f" ({self._weights})" if self._weights else ""
        return (
            f"numbers of {self.name} with the same weights{which} and as many images; not with published FID"
        )

    def features(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """Pooled features of stored images."""
        return map_images(self._look, images, self._device, BATCH)

    def _look(self, batch: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        rgb = batch.expand(-1, 3, -1, -1) if batch.shape[1] == 1 else batch
        size = (self._size, self._size)
        if rgb.shape[-2:] != size:
            rgb = F.interpolate(rgb, size=size, mode="bilinear", antialias=True)
        features: Tensor = self._network((rgb.add(1).mul(0.5) - self._mean) / self._deviation)
        return features


def load_pooled(
    state: Mapping[str, Tensor], device: torch.device | str = "cpu", *, size: int = SIZE, weights: str = ""
) -> PooledFeatures:
    """The extractor whose tensors these are, by torchvision's names; those of a classifier are ignored.

    Batch normalisation's count of batches may be missing: features do not depend on it.

    Raises:
        WeightsError: The tensors of another network, or a tensor is missing or has another shape.
    """
    depth = resnet_depth(state)
    if "features.3.squeeze.weight" not in state and not depth:
        raise WeightsError("feature extractor", f"expected the tensors of {KNOWN}, got others")
    network = ResNet(depth) if depth else SqueezeNet()
    chosen = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            chosen[name] = tensor
            continue
        if name not in state:
            raise WeightsError("feature extractor", f"expected {network.title} tensors, {name} is missing")
        if state[name].shape != tensor.shape:
            got, expected = tuple(state[name].shape), tuple(tensor.shape)
            raise WeightsError("feature extractor", f"expected {name} of shape {expected}, got {got}")
        chosen[name] = state[name].float()
    network.load_state_dict(chosen)
    return PooledFeatures(network, size, device, weights)
