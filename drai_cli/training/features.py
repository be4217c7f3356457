"""The frozen network of the projected discriminator: feature maps of several scales, mixed and standardised.

After Sauer et al. 2021: random 1x1 convolutions mix the channels of every depth, and coarser maps are added to finer
ones, so that no head can rely on a few prominent features. Knows nothing of files, nor of how the network was trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from drai_cli.model.feature_heads import MIXED_CHANNELS
from drai_cli.training.draws import make_generator

_PURPOSE = 0x0FEA7  # of the random mixing, beside the run's seed

Maps = list[Float[Tensor, "batch mixed _ _"]]


class MapNetwork(Protocol):
    """What a network needs: feature maps of several depths, from fine to coarse.

    `mean` and `deviation` are those of its input images on a scale of 0 to 1; one number for each channel.
    """

    map_channels: Sequence[int]
    mean: Sequence[float]
    deviation: Sequence[float]

    def maps(self, images: Tensor) -> list[Tensor]: ...


class FrozenFeatures(nn.Module):
    """A frozen network and the mixing of its feature maps.

    Args:
        network: Changed: batch normalisation becomes part of the convolutions.
        sides: Sides of the images that it sees, ascending. Each step draws one, so that the network's stride leaves
            no pattern of dots.
        seed: Random seed of the mixing.
    """

    scale: Float[Tensor, "1 channels 1 1"]
    offset: Float[Tensor, "1 channels 1 1"]

    def __init__(self, network: nn.Module, sides: Sequence[int], seed: int) -> None:
        super().__init__()
        channels = len(network.mean)  # type: ignore[arg-type]
        fuse_batch_norms(network.eval(), torch.zeros(1, channels, sides[0], sides[0]))
        self.network: MapNetwork = network  # type: ignore[assignment]
        self.sides = tuple(sides)
        mean, deviation = (
            torch.tensor(v).view(1, -1, 1, 1) for v in (self.network.mean, self.network.deviation)
        )
        # From -1..1 to what the network was trained on.
        self.register_buffer("scale", 0.5 / deviation, persistent=False)
        self.register_buffer("offset", (0.5 - mean) / deviation, persistent=False)
        draws = make_generator(seed, _PURPOSE)
        self.mixing = nn.ModuleList(_Mixing(width, draws) for width in self.network.map_channels)
        self.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]

    def side_at(self, draw: float) -> int:
        """One of the sides, for a draw from 0 to 1."""
        return self.sides[min(int(draw * len(self.sides)), len(self.sides) - 1)]

    @property
    def map_sides(self) -> list[int]:
        """Side of each scale's feature maps in pixels, from fine to coarse, of images of the middle side."""
        side, device = self.side_at(0.5), self.scale.device
        with torch.inference_mode():
            maps = self.network.maps(torch.zeros(1, self.scale.shape[1], side, side, device=device))
        return [one.shape[2] for one in maps]

    @torch.no_grad()
    def standardise(self, batches: Iterable[Float[Tensor, "_ channels side side"]]) -> None:
        """Gives every mixed channel mean 0 and variance 1 over these real images, shown at all of the sides."""
        sums = torch.zeros(len(self.mixing), 3, MIXED_CHANNELS, dtype=torch.float64)
        for batch in batches:
            for of_scale, mix, one in zip(sums, self.mixing, self._read(batch), strict=True):
                mixed = mix(one).transpose(0, 1).flatten(1).double().cpu()
                of_scale += torch.stack(
                    [mixed.sum(1), mixed.square().sum(1), torch.full_like(of_scale[0], mixed.shape[1])]
                )
        for (total, squares, count), mix in zip(sums, self.mixing, strict=True):
            mean = total / count
            mix.standardise(mean, (squares / count - mean.square()).clamp(min=0))  # type: ignore[operator]

    def forward(self, images: Float[Tensor, "batch channels side side"]) -> Maps:
        """Mixed feature maps of images in [-1, 1], from fine to coarse."""
        out: Maps = []
        coarser = None
        for mix, one in zip(reversed(self.mixing), reversed(self._read(images)), strict=True):
            mixed = mix(one)
            if coarser is not None:
                # Both have variance 1.
                up = functional.interpolate(coarser, size=mixed.shape[2:], mode="bilinear")
                mixed = (mixed + up) * 0.5**0.5
            coarser = mixed
            out.insert(0, mixed)
        return out

    def _read(self, images: Float[Tensor, "batch channels side side"]) -> list[Tensor]:
        if images.shape[1] < self.scale.shape[1]:
            images = images.expand(-1, self.scale.shape[1], -1, -1)
        shown = torch.addcmul(self.offset, images, self.scale)
        return self.network.maps(shown.contiguous(memory_format=torch.channels_last))


class _Mixing(nn.Conv2d):
    """A random 1x1 convolution."""

    def __init__(self, channels: int, draws: torch.Generator) -> None:
        super().__init__(channels, MIXED_CHANNELS, 1)
        weight = torch.randn(self.weight.shape, generator=draws) * channels**-0.5
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(torch.zeros(MIXED_CHANNELS))

    def standardise(self, mean: Float[Tensor, " out"], variance: Float[Tensor, " out"]) -> None:
        """Changes outputs of this mean and variance to those of mean 0 and variance 1."""
        assert self.bias is not None
        gain = torch.rsqrt(variance + 1e-8).to(self.weight)
        self.bias.sub_(mean.to(gain)).mul_(gain)
        self.weight.mul_(gain[:, None, None, None])


@torch.no_grad()
def fuse_batch_norms(network: nn.Module, image: Float[Tensor, "1 channels side side"]) -> None:
    """Makes each batch normalisation that reads a convolution's output part of that convolution, in place.

    Which one it reads is found by a pass over `image`. Those that the feature maps do not need stay.
    """
    names = {module: name for name, module in network.named_modules()}
    # The tensors are kept, so that no other gets their identity.
    outputs: dict[int, tuple[Tensor, nn.Module]] = {}
    pairs: list[tuple[nn.Module, nn.Module]] = []

    def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[id(output)] = output, module

    def pair(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if id(inputs[0]) in outputs:
            pairs.append((outputs[id(inputs[0])][1], module))

    handles = [m.register_forward_hook(note) for m in names if isinstance(m, nn.Conv2d)]
    handles += [m.register_forward_pre_hook(pair) for m in names if isinstance(m, nn.BatchNorm2d)]
    network.maps(image)  # type: ignore[operator]
    for handle in handles:
        handle.remove()
    for convolution, norm in pairs:
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        fused = fuse_conv_bn_eval(convolution, norm)
        convolution.weight, convolution.bias = fused.weight, fused.bias
        parent, _, name = names[norm].rpartition(".")
        setattr(network.get_submodule(parent), name, nn.Identity())
