"""The small residual convolutional network of the judge and the factor regressor: module, size, fast inference.

Designed for CPUs with bf16 matrix units: space-to-depth comes first, so that no elementwise operation runs at full
resolution. Knows nothing of labels, factors or training.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.settings.typed import check_types

_SEEDING = Lock()  # the global generator is one for all threads
# Bounds for sizes that a file states: far above any that is trained.
_MAX_WIDTH, _MAX_OUTPUTS, _MAX_BLOCKS, _MAX_PATCH = 1024, 100_000, 32, 16


@dataclass(frozen=True)
class ConvNetConfig:
    """Size of the net.

    Attributes:
        image_size: Height and width, a multiple of `patch * 2 ** (len(widths) - 1)`.
        image_channels: 1 or 3.
        outputs: Number of outputs.
        widths: Channels per stage; each stage halves the resolution of the one before, the first works at the image's
            divided by `patch`. Multiples of 32 fit the matrix units of CPUs: 24 channels cost as much.
        depth: Residual blocks per stage.
        head: `mean` pools over the frame (what), `grid` keeps a 4 x 4 grid (where).
        patch: Side of the squares of pixels that become channels first.
    """

    image_size: int
    image_channels: int
    outputs: int
    widths: tuple[int, ...] = (64, 128, 256)
    depth: int = 1
    head: Literal["mean", "grid"] = "mean"
    patch: int = 2


def patch_for(side: int) -> int:
    """A `patch` for images of this side: from 64 px on, a larger one makes the first stage cheaper."""
    return 4 if side >= 64 else 2


def precision(device: torch.device | str) -> AbstractContextManager[object]:
    """bf16 autocast where it is faster than float32: on CUDA, and on CPUs with AMX or AVX512 bf16."""
    kind = torch.device(device).type
    fast = kind == "cuda" or (kind == "cpu" and _cpu_has_bf16())
    return torch.autocast(kind if kind in ("cuda", "cpu") else "cpu", dtype=torch.bfloat16, enabled=fast)


def _cpu_has_bf16() -> bool:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm around an identity path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        inner = F.relu(self.first_norm(self.first(maps)))
        return F.relu(maps + self.second_norm(self.second(inner)))


class ConvNet(nn.Module):
    """Images in [-1, 1] to features and outputs."""

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels = config.patch**2 * config.image_channels
        for stage, width in enumerate(config.widths):
            stride = 1 if stage == 0 else 2
            layers += [
                nn.Conv2d(channels, width, 3, stride, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                *(ResidualBlock(width) for _ in range(config.depth)),
            ]
            channels = width
        self.trunk = nn.Sequential(*layers)
        if config.head == "mean":
            self.feature_dim = channels
            self.head: nn.Module = nn.Linear(channels, config.outputs)
        else:
            self.feature_dim = 16 * 32
            self.squeeze = nn.Conv2d(channels, 32, 1)
            self.head = nn.Sequential(
                nn.Linear(self.feature_dim, 256), nn.ReLU(), nn.Linear(256, config.outputs)
            )

    @property
    def map_channels(self) -> tuple[int, ...]:
        """Channels of each of `maps`."""
        return self.config.widths

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the images it reads, on a scale of 0 to 1: they are read as -1 to 1."""
        return (0.5,) * self.config.image_channels

    @property
    def deviation(self) -> tuple[float, ...]:
        """As `mean`."""
        return (0.5,) * self.config.image_channels

    def maps(self, images: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """The feature maps of each stage, from fine to coarse."""
        out = F.pixel_unshuffle(images, self.config.patch).contiguous(memory_format=torch.channels_last)
        taps = []
        each = len(self.trunk) // len(self.config.widths)
        for place, layer in enumerate(self.trunk, start=1):
            out = layer(out)
            if place % each == 0:
                taps.append(out)
        return taps

    def features(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b features"]:
        """The layer before the last, float32."""
        maps = self.maps(images)[-1]
        if self.config.head == "mean":
            return maps.float().mean((2, 3))
        return F.adaptive_avg_pool2d(F.relu(self.squeeze(maps)), 4).flatten(1).float()

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs"]:
        out: Tensor = self.head(self.features(images))
        return out.float()


class TrainedNet:
    """What the trained judge and factor regressor share; their fields are in their own dataclasses."""

    network: ConvNet
    device: torch.device

    def state(self) -> dict[str, Tensor]:
        """Weights and running statistics, contiguous on the CPU, ready for safetensors."""
        return {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}

    def _features(self, batch: Tensor) -> Tensor:
        with precision(self.device):
            return self.network.features(batch)

    def _outputs(self, batch: Tensor) -> Tensor:
        out: Tensor = self.network.head(self._features(batch))
        return out


def rebuild(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> ConvNet:
    """A network from its size as plain data and its weights, both untrusted.

    Raises:
        ValueError, TypeError, RuntimeError: They are not those of a network, or do not match.
    """
    check_types(ConvNetConfig, config)
    size = ConvNetConfig(**{**config, "widths": tuple(config["widths"])})
    numbers = (size.image_size, size.image_channels, size.outputs, size.depth, size.patch, *size.widths)
    if (
        not size.widths
        or min(numbers) < 1
        or max(size.widths) > _MAX_WIDTH
        or size.outputs > _MAX_OUTPUTS
        or size.patch > _MAX_PATCH
    ):
        raise ValueError("a net of an impossible size")
    if size.depth * len(size.widths) > _MAX_BLOCKS:
        raise ValueError("a net of an impossible depth")
    network = build(size, 0)
    network.load_state_dict(dict(state))
    return network


def build(config: ConvNetConfig, seed: int) -> ConvNet:
    """A network whose weights depend on the seed only; the global random state is unchanged."""
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ConvNet(config)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network
