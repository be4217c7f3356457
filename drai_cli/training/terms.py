"""The terms of generator, encoder and content prior, each computed where its weight and its inputs are there.

D and the predictors are frozen here: their own sides stand in `step` and `hiding`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.model.discriminator import Discriminator
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import Objective
from drai_cli.training import losses
from drai_cli.training.augment import augment
from drai_cli.training.hiding import constant_losses, predictor_losses, standardised
from drai_cli.training.passes import Batch, Inferred, Passes, StepPlan, codes_of_all
from drai_cli.training.precision import weights_in
from drai_cli.training.state import TrainingState

Features = Float[Tensor, "batch feature"]
Terms = dict[str, tuple[float, Tensor]]
_SELF_MARGIN = 0.5
"""Cosine of two styles above which V_self pushes them apart."""


def adversarial_terms(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, real_features: Features
) -> Terms:
    """What the players are told by the discriminator, after its update, as (weight, loss)."""
    objective, discriminator, out = plan.objective, state.adversaries.discriminator, Terms()
    real, processes, n = passes.real, plan.processes, len(batch)
    shown = augment(passes.generated, batch.augment_probability, batch.generator, processes.share_of(n))
    with weights_in(plan.autocast_dtype, discriminator.trunk):
        (fake,) = processes.gather([discriminator.trunk(shown)], n)
    with torch.autocast(state.device.type, enabled=False):
        if objective.condition_weight:
            out |= _condition_terms(discriminator, fake, real_features, passes, objective)
        if real is not None and objective.dual_weight:
            out |= _dual_terms(discriminator, fake, real_features, passes, real, objective)
        if real is not None and objective.aggregate_weight:
            out |= _aggregate_terms(discriminator, real, batch, objective)
    return out


def code_terms(state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes) -> Terms:
    """What the players are told by codes, reconstructions and the updated predictors, as (weight, loss)."""
    objective, networks, out = plan.objective, state.networks, Terms()
    real, processes, n = passes.real, plan.processes, len(batch)
    again = None
    if objective.code_cycle_weight and networks.encoder is not None:
        again = codes_of_all(networks.encoder, passes.generated, plan, n)
    with torch.autocast(state.device.type, enabled=False):
        if real is not None and (objective.align_weight or objective.match_weight):
            with torch.no_grad():
                prior = networks.content_prior(batch.condition)
            out |= _alignment_terms(real, prior, batch, objective)
        if passes.reconstructed is not None:
            cycle = processes.mean(losses.image_cycle_loss(batch.images, passes.reconstructed), n)
            out["image_cycle"] = objective.image_cycle_weight, cycle
        if again is not None:
            out["code_cycle"] = objective.code_cycle_weight, _code_cycle(passes, *again)
        if real is not None and objective.grl_weight:
            content, style, condition = real.means(batch.condition)
            lost = predictor_losses(state, plan, *standardised(state, content, style), condition)
            out["grl"] = objective.grl_weight, losses.hiding_loss(lost, constant_losses(plan, condition))
        if real is not None and objective.independence_weight:
            # A transformed copy shares its original's label by construction, so it stands in a batch of its own.
            found = [losses.independence_loss(style.mean, batch.condition) for style in real.styles()]
            out["independence"] = objective.independence_weight, torch.stack(found).mean()
        if real is not None and objective.self_weight:
            out |= _self_terms(real, objective)
        if objective.prior_kl_weight:
            out["prior_kl"] = objective.prior_kl_weight, losses.kl_to_standard(passes.prior)
        if real is not None and objective.style_kl_weight:
            out["style_kl"] = objective.style_kl_weight, losses.kl_to_standard(real.style)
    return out


def _condition_terms(
    discriminator: Discriminator, fake: Features, real: Features, passes: Passes, objective: Objective
) -> Terms:
    """V_cond: G fools D_x and D_xt."""
    fake_logits = discriminator.image(fake).squeeze(1)
    if objective.is_relativistic:
        image = losses.relativistic_loss(fake_logits, discriminator.image(real).squeeze(1))
    else:
        image = losses.real_side_loss(fake_logits)
    (agreement,) = discriminator.condition(fake, passes.condition)
    condition = losses.real_side_loss(agreement)
    weight = objective.condition_weight
    return {"g_image": (weight, image), "g_condition": (weight, condition)}


def _dual_terms(
    discriminator: Discriminator,
    fake: Features,
    real_features: Features,
    passes: Passes,
    real: Inferred,
    objective: Objective,
) -> Terms:
    """V_dual: G fools D_xc and D_xz on its side, E on the other, through the codes."""
    if real.drawn_content is None:
        return {}
    out, weight, drawn = Terms(), objective.dual_weight, slice(0, passes.from_prior)
    both = torch.cat([fake[drawn], real_features])
    contents = torch.cat([passes.content[drawn], real.drawn_content])
    styles = torch.cat([passes.style[drawn], real.drawn_style])
    agreements = discriminator.content_style(both, contents, styles)
    for name, agreement in zip(("content", "style"), agreements, strict=True):
        generated, inferred = agreement.tensor_split([passes.from_prior])
        out[f"g_{name}"] = weight, losses.real_side_loss(generated)
        out[f"e_{name}"] = weight, losses.fake_side_loss(inferred)
    return out


def _alignment_terms(real: Inferred, prior: Gaussian, batch: Batch, objective: Objective) -> Terms:
    """V_align: E keeps content where the condition puts it. T keeps it, so a copy is one more labelled image."""
    out, seen = Terms(), real.contents()
    if seen and objective.align_weight:
        align = torch.stack([losses.kl_divergence(content, prior) for content in seen]).mean()
        out["align"] = objective.align_weight, align
    if seen and objective.match_weight:
        match = [losses.matching_loss(content.mean, prior, batch.condition) for content in seen]
        out["match"] = objective.match_weight, torch.stack(match).mean()
    return out


def _code_cycle(passes: Passes, content_again: Gaussian | None, style_again: Gaussian) -> Tensor:
    """V_code-cycle of the codes that the encoder infers."""
    style = losses.code_cycle_loss(passes.style, style_again.mean)
    if content_again is None:
        return style
    return losses.code_cycle_loss(passes.content, content_again.mean) + style


def _aggregate_terms(
    discriminator: Discriminator, real: Inferred, batch: Batch, objective: Objective
) -> Terms:
    """V_aggregate: E makes the codes of all images look drawn from their priors (Makhzani et al. 2016)."""
    out, codes = Terms(), discriminator.codes
    if codes is None:
        return out
    if real.drawn_content is not None:
        content = losses.real_side_loss(codes.content(real.drawn_content, batch.condition))
        out["all_content"] = objective.aggregate_weight, content
    style = losses.real_side_loss(codes.style(real.drawn_style))
    out["all_style"] = objective.aggregate_weight, style
    return out


def _self_terms(real: Inferred, objective: Objective) -> Terms:
    """V_self: a transformation keeps content and changes style."""
    if real.content is None or real.changed_content is None or real.changed_style is None:
        return {}
    held = losses.invariance_loss(real.content.mean, real.changed_content.mean)
    apart = losses.separation_loss(real.style.mean, real.changed_style.mean, _SELF_MARGIN)
    return {"self_content": (objective.self_weight, held), "self_style": (objective.self_weight, apart)}
