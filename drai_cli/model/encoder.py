"""The encoder E(x): image to posteriors over content and style, or over style alone."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.model.gaussian import LOG_VARIANCE_RANGE, Gaussian
from drai_cli.model.generator import stage_channels
from drai_cli.model.layers import activate, linear
from drai_cli.model.trunk import FEATURE_DIM, Trunk
from drai_cli.settings.config import ModelConfig


class Encoder(nn.Module):
    """q(c|x) and q(z|x), two diagonal Gaussians from one trunk; no q(c|x) if content is not inferred."""

    def __init__(self, config: ModelConfig, infers_content: bool = True) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.pools_content = config.pools_content
        width = stage_channels(config)[-1] if config.pools_content else FEATURE_DIM
        self.content = linear(width, 2 * config.content_dim, gain=0.7) if infers_content else None
        self.style = linear(FEATURE_DIM, 2 * config.style_dim, gain=0.7)
        # Posteriors start narrow (deviation 0.37), so that codes carry information for the reconstruction.
        for head in (self.content, self.style):
            if head is None:
                continue
            with torch.no_grad():
                head.weight[head.out_features // 2 :] *= 0.1
                head.bias[head.out_features // 2 :] = -2.0

    def forward(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> tuple[Gaussian | None, Gaussian]:
        """Posteriors over content (None if it is not inferred) and style."""
        *_, coarsest = self.trunk.maps(images)
        coarsest = activate(coarsest)
        features = _unit(self.trunk.read(coarsest))
        with torch.autocast(features.device.type, enabled=False):
            style = _gaussian(self.style(features))
            if self.content is None:
                return None, style
            if self.pools_content:
                features = _unit(coarsest.float().mean((2, 3)))
            return _gaussian(self.content(features)), style


def _unit(features: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch feature"]:
    """Scales features to unit mean square: unbounded ones let a gradient spike inflate the codes after 60 kimg."""
    return functional.rms_norm(features, features.shape[1:])


def _gaussian(output: Tensor) -> Gaussian:
    mean, log_variance = output.chunk(2, dim=1)
    return Gaussian(mean, log_variance.clamp(*LOG_VARIANCE_RANGE))
