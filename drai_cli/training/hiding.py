"""V_grl: the predictors that look for one code in the other, their update, and their losses for the encoder."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.training import losses
from drai_cli.training.gathering import infer_codes
from drai_cli.training.passes import Batch, Inferred, StepPlan
from drai_cli.training.precision import full_precision
from drai_cli.training.state import TrainingState

Contents = Float[Tensor, "batch content_dim"]
Styles = Float[Tensor, "batch style_dim"]
Conditions = Float[Tensor, "batch condition"]


def predictor_losses(
    state: TrainingState, plan: StepPlan, content: Contents, style: Styles, condition: Conditions
) -> Float[Tensor, " target"]:
    """Losses of the predictors per target: content, style, each slot of the condition. The codes are standardised."""
    predicted_content, predicted_style, predicted_condition = state.adversaries.predictors(content, style)
    of_content = losses.prediction_loss(content, predicted_content)
    of_style = losses.prediction_loss(style, predicted_style)
    of_condition = losses.condition_prediction_loss(condition, predicted_condition, plan.slots)
    return torch.cat([torch.stack([of_content, of_style]), of_condition])


@torch.no_grad()
def constant_losses(plan: StepPlan, condition: Conditions) -> Float[Tensor, " target"]:
    """Losses of the constant predictor per target; 1 for a standardised code."""
    of_condition = losses.condition_constant_loss(condition, plan.slots)
    return torch.cat([of_condition.new_ones(2), of_condition])


def standardise(state: TrainingState, content: Contents, style: Styles) -> tuple[Contents, Styles]:
    """Standardises posterior means by the running moments, as the predictors see them.

    They see means, as a probe does: in draws the encoder could hide what is smaller than the noise.
    """
    return state.content_moments.standardise(content), state.style_moments.standardise(style)


def update_predictors(
    state: TrainingState, batch: Batch, plan: StepPlan, real: Inferred
) -> dict[str, Float[Tensor, ""]]:
    """Updates the predictors on this step's codes and as many of recent steps; returns their losses by name.

    One batch alone leaves them too weak to find anything, so the codes of more images are inferred for them. Codes of
    recent steps alone would show them where codes were: one update of the encoder would make them wrong, and nothing
    would be hidden.
    """
    pairs = zip(real.means(batch.known_condition), _infer_more(state, batch, plan), strict=True)
    content, style, condition = (torch.cat(pair).detach() for pair in pairs)
    state.content_moments.update(content)
    state.style_moments.update(style)
    state.recent.add(content, style, condition)
    updates, n = plan.objective.predictor_updates, len(content)
    earlier = state.recent.draw(updates * n, batch.generator)
    content, style, condition = (
        torch.cat([now.expand(updates, -1, -1), before.view(updates, n, -1)], dim=1)
        for now, before in zip((content, style, condition), earlier, strict=True)
    )
    content, style = state.content_moments.standardise(content), state.style_moments.standardise(style)
    with full_precision(state.device):
        state.adversaries.predictors.requires_grad_(True)
        for rows in zip(content, style, condition, strict=True):
            lost = predictor_losses(state, plan, *rows)
            state.optimisers["predictors"].zero_grad()
            lost.sum().backward()
            plan.processes.average_gradients(state.adversaries.predictors)
            state.optimisers["predictors"].step()
        state.adversaries.predictors.requires_grad_(False)
        constant = constant_losses(plan, condition[-1])[2:]
        # An attribute with one value only among the drawn rows has a constant loss of 0 and tells nothing.
        share = torch.where(constant > 1e-3, lost[2:] / constant.clamp(min=1e-3), torch.ones_like(constant))
        return {"f_content": lost[0], "f_style": lost[1], "f_condition": share.mean()}


@torch.no_grad()
def _infer_more(state: TrainingState, batch: Batch, plan: StepPlan) -> tuple[Contents, Styles, Conditions]:
    """Means of content and style of the batch's further images."""
    assert state.networks.encoder is not None
    content, style = infer_codes(state.networks.encoder, batch.more_images, plan, len(batch.more_condition))
    assert content is not None
    return content.mean, style.mean, batch.more_condition
