"""Building blocks of the image networks: residual blocks and alias-free changes of resolution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
_GAIN = math.sqrt(2 / (1 + SLOPE**2))


def activate(x: Tensor) -> Tensor:
    """Leaky ReLU, in place: the cheapest activation that keeps a gradient everywhere."""
    return functional.leaky_relu(x, SLOPE, inplace=True)


def conv(in_channels: int, out_channels: int, kernel: int = 3, gain: float = _GAIN) -> nn.Conv2d:
    """A convolution that keeps the size, initialised to variance gain²; gain 0 starts it silent."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(in_channels * kernel**2))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer


def linear(in_dim: int, out_dim: int, gain: float = 1.0) -> nn.Linear:
    layer = nn.Linear(in_dim, out_dim)
    nn.init.normal_(layer.weight, std=gain / math.sqrt(in_dim))
    nn.init.zeros_(layer.bias)
    return layer


def mlp(in_dim: int, hidden_dim: int, out_dim: int, hidden_layers: int = 2) -> nn.Sequential:
    """Fully connected layers with leaky ReLU between them."""
    dims = [in_dim] + [hidden_dim] * hidden_layers
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(dims):
        layers += [linear(a, b, _GAIN), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, linear(dims[-1], out_dim))


class ParallelLinear(nn.Module):
    """Linear layers of one size in parallel, as one matrix product."""

    def __init__(self, count: int, in_dim: int, out_dim: int, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, in_dim, out_dim) * gain / math.sqrt(in_dim))
        self.bias = nn.Parameter(torch.zeros(count, 1, out_dim))

    def forward(self, x: Float[Tensor, "count batch in"]) -> Float[Tensor, "count batch out"]:
        return torch.baddbmm(self.bias, x, self.weight)


def parallel_mlp(
    count: int, in_dim: int, hidden_dim: int, out_dim: int, hidden_layers: int = 2
) -> nn.Sequential:
    """`count` networks like those of `mlp`, in parallel; small ones run in the time of one."""
    dims = [in_dim] + [hidden_dim] * hidden_layers
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(dims):
        layers += [ParallelLinear(count, a, b, _GAIN), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, ParallelLinear(count, dims[-1], out_dim))


def stack_padded(vectors: Sequence[Float[Tensor, "batch _"]], dim: int) -> Float[Tensor, "count batch {dim}"]:
    """Stacks vectors of different widths as inputs of parallel networks, padded with zeros."""
    return torch.stack(
        [one if one.shape[1] == dim else functional.pad(one, (0, dim - one.shape[1])) for one in vectors]
    )


class UpConv(nn.Module):
    """Bilinear upsampling by two and a 3x3 convolution, as one convolution at the lower resolution.

    Each of the four output phases sees a 3x3 neighbourhood of the input, so its kernel is a fixed linear map of the 3x3
    kernel at the higher resolution. The full-resolution intermediate is never computed, and the phases cannot diverge
    into a checkerboard as those of a free pixel shuffle can. At the border it pads with zeros before upsampling.
    """

    spread: Tensor

    def __init__(self, in_channels: int, out_channels: int, gain: float = _GAIN) -> None:
        super().__init__()
        self.weight = nn.Parameter(
            torch.randn(out_channels, in_channels, 3, 3) * gain / math.sqrt(in_channels * 9)
        )
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("spread", _bilinear_spread(), persistent=False)

    def reset_constants(self) -> None:
        """Makes the constant buffer again if the module was built without memory (on the meta device)."""
        self.spread = _bilinear_spread()

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out height2 width2"]:
        out_channels, in_channels = self.weight.shape[:2]
        kernel = (self.weight.reshape(-1, 9) @ self.spread).view(out_channels, in_channels, 4, 9)
        kernel = kernel.transpose(1, 2).reshape(out_channels * 4, in_channels, 3, 3)
        return functional.pixel_shuffle(
            functional.conv2d(x, kernel, self.bias.repeat_interleave(4), padding=1), 2
        )


def _bilinear_spread() -> Float[Tensor, "9 36"]:
    """How each tap of a 3x3 kernel at the higher resolution spreads over (phase, 3x3 neighbours) at the lower one."""
    # Fine sample 2i = 1/4 x[i-1] + 3/4 x[i], fine sample 2i+1 = 3/4 x[i] + 1/4 x[i+1]. Key: phase + tap; entries: the
    # weights of x[i-1], x[i], x[i+1].
    fine = {-1: (0.75, 0.25, 0.0), 0: (0.25, 0.75, 0.0), 1: (0.0, 0.75, 0.25), 2: (0.0, 0.25, 0.75)}
    with torch.device("cpu"):
        one = torch.tensor([[fine[phase + tap] for phase in (0, 1)] for tap in (-1, 0, 1)])
    return torch.einsum("ypa,xqb->yxpqab", one, one).reshape(9, 36)


class FilmBlock(nn.Module):
    """Residual block whose inner activations are scaled and shifted by codes (FiLM); starts as the identity."""

    def __init__(self, channels: int, code_dim: int) -> None:
        super().__init__()
        self.inner = conv(channels, channels)
        self.film = linear(code_dim, 2 * channels, gain=0.5)
        self.outer = conv(channels, channels, gain=0.1)

    def forward(
        self, x: Float[Tensor, "batch channels height width"], code: Float[Tensor, "batch code"]
    ) -> Float[Tensor, "batch channels height width"]:
        scale, shift = self.film(code).to(x.dtype)[:, :, None, None].chunk(2, dim=1)
        inner = torch.addcmul(shift, self.inner(x), scale + 1)
        return x + self.outer(activate(inner))


class ResidualBlock(nn.Module):
    """Residual block of the image-reading networks; starts near the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = conv(channels, channels)
        self.outer = conv(channels, channels, gain=0.5)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return x + self.outer(activate(self.inner(x)))
