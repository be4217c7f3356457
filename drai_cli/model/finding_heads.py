"""Heads of a discriminator that read each finding of a set by itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.model.layers import mlp

Findings = Float[Tensor, "batch finding"]
Logits = tuple[Findings, Findings, Findings]
"""Logits of the given state, logits of the other one, and whether the state is known (1 or 0)."""


class FindingHeads(nn.Module):
    """Heads that tell whether image features and the state of one finding belong together; one head per finding.

    Each has a logit for present and one for absent.

    Args:
        places: Column of the condition in which each finding stands; its missing flag is in the next one.
        feature_dim: Width of the features.
        hidden_dim: Width of the hidden layer.
    """

    def __init__(self, places: Sequence[int], feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.places = tuple(places)
        self.layers = mlp(feature_dim, hidden_dim, 2 * len(places), hidden_layers=1)

    def forward(
        self, features: Float[Tensor, "batch feature"], condition: Float[Tensor, "batch condition"]
    ) -> Logits:
        """The logits for this condition."""
        return self.of_condition(self.layers(features), condition)

    def of_condition(
        self, both: Float[Tensor, "batch states"], condition: Float[Tensor, "batch condition"]
    ) -> Logits:
        """The logits for this condition of those for all states, present ones first."""
        present = condition[:, self.places]
        known = 1 - condition[:, [place + 1 for place in self.places]]
        if_present, if_absent = both.chunk(2, dim=1)
        given = torch.where(present > 0, if_present, if_absent)
        return given, if_present + if_absent - given, known
