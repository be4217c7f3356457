"""The discriminator: one image trunk, four heads (METHOD section 1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.config import ModelConfig
from drai_cli.model.layers import linear, mlp
from drai_cli.model.trunk import FEATURE_DIM, Trunk

_HIDDEN_DIM = 256


class JointHead(nn.Module):
    """Do image features and a vector (condition or code) belong together?"""

    def __init__(self, vector_dim: int) -> None:
        super().__init__()
        self.layers = mlp(FEATURE_DIM + vector_dim, _HIDDEN_DIM, 1, hidden_layers=2)
        self.project = mlp(vector_dim, _HIDDEN_DIM, FEATURE_DIM, hidden_layers=1)

    def forward(
        self, features: Float[Tensor, "batch feature"], vector: Float[Tensor, "batch vector"]
    ) -> Float[Tensor, " batch"]:
        agreement = (features * self.project(vector)).mean(1)
        joint: Tensor = self.layers(torch.cat([features, vector], dim=1)).squeeze(1)
        return joint + agreement


class Discriminator(nn.Module):
    """Heads read the trunk's features, so that one pass over the images serves all games.

    Heads: `image` D_x(x), `condition` D_xt(x, t), `content` D_xc(x, c), `style` D_xz(x, z); logits, high = real side.
    """

    def __init__(self, config: ModelConfig, condition_dim: int) -> None:
        super().__init__()
        self.trunk = Trunk(config)
        self.image = linear(FEATURE_DIM, 1)
        self.condition = JointHead(condition_dim)
        self.content = JointHead(config.content_dim)
        self.style = JointHead(config.style_dim)
