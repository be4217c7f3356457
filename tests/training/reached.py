"""The networks that a term of a step reaches, and a step up to the terms."""

from __future__ import annotations

from torch import Tensor, nn

from drai_cli.training.forward import forward
from drai_cli.training.passes import Batch, Passes, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import compute_adversarial_terms, compute_code_terms
from drai_cli.training.terms import Terms

# The networks that each of the players' terms reaches, and no others.
REACHED = {
    "g_image": {"generator", "content_prior"},
    "g_condition": {"generator", "content_prior"},
    "g_content": {"generator", "content_prior"},
    "e_content": {"encoder"},
    "g_style": {"generator", "content_prior"},
    "e_style": {"encoder"},
    "align": {"encoder"},
    "match": {"encoder"},
    "image_cycle": {"generator", "encoder"},
    "grl": {"encoder"},
    "independence": {"encoder"},
    "self_content": {"encoder"},
    "self_style": {"encoder"},
    "prior_kl": {"content_prior"},
    "style_kl": {"encoder"},
}


def player_terms(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, features: Tensor
) -> Terms:
    against_d = compute_adversarial_terms(state, batch, plan, passes, features)
    return against_d | compute_code_terms(state, batch, plan, passes)


def parts_of(state: TrainingState) -> dict[str, nn.Module]:
    networks, adversaries = state.networks, state.adversaries
    parts = {
        "generator": networks.generator,
        "encoder": networks.encoder,
        "content_prior": networks.content_prior,
        "discriminator": adversaries.discriminator,
        "predictors": adversaries.predictors,
        "feature_heads": adversaries.feature_heads,
    }
    return {name: part for name, part in parts.items() if part is not None}


def reached_by(state: TrainingState, term: Tensor) -> set[str]:
    """The networks with a gradient that is not zero."""
    for part in parts_of(state).values():
        part.zero_grad()
    term.backward(retain_graph=True)
    return {
        name
        for name, part in parts_of(state).items()
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in part.parameters())
    }


def begun(state: TrainingState, batch: Batch, plan: StepPlan) -> tuple[Passes, Tensor]:
    """A step up to the players' terms: its passes, and what the discriminator, frozen, reads of the real images."""
    state.adversaries.requires_grad_(False)
    return forward(state, batch, plan), state.adversaries.discriminator.trunk(batch.images).detach()
