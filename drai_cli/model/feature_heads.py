"""The heads of the projected discriminator (`reference/method.md`): one conditional head for each feature map.

One head per scale. Convolutions are spectrally normalised (Miyato et al. 2018), and the condition acts by projection
(Miyato and Koyama 2018). After Sauer et al. 2021, *Projected GANs Converge Faster*, with pairs of image and condition.
Outputs of convolutions are standardised over the batch, real and generated images apart, as there: heads then learn
more slowly, and judge only what differs within a batch (`examples/RUNS.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.model.finding_heads import FindingHeads
from drai_cli.model.layers import activate, mlp

Average = Callable[[Float[Tensor, "batch channels"]], Float[Tensor, " channels"]]
"""The mean over all rows of the batch, those of other processes among them."""
HeadLogits = tuple[Float[Tensor, "batch _"], list[Float[Tensor, "batch _"]]]
MIXED_CHANNELS = 64
"""Channels of every scale's feature maps."""
_SMALLEST = 8  # the side below which a head's convolutions no longer halve it
_FIRST_ITERATIONS = 15


class SpectralConv(nn.Module):
    """A convolution whose weight is divided by its largest singular value, found by power iteration."""

    u: Float[Tensor, " out"]
    v: Float[Tensor, " fan_in"]

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        fan_in = in_channels * kernel**2
        self.stride = stride
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel, kernel) * fan_in**-0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("u", functional.normalize(torch.randn(out_channels), dim=0))
        self.register_buffer("v", functional.normalize(torch.randn(fan_in), dim=0))
        for _ in range(_FIRST_ITERATIONS):
            self.iterate()

    @torch.no_grad()
    def iterate(self) -> None:
        """One power iteration."""
        matrix = self.weight.flatten(1)
        with torch.autocast(matrix.device.type, enabled=False):
            self.v.copy_(functional.normalize(matrix.T @ self.u, dim=0))
            self.u.copy_(functional.normalize(matrix @ self.v, dim=0))

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out h w"]:
        with torch.autocast(x.device.type, enabled=False):
            sigma = (self.weight.flatten(1) * self.v).sum(1) @ self.u
            weight = self.weight / sigma
        return functional.conv2d(
            x, weight.to(x.dtype), self.bias.to(x.dtype), self.stride, self.weight.shape[2] // 2
        )


class BatchStandard(nn.Module):
    """Standardises each channel over the whole batch, all processes' rows; learned scale and shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(
        self, x: Float[Tensor, "batch channels height width"], average: Average
    ) -> Float[Tensor, "batch channels height width"]:
        with torch.autocast(x.device.type, enabled=False):
            full = x.float()
            of_rows = torch.cat([full.mean((2, 3)), full.square().mean((2, 3))], dim=1)
            mean, square = average(of_rows).chunk(2)
            scale = self.scale * torch.rsqrt((square - mean.square()).clamp(min=0) + 1e-4)
            shift = self.shift - mean * scale
        return torch.addcmul(shift.to(x.dtype)[:, None, None], x, scale.to(x.dtype)[:, None, None])


class FeatureHead(nn.Module):
    """One scale's feature maps to logits at each place, and to the logit of a condition."""

    def __init__(self, side: int, condition_dim: int, findings: Sequence[int] = ()) -> None:
        super().__init__()
        strides = [1]
        while side > _SMALLEST:
            side = -(-side // 2)
            strides.insert(0, 2)
        self.convolutions = nn.ModuleList(
            SpectralConv(MIXED_CHANNELS, MIXED_CHANNELS, 3, stride) for stride in strides
        )
        self.norms = nn.ModuleList(BatchStandard(MIXED_CHANNELS) for _ in strides)
        self.image = SpectralConv(MIXED_CHANNELS, 1, 1)
        self.project = mlp(condition_dim, MIXED_CHANNELS, MIXED_CHANNELS, hidden_layers=1)
        self.findings = FindingHeads(findings, MIXED_CHANNELS, MIXED_CHANNELS) if findings else None

    def forward(
        self,
        maps: Float[Tensor, "batch channels height width"],
        conditions: Sequence[Float[Tensor, "batch condition"]],
        average: Average,
    ) -> HeadLogits:
        """Logits of the image at each place, and one for the image with each of `conditions`; high = real.

        Where labels are sets of findings, then one for each finding present and one for each absent.
        """
        x = maps
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = activate(norm(convolution(x), average))
        logits = self.image(x).flatten(1).float()
        with torch.autocast(x.device.type, enabled=False):
            pooled = x.float().mean((2, 3))
            agreements = [(pooled * self.project(one)).sum(1, keepdim=True) for one in conditions]
            if self.findings is not None:
                agreements.append(self.findings.layers(pooled))
        return logits, agreements


class FeatureHeads(nn.Module):
    """A head per scale.

    Args:
        sides: Side of each scale's feature maps in pixels, from fine to coarse.
        condition_dim: Width of the condition.
        findings: Column of the condition in which each finding stands.
    """

    def __init__(self, sides: Sequence[int], condition_dim: int, findings: Sequence[int] = ()) -> None:
        super().__init__()
        self.heads = nn.ModuleList(FeatureHead(side, condition_dim, findings) for side in sides)

    @property
    def findings(self) -> list[FindingHeads]:
        """The heads of findings, a scale each; none where labels are one name."""
        return [head.findings for head in self.heads if isinstance(head.findings, FindingHeads)]

    def iterate(self) -> None:
        """One power iteration of every convolution; once per step, before the heads are used."""
        for module in self.modules():
            if isinstance(module, SpectralConv):
                module.iterate()

    def forward(
        self,
        maps: Sequence[Float[Tensor, "batch channels _ _"]],
        conditions: Sequence[Float[Tensor, "batch condition"]],
        average: Average,
    ) -> list[HeadLogits]:
        """Each head's logits; see `FeatureHead`."""
        return [head(one, conditions, average) for head, one in zip(self.heads, maps, strict=True)]
