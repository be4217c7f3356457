"""The adversaries of V_grl: predictors between the codes, each behind a gradient reversal (Ganin et al. 2016)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.model.layers import parallel_mlp, stack_padded
from drai_cli.settings.config import ModelConfig

_HIDDEN_DIM = 256


class Predictors(nn.Module):
    """F_c: content from style; F_z: style from content; F_t: the condition from style.

    All three run in parallel, their inputs padded with zeros and their outputs cut to size.
    """

    def __init__(self, config: ModelConfig, condition_dim: int) -> None:
        super().__init__()
        self.in_dim = max(config.content_dim, config.style_dim)
        self.out_dims = config.content_dim, config.style_dim, condition_dim
        self.layers = parallel_mlp(3, self.in_dim, _HIDDEN_DIM, max(self.out_dims))

    def forward(
        self, content: Float[Tensor, "batch content_dim"], style: Float[Tensor, "batch style_dim"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted content, style and condition (logits per category, value per continuous attribute)."""
        predicted = self.layers(stack_padded([style, content, style], self.in_dim))
        of_content, of_style, of_condition = (
            one[:, :dim] for one, dim in zip(predicted, self.out_dims, strict=True)
        )
        return of_content, of_style, of_condition
