"""The terms of the objective (`reference/method.md`), each as `{name: (weight, loss)}`. Only mathematics.

For each adversarial loss: the discriminator's side, then that of generator, encoder and content prior. A term is
computed only if its weight is not 0 and the method has its codes. All tensors are float32 and hold the whole batch.
`step` decides which networks learn from which term; the predictors' own update is in `hiding`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.conditions.attribute import Slot
from drai_cli.model.discriminator import Discriminator
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import Objective
from drai_cli.training import losses
from drai_cli.training.hiding import constant_losses, predictor_losses, standardise
from drai_cli.training.passes import Batch, Inferred, Passes, StepPlan
from drai_cli.training.state import TrainingState

Scalar = Float[Tensor, ""]
Features = Float[Tensor, "batch feature"]
Terms = dict[str, tuple[float, Scalar]]
_MASK_CYCLE = 0.25
"""Weight of the masks' part of the image cycle, as a share of the image's: a mask is 1 or -1 all over."""
_SELF_MARGIN = 0.5
"""Cosine of two styles above which V_self pushes them apart."""


def discriminator_terms(
    discriminator: Discriminator,
    features: Float[Tensor, "both feature"],
    batch: Batch,
    passes: Passes,
    objective: Objective,
) -> tuple[Terms, dict[str, Scalar]]:
    """D's side of V_cond, V_dual and V_aggregate, and mean logits for the log.

    `features` are those of the real images, then of the generated ones. Each head reads all its rows at once.
    """
    out, logged, real = Terms(), dict[str, Scalar](), passes.real
    if objective.condition_weight:
        terms, logged = _condition_terms_of_d(discriminator, features, batch, passes, objective)
        out |= terms
    if objective.dual_weight and real is not None:
        out |= _dual_terms_of_d(discriminator, features, len(batch), passes, real, objective)
    if objective.aggregate_weight and real is not None:
        out |= _aggregate_terms_of_d(discriminator, batch, passes, real, objective)
    return out, logged


def adversarial_terms(
    discriminator: Discriminator,
    fake: Features,
    real_features: Features,
    batch: Batch,
    passes: Passes,
    objective: Objective,
) -> Terms:
    """The side of G, E and p(c|t) in V_cond, V_dual and V_aggregate, against a frozen D.

    `fake` are features of the generated images, `real_features` those of the real ones, without a gradient.
    """
    out, real = Terms(), passes.real
    if objective.condition_weight:
        out |= _condition_terms(discriminator, fake, real_features, passes, objective)
    if objective.dual_weight and real is not None:
        out |= _dual_terms(discriminator, fake, real_features, passes, real, objective)
    if objective.aggregate_weight and real is not None:
        out |= _aggregate_terms(discriminator, real, batch, objective)
    return out


def code_terms(
    state: TrainingState,
    batch: Batch,
    plan: StepPlan,
    passes: Passes,
    again: tuple[Gaussian | None, Gaussian] | None,
) -> Terms:
    """The terms of G, E and p(c|t) that need no discriminator; the predictors are frozen.

    `again` are the posteriors inferred from the generated images; None without V_code-cycle.
    """
    objective, real, out = plan.objective, passes.real, Terms()
    if real is not None and (objective.align_weight or objective.match_weight):
        with torch.no_grad():
            prior = state.networks.content_prior(batch.known_condition)
        out |= _alignment_terms(real, prior, batch, objective)
    if passes.reconstructed is not None:
        images, made = plan.intensities(batch.images), plan.intensities(passes.reconstructed)
        cycle = plan.processes.mean(losses.image_cycle_loss(images, made), len(batch))
        out["image_cycle"] = objective.image_cycle_weight, cycle
        if plan.masks:
            real_masks, masks = (one[:, -plan.masks :] for one in (batch.images, passes.reconstructed))
            cycle = plan.processes.mean(losses.image_cycle_loss(real_masks, masks), len(batch))
            out["mask_cycle"] = _MASK_CYCLE * objective.image_cycle_weight, cycle
    if again is not None:
        out["code_cycle"] = objective.code_cycle_weight, _code_cycle(passes, *again)
    if real is not None and objective.grl_weight:
        content, style, condition = real.means(batch.known_condition)
        lost = predictor_losses(state, plan, *standardise(state, content, style), condition)
        hidden = losses.hiding_loss(lost, constant_losses(plan, condition))
        out["grl"] = objective.grl_weight * _weight_of_hiding(plan.slots), hidden
    if real is not None and objective.independence_weight:
        # A transformed copy has its original's label by construction, so copies are compared with copies only.
        dependence = [losses.independence_loss(style.mean, batch.known_condition) for style in real.styles()]
        out["independence"] = objective.independence_weight, torch.stack(dependence).mean()
    if real is not None and objective.self_weight:
        out |= _self_terms(real, objective)
    if objective.prior_kl_weight:
        out["prior_kl"] = objective.prior_kl_weight, losses.kl_to_standard(passes.prior)
    if real is not None and objective.style_kl_weight:
        out["style_kl"] = objective.style_kl_weight, losses.kl_to_standard(real.style)
    return out


def _weight_of_hiding(slots: Sequence[Slot]) -> float:
    """Makes the mean over content, style and every slot one over content, style and every attribute.

    Each finding is hidden as much as a label of one name is, however many there are.
    """
    findings = sum(slot.kind == "finding" for slot in slots)
    targets, attributes = 2 + len(slots), 2 + len(slots) - max(0, findings - 1)
    return targets / attributes


# V_cond: the matching-aware conditional GAN


def _condition_terms_of_d(
    discriminator: Discriminator, features: Features, batch: Batch, passes: Passes, objective: Objective
) -> tuple[Terms, dict[str, Scalar]]:
    """D_x: x up, x̃ down. D_xt: (x, t) up; (x, t') and (x̃, t) down, each with weight one half."""
    n, weight = len(batch), objective.condition_weight
    real_logits, fake_logits = discriminator.image(features).squeeze(1).split(n)
    if objective.is_relativistic:
        image = losses.relativistic_loss(real_logits, fake_logits)
    else:
        image = losses.real_side_loss(real_logits) + losses.fake_side_loss(fake_logits)
    conditions = torch.cat([batch.condition, passes.condition, batch.wrong_condition])
    (agreement,) = discriminator.condition(torch.cat([features, features[:n]]), conditions)
    matched, made, wrong = agreement.split(n)
    condition = losses.real_side_loss(matched)
    condition = condition + 0.5 * losses.fake_side_loss(wrong) + 0.5 * losses.fake_side_loss(made)
    out = {"d_image": (weight, image), "d_condition": (weight, condition)}
    if discriminator.findings is not None:
        of_real = discriminator.findings(features[:n], batch.known_condition)
        of_made = discriminator.findings(features[n:], passes.condition)
        out["d_findings"] = weight, losses.finding_loss(of_real, of_made)
    logged = {
        "real_logits": real_logits.mean(),
        "fake_logits": fake_logits.mean(),
        "real_sign": real_logits.sign().mean(),
    }
    return out, logged


def _condition_terms(
    discriminator: Discriminator, fake: Features, real: Features, passes: Passes, objective: Objective
) -> Terms:
    """G fools D_x with x̃ and D_xt with (x̃, t)."""
    fake_logits = discriminator.image(fake).squeeze(1)
    if objective.is_relativistic:
        image = losses.relativistic_loss(fake_logits, discriminator.image(real).squeeze(1))
    else:
        image = losses.real_side_loss(fake_logits)
    (agreement,) = discriminator.condition(fake, passes.condition)
    condition = losses.real_side_loss(agreement)
    weight = objective.condition_weight
    out = {"g_image": (weight, image), "g_condition": (weight, condition)}
    if discriminator.findings is not None:
        given, _, known = discriminator.findings(fake, passes.condition)
        out["g_findings"] = weight, losses.finding_fooling_loss(given, known)
    return out


# V_dual: the two adversarial losses on images with codes


def _dual_terms_of_d(
    discriminator: Discriminator,
    features: Features,
    n: int,
    passes: Passes,
    real: Inferred,
    objective: Objective,
) -> Terms:
    """D_xc: (x, ĉ) up, (x̃, c) down. D_xz: (x, ẑ) up, (x̃, z) down.

    Only codes from the priors are on the generation side: those of swaps were inferred.
    """
    if real.drawn_content is None:
        return {}
    out, weight, count = Terms(), objective.dual_weight, passes.from_prior
    both = features[: n + count]
    contents = torch.cat([real.drawn_content, passes.content[:count]]).detach()
    styles = torch.cat([real.drawn_style, passes.style[:count]]).detach()
    agreements = discriminator.content_style(both, contents, styles)
    for name, agreement in zip(("content", "style"), agreements, strict=True):
        up, down = agreement.tensor_split([n])
        out[f"d_{name}"] = weight, losses.real_side_loss(up) + losses.fake_side_loss(down)
    return out


def _dual_terms(
    discriminator: Discriminator,
    fake: Features,
    real_features: Features,
    passes: Passes,
    real: Inferred,
    objective: Objective,
) -> Terms:
    """G fools D_xc and D_xz with (x̃, c) and (x̃, z); E with (x, ĉ) and (x, ẑ), through the codes."""
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


# V_aggregate: codes of all images against draws from the priors (Makhzani et al. 2016)


def _aggregate_terms_of_d(
    discriminator: Discriminator, batch: Batch, passes: Passes, real: Inferred, objective: Objective
) -> Terms:
    """D of codes: draws from p(c|t) and N(0, I) up, ĉ and ẑ down."""
    codes, drawn, out = discriminator.codes, slice(0, passes.from_prior), Terms()
    if codes is None:
        return out
    if real.drawn_content is not None:
        up = codes.content(passes.content[drawn].detach(), passes.condition[drawn])
        down = codes.content(real.drawn_content.detach(), batch.condition)
        content = losses.real_side_loss(up) + losses.fake_side_loss(down)
        out["d_all_content"] = objective.aggregate_weight, content
    up, down = codes.style(passes.style[drawn]), codes.style(real.drawn_style.detach())
    out["d_all_style"] = objective.aggregate_weight, losses.real_side_loss(up) + losses.fake_side_loss(down)
    return out


def _aggregate_terms(
    discriminator: Discriminator, real: Inferred, batch: Batch, objective: Objective
) -> Terms:
    """E makes ĉ and ẑ look like draws from their priors."""
    out, codes = Terms(), discriminator.codes
    if codes is None:
        return out
    if real.drawn_content is not None:
        content = losses.real_side_loss(codes.content(real.drawn_content, batch.condition))
        out["all_content"] = objective.aggregate_weight, content
    style = losses.real_side_loss(codes.style(real.drawn_style))
    out["all_style"] = objective.aggregate_weight, style
    return out


# Terms without a discriminator


def _alignment_terms(real: Inferred, prior: Gaussian, batch: Batch, objective: Objective) -> Terms:
    """V_align: E keeps q(c|x) at p(c|t). T keeps the content: a transformed copy is one more labelled image."""
    out, contents = Terms(), real.contents()
    if contents and objective.align_weight:
        align = torch.stack([losses.kl_divergence(content, prior) for content in contents]).mean()
        out["align"] = objective.align_weight, align
    if contents and objective.match_weight:
        match = [losses.matching_loss(content.mean, prior, batch.known_condition) for content in contents]
        out["match"] = objective.match_weight, torch.stack(match).mean()
    return out


def _code_cycle(passes: Passes, content_again: Gaussian | None, style_again: Gaussian) -> Scalar:
    """V_code-cycle: E finds c and z again in x̃; only the codes that it infers count."""
    style = losses.code_cycle_loss(passes.style, style_again.mean)
    if content_again is None:
        return style
    return losses.code_cycle_loss(passes.content, content_again.mean) + style


def _self_terms(real: Inferred, objective: Objective) -> Terms:
    """V_self: T keeps the content and changes the style."""
    if real.content is None or real.changed_content is None or real.changed_style is None:
        return {}
    kept = losses.invariance_loss(real.content.mean, real.changed_content.mean)
    apart = losses.separation_loss(real.style.mean, real.changed_style.mean, _SELF_MARGIN)
    return {"self_content": (objective.self_weight, kept), "self_style": (objective.self_weight, apart)}
