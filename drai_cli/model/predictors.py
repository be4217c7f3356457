"""The adversaries of V_grl: predictors between the codes, each behind a gradient reversal (Ganin et al. 2016)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.config import ModelConfig
from drai_cli.model.layers import mlp

_HIDDEN_DIM = 256


class Predictors(nn.Module):
    """F_c: content from style; F_z: style from content; F_t: the condition from style."""

    def __init__(self, config: ModelConfig, condition_dim: int) -> None:
        super().__init__()
        self.content_from_style = mlp(config.style_dim, _HIDDEN_DIM, config.content_dim)
        self.style_from_content = mlp(config.content_dim, _HIDDEN_DIM, config.style_dim)
        self.condition_from_style = mlp(config.style_dim, _HIDDEN_DIM, condition_dim)

    def forward(
        self, content: Float[Tensor, "batch content_dim"], style: Float[Tensor, "batch style_dim"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted content, style and condition (logits per category, value per continuous attribute)."""
        return (
            self.content_from_style(style),
            self.style_from_content(content),
            self.condition_from_style(style),
        )
