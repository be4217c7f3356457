"""The content prior p(c|t): a label is a region of content space (conditioning augmentation, StackGAN)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.model.gaussian import LOG_VARIANCE_RANGE, Gaussian
from drai_cli.model.layers import mlp
from drai_cli.settings.config import ModelConfig

_HIDDEN_DIM = 128


class ContentPrior(nn.Module):
    """Condition vector to a diagonal Gaussian over content.

    If content is fixed, the mean is an embedding of the condition and the deviation is 0: every draw is the mean.
    """

    def __init__(self, config: ModelConfig, condition_dim: int, is_fixed: bool = False) -> None:
        super().__init__()
        self.is_fixed = is_fixed
        out_dim = config.content_dim if is_fixed else 2 * config.content_dim
        self.layers = mlp(condition_dim, _HIDDEN_DIM, out_dim, hidden_layers=1)

    def forward(self, condition: Float[Tensor, "batch condition"]) -> Gaussian:
        # In full precision: it is small, and the content is compared with it.
        with torch.autocast(condition.device.type, enabled=False):
            out = self.layers(condition)
        if self.is_fixed:
            return Gaussian(out, torch.full_like(out, -torch.inf))
        mean, log_variance = out.chunk(2, dim=1)
        return Gaussian(mean, (log_variance - 2.0).clamp(*LOG_VARIANCE_RANGE))
