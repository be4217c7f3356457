"""V_grl's two sides: predictors that look for one code in the other, and what hiding from them is measured by."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.training import losses
from drai_cli.training.passes import Batch, Inferred, StepPlan, codes_of_all
from drai_cli.training.state import TrainingState


def predictor_losses(
    state: TrainingState, plan: StepPlan, content: Tensor, style: Tensor, condition: Tensor
) -> Float[Tensor, " target"]:
    """What the predictors lose per target: content, style, each attribute. The codes are `standardised`."""
    predicted_content, predicted_style, predicted_condition = state.adversaries.predictors(content, style)
    of_content = losses.prediction_loss(content, predicted_content)
    of_style = losses.prediction_loss(style, predicted_style)
    of_condition = losses.condition_prediction_loss(
        condition, predicted_condition, plan.condition_slices, plan.is_categorical
    )
    return torch.cat([torch.stack([of_content, of_style]), of_condition])


@torch.no_grad()
def constant_losses(plan: StepPlan, condition: Tensor) -> Float[Tensor, " target"]:
    """What the constant predictor would lose per target; of a standardised code 1."""
    of_condition = losses.condition_constant_loss(condition, plan.condition_slices, plan.is_categorical)
    return torch.cat([of_condition.new_ones(2), of_condition])


def standardised(state: TrainingState, content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior means as the predictors, or a probe, see them: noise would let the encoder hide what is smaller."""
    return state.content_moments.standardise(content), state.style_moments.standardise(style)


def update_predictors(
    state: TrainingState, batch: Batch, plan: StepPlan, real: Inferred, terms: dict[str, Tensor]
) -> None:
    """The predictors learn from this step's codes and from as many of the last steps'.

    From one batch alone they stay too weak to find anything, so more images are inferred for them; from the last steps'
    alone they know where the codes were: one step of the encoder is enough to make them wrong, and it hides nothing.
    """
    content, style, condition = (
        torch.cat(pair).detach()
        for pair in zip(real.means(batch.condition), _more_codes(state, batch, plan), strict=True)
    )
    state.content_moments.update(content)
    state.style_moments.update(style)
    state.recent.add(content, style, condition)
    updates, n = plan.objective.predictor_updates, len(content)
    earlier = state.recent.draw(updates * n, batch.generator)
    content, style, condition = (
        torch.cat([now.expand(updates, -1, -1), before.view(updates, n, -1)], dim=1)
        for now, before in zip((content, style, condition), earlier, strict=True)
    )
    content, style = standardised(state, content, style)
    with torch.autocast(state.device.type, enabled=False):
        state.adversaries.predictors.requires_grad_(True)
        for rows in zip(content, style, condition, strict=True):
            found = predictor_losses(state, plan, *rows)
            state.optimisers["predictors"].zero_grad()
            found.sum().backward()
            plan.processes.average_gradients(state.adversaries.predictors)
            state.optimisers["predictors"].step()
        state.adversaries.predictors.requires_grad_(False)
        constant = constant_losses(plan, condition[-1])[2:]
        # An attribute of which the drawn rows show one value only has a constant of zero and says nothing.
        share = torch.where(constant > 1e-3, found[2:] / constant.clamp(min=1e-3), torch.ones_like(constant))
        terms["f_content"], terms["f_style"], terms["f_condition"] = found[0], found[1], share.mean()


@torch.no_grad()
def _more_codes(state: TrainingState, batch: Batch, plan: StepPlan) -> tuple[Tensor, Tensor, Tensor]:
    """Content and style means of the further images."""
    assert state.networks.encoder is not None
    content, style = codes_of_all(state.networks.encoder, batch.more_images, plan, len(batch.more_condition))
    assert content is not None
    return content.mean, style.mean, batch.more_condition
