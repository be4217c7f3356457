"""Diagonal Gaussians, the output of encoder and content prior."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

# Deviations from e^-3 to e^1: a posterior neither collapses to a point nor leaves the prior's scale.
LOG_VARIANCE_RANGE = (-6.0, 2.0)


class Gaussian(NamedTuple):
    """N(mean, diag exp(log_variance)), a batch of them.

    Attributes:
        mean: `[B, D]`.
        log_variance: `[B, D]`.
    """

    mean: Float[Tensor, "batch dim"]
    log_variance: Float[Tensor, "batch dim"]

    @property
    def deviation(self) -> Float[Tensor, "batch dim"]:
        return torch.exp(0.5 * self.log_variance)

    def sample(self, noise: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        """Reparametrised: `noise` is drawn from N(0, I) by the caller."""
        return self.mean + self.deviation * noise
