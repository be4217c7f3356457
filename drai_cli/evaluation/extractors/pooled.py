"""Pooled features of ImageNet networks, from tensors that the caller read.

Distances in these features are not published FID. Knows nothing of paths.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from drai_cli.metrics.mapping import Images, map_images
from drai_cli.model.pretrained.digest import weights_sha256
from drai_cli.model.pretrained.known import KNOWN as PRETRAINED
from drai_cli.model.pretrained.known import PretrainedNetwork, build_pretrained

BATCH = 64  # images at a time: a ResNet 50 at 128 px takes some 300 MB
SIZE = 128
"""Side in pixels at which distances are reported."""

KNOWN = f"{PRETRAINED}, or the Inception of published FID"


class PooledFeatures:
    """Stored images, grey or RGB, to a network's pooled features.

    Args:
        network: Standardised RGB images to features `[b, d]`; its `name` is the first part of the extractor's.
        size: Side in pixels to which images are resized first (bilinear, antialiased).
        device: Where to run; always float32.
        weights: A hash that identifies the tensors; may be empty.
        by: How it was trained, in front of the name: `swav-`; empty for ImageNet's labels.

    Attributes:
        weights_sha256: Of its tensors, whatever file they are in.
    """

    def __init__(
        self,
        network: PretrainedNetwork,
        size: int = SIZE,
        device: torch.device | str = "cpu",
        weights: str = "",
        by: str = "",
    ) -> None:
        self.weights_sha256 = weights_sha256(network.state_dict())
        self._network = network.to(device).eval().requires_grad_(False)
        self._architecture, self._size, self._weights = f"{by}{network.name}", size, weights
        self._device = torch.device(device)
        self._mean = torch.tensor(network.mean, device=device).view(1, 3, 1, 1)
        self._deviation = torch.tensor(network.deviation, device=device).view(1, 3, 1, 1)

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
    state: Mapping[str, Tensor],
    device: torch.device | str = "cpu",
    *,
    size: int = SIZE,
    weights: str = "",
    by: str = "",
) -> PooledFeatures:
    """The extractor whose tensors these are, by their published names; raises as `build_pretrained`."""
    return PooledFeatures(build_pretrained(state, expected=KNOWN), size, device, weights, by)
