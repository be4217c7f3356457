"""The content prior p(c|t): a label is a region of content space (conditioning augmentation, StackGAN)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.config import ModelConfig
from drai_cli.model.gaussian import LOG_VARIANCE_RANGE, Gaussian
from drai_cli.model.layers import mlp

_HIDDEN_DIM = 128


class ContentPrior(nn.Module):
    """Condition vector to a diagonal Gaussian over content."""

    def __init__(self, config: ModelConfig, condition_dim: int) -> None:
        super().__init__()
        self.layers = mlp(condition_dim, _HIDDEN_DIM, 2 * config.content_dim, hidden_layers=1)

    def forward(self, condition: Float[Tensor, "batch condition"]) -> Gaussian:
        mean, log_variance = self.layers(condition).chunk(2, dim=1)
        return Gaussian(mean, (log_variance - 2.0).clamp(*LOG_VARIANCE_RANGE))
