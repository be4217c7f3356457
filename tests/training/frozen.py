"""A frozen network for the projected discriminator of tiny grey images: small, random, with batch norms."""

from __future__ import annotations

import torch
from torch import nn

from drai_cli.training.features import FrozenFeatures


class TinyMaps(nn.Module):
    """Two depths, the coarser half as large."""

    map_channels, mean, deviation = (6, 8), (0.5,), (0.5,)

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 3, 1, 1), nn.Conv2d(6, 8, 3, 2, 1)
        # Registered away from their convolutions, as in a ResNet.
        self.norm_of_second, self.norm_of_first = nn.BatchNorm2d(8), nn.BatchNorm2d(6)

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        fine = torch.relu(self.norm_of_first(self.first(images)))
        return [fine, torch.relu(self.norm_of_second(self.second(fine)))]


def make_maps() -> TinyMaps:
    """The network, not frozen yet."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = TinyMaps()
        for norm in (network.norm_of_first, network.norm_of_second):
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.5, 1.5)
            norm.weight.data.uniform_(0.5, 1.5)
    return network.eval()


def make_frozen() -> FrozenFeatures:
    """For images of 16 px, standardised on noise."""
    frozen = FrozenFeatures(make_maps(), (16, 18, 20), seed=0)
    noise = torch.rand(64, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    frozen.standardise([noise[:40], noise[40:]])
    return frozen
