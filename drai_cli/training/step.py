"""One step of DRAI: both players' updates from one pass of the encoder and one of the generator (METHOD section 2).

Knows tensors and networks; nothing of files, ticks or budgets.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from drai_cli import losses
from drai_cli.config import Objective
from drai_cli.model.discriminator import Discriminator
from drai_cli.model.gaussian import Gaussian
from drai_cli.training.augment import Changes, change, cut_out
from drai_cli.training.hiding import predictor_losses, update_predictors
from drai_cli.training.passes import Batch, Passes, StepPlan, autocast
from drai_cli.training.state import TrainingState

# Norm of a player's whole gradient: about what it settles at. Adam without momentum answers a spike with a leap.
_LARGEST_GRADIENT = 10.0


def train_step(
    state: TrainingState, batch: Batch, plan: StepPlan, has_penalty: bool
) -> dict[str, Float[Tensor, ""]]:
    """Updates the state once and returns every term and logit mean, detached, by name."""
    terms: dict[str, Tensor] = {}
    with autocast(state.device, plan):
        passes = forward(state, batch, plan)
    # A fresh autocast for each phase: its cached bfloat16 weights must not outlive an optimiser's step.
    with autocast(state.device, plan):
        real_features = _update_discriminator(state, batch, plan, passes, has_penalty, terms)
    if plan.objective.grl_weight:
        update_predictors(state, batch, plan, passes, terms)
    with autocast(state.device, plan):
        losses_of_players = player_terms(state, batch, plan, passes, real_features)
    total = torch.stack([weight * term for weight, term in losses_of_players.values()]).sum()
    state.optimisers["networks"].zero_grad()
    total.backward()
    clip_grad_norm_(state.networks.parameters(), _LARGEST_GRADIENT)
    state.optimisers["networks"].step()
    terms |= {name: term for name, (_, term) in losses_of_players.items()}
    state.images_seen += len(batch.images)
    return {name: term.detach() for name, term in terms.items()}


def forward(state: TrainingState, batch: Batch, plan: StepPlan) -> Passes:
    """Codes of the images and of their transformed copies, codes for generation, and all images made of them."""
    networks, objective = state.networks, plan.objective
    n = len(batch.images)
    assert networks.encoder is not None
    seen = batch.images
    if objective.self_weight:
        changed = change(batch.images, plan.changes, batch.generator)
        seen = torch.cat([batch.images, changed]).contiguous(memory_format=torch.channels_last)
    content, style = networks.encoder(seen)
    (content, changed_content), (style, changed_style) = _halves(content, n), _halves(style, n)
    prior = networks.content_prior(batch.drawn_condition)
    inferred_content = content.sample(_noise(content.mean, batch.generator))
    inferred_style = style.sample(_noise(style.mean, batch.generator))
    drawn_content = prior.sample(_noise(prior.mean, batch.generator))
    from_prior = n - round(n * objective.swap_share)
    drawn_style = _noise(style.mean, batch.generator)
    # The rest of the generated images are swaps: another row's inferred style, which the generator must not change.
    drawn_style = torch.cat([drawn_style[:from_prior], inferred_style.detach()[from_prior:]])
    # Half of the reconstructions are of the means, which is what is used later: the generator must know them too.
    half = n // 2
    made = networks.generator(
        torch.cat([drawn_content, inferred_content[:half], content.mean[half:]]),
        torch.cat([drawn_style, inferred_style[:half], style.mean[half:]]),
    )
    return Passes(
        content, style, changed_content, changed_style, inferred_content, inferred_style,
        prior, drawn_content, drawn_style, from_prior, made[:n], made[n:],
    )  # fmt: skip


def _update_discriminator(
    state: TrainingState,
    batch: Batch,
    plan: StepPlan,
    passes: Passes,
    has_penalty: bool,
    terms: dict[str, Tensor],
) -> Tensor:
    """D's update; returns the features of the real images (detached), which E's inference game reads again."""
    discriminator, objective = state.adversaries.discriminator, plan.objective
    discriminator.requires_grad_(True)
    n = len(batch.images)
    shown = _augment(state, batch, torch.cat([batch.images, passes.generated.detach()]))
    features = discriminator.trunk(shown)
    with torch.autocast(state.device.type, enabled=False):
        parts = discriminator_terms(
            discriminator, features[:n], features[n:], batch, passes, objective, terms
        )
        total = sum(parts.values(), torch.zeros((), device=state.device))
    if has_penalty and objective.r1_gamma and parts:
        penalty = _penalty(discriminator, shown[:n], batch, passes)
        total = total + penalty * (0.5 * objective.r1_gamma * objective.r1_interval)
        terms["r1"] = penalty
    if parts:
        state.optimisers["discriminator"].zero_grad()
        total.backward()
        clip_grad_norm_(discriminator.parameters(), _LARGEST_GRADIENT)
        state.optimisers["discriminator"].step()
    discriminator.requires_grad_(False)
    terms |= parts
    return features[:n].detach()


def discriminator_terms(
    discriminator: Discriminator,
    real: Float[Tensor, "batch feature"],
    fake: Float[Tensor, "batch feature"],
    batch: Batch,
    passes: Passes,
    objective: Objective,
    logits: dict[str, Tensor],
) -> dict[str, Tensor]:
    """D's side of V_cond and V_dual, weighted; mean logits are left in `logits`."""
    parts: dict[str, Tensor] = {}
    if objective.condition_weight:
        real_logits, fake_logits = discriminator.image(real).squeeze(1), discriminator.image(fake).squeeze(1)
        if objective.is_relativistic:
            image = losses.relativistic_loss(real_logits, fake_logits)
        else:
            image = losses.real_side_loss(real_logits) + losses.fake_side_loss(fake_logits)
        matched = losses.real_side_loss(discriminator.condition(real, batch.condition))
        wrong = losses.fake_side_loss(discriminator.condition(real, batch.wrong_condition))
        made = losses.fake_side_loss(discriminator.condition(fake, batch.drawn_condition))
        parts["d_image"] = objective.condition_weight * image
        parts["d_condition"] = objective.condition_weight * (matched + 0.5 * wrong + 0.5 * made)
        logits["real_logits"], logits["fake_logits"] = real_logits.mean(), fake_logits.mean()
        logits["real_sign"] = real_logits.sign().mean()
    if objective.dual_weight:
        inferred = discriminator.content(real, passes.inferred_content.detach())
        drawn = discriminator.content(fake, passes.drawn_content.detach())
        content = losses.real_side_loss(inferred) + losses.fake_side_loss(drawn)
        inferred = discriminator.style(real, passes.inferred_style.detach())
        # Only styles drawn from the prior stand on the generation side: a borrowed one is the inference side's.
        drawn = discriminator.style(fake[: passes.from_prior], passes.drawn_style[: passes.from_prior])
        style = losses.real_side_loss(inferred) + losses.fake_side_loss(drawn)
        parts["d_content"], parts["d_style"] = objective.dual_weight * content, objective.dual_weight * style
    return parts


def player_terms(
    state: TrainingState,
    batch: Batch,
    plan: StepPlan,
    passes: Passes,
    real_features: Float[Tensor, "batch feature"],
) -> dict[str, tuple[float, Tensor]]:
    """The terms of generator, encoder and content prior as (weight, loss); D and the predictors are frozen here."""
    objective, networks, discriminator = plan.objective, state.networks, state.adversaries.discriminator
    assert networks.encoder is not None
    out: dict[str, tuple[float, Tensor]] = {}
    fake = discriminator.trunk(_augment(state, batch, passes.generated))
    content_again, style_again = (
        networks.encoder(passes.generated) if objective.code_cycle_weight else (None, None)
    )
    with torch.autocast(state.device.type, enabled=False):
        if objective.condition_weight:
            fake_logits = discriminator.image(fake).squeeze(1)
            if objective.is_relativistic:
                real_logits = discriminator.image(real_features).squeeze(1)
                image = losses.relativistic_loss(fake_logits, real_logits)
            else:
                image = losses.real_side_loss(fake_logits)
            out["g_image"] = objective.condition_weight, image
            condition = losses.real_side_loss(discriminator.condition(fake, batch.drawn_condition))
            out["g_condition"] = objective.condition_weight, condition
        if objective.dual_weight:
            drawn = discriminator.content(fake, passes.drawn_content)
            inferred = discriminator.content(real_features, passes.inferred_content)
            out["g_content"] = objective.dual_weight, losses.real_side_loss(drawn)
            out["e_content"] = objective.dual_weight, losses.fake_side_loss(inferred)
            drawn = discriminator.style(fake[: passes.from_prior], passes.drawn_style[: passes.from_prior])
            inferred = discriminator.style(real_features, passes.inferred_style)
            out["g_style"] = objective.dual_weight, losses.real_side_loss(drawn)
            out["e_style"] = objective.dual_weight, losses.fake_side_loss(inferred)
        if objective.align_weight or objective.match_weight:
            with torch.no_grad():
                prior = networks.content_prior(batch.condition)
            # T keeps the content, so a transformed copy is a second labelled image that costs nothing more.
            seen = [content for content in (passes.content, passes.changed_content) if content is not None]
            if objective.align_weight:
                align = torch.stack([losses.kl_divergence(content, prior) for content in seen]).mean()
                out["align"] = objective.align_weight, align
            if objective.match_weight:
                match = [losses.matching_loss(content.mean, prior, batch.condition) for content in seen]
                out["match"] = objective.match_weight, torch.stack(match).mean()
        if objective.image_cycle_weight:
            cycle = losses.image_cycle_loss(batch.images, passes.reconstructed)
            out["image_cycle"] = objective.image_cycle_weight, cycle
        if content_again is not None and style_again is not None:
            cycle = losses.code_cycle_loss(passes.drawn_content, content_again.mean)
            cycle = cycle + losses.code_cycle_loss(passes.drawn_style, style_again.mean)
            out["code_cycle"] = objective.code_cycle_weight, cycle
        if objective.grl_weight:
            lost, constant = predictor_losses(state, plan, *passes.real_codes(batch.condition))
            out["grl"] = objective.grl_weight, losses.hiding_loss(lost, constant)
        if objective.independence_weight:
            # A transformed copy shares its original's label by construction, so it stands in a batch of its own.
            styles = [style.mean for style in (passes.style, passes.changed_style) if style is not None]
            found = [losses.independence_loss(style, batch.condition) for style in styles]
            out["independence"] = objective.independence_weight, torch.stack(found).mean()
        if passes.changed_content is not None and passes.changed_style is not None:
            held = losses.invariance_loss(passes.content.mean, passes.changed_content.mean)
            apart = losses.separation_loss(
                passes.style.mean, passes.changed_style.mean, objective.self_margin
            )
            out["self_content"], out["self_style"] = (
                (objective.self_weight, held),
                (objective.self_weight, apart),
            )
        if objective.prior_kl_weight:
            out["prior_kl"] = objective.prior_kl_weight, losses.kl_to_standard(passes.prior)
        if objective.style_kl_weight:
            out["style_kl"] = objective.style_kl_weight, losses.kl_to_standard(passes.style)
    return out


def _penalty(discriminator: Discriminator, images: Tensor, batch: Batch, passes: Passes) -> Tensor:
    """R1 of the summed logits of all heads at the real images."""
    images = images.detach().requires_grad_(True)
    features = discriminator.trunk(images)
    with torch.autocast(images.device.type, enabled=False):
        logits = (
            discriminator.image(features).squeeze(1)
            + discriminator.condition(features, batch.condition)
            + discriminator.content(features, passes.inferred_content.detach())
            + discriminator.style(features, passes.inferred_style.detach())
        )
        return losses.r1_penalty(logits, images)


def _augment(state: TrainingState, batch: Batch, images: Tensor) -> Tensor:
    if state.augment_probability == 0:
        return images
    images = change(images, _DISCRIMINATOR_CHANGES, batch.generator, state.augment_probability)
    return cut_out(images, 0.4, batch.generator, state.augment_probability)


_DISCRIMINATOR_CHANGES = Changes("flip", turn_degrees=15, shift=0.12, zoom=0.2, brightness=0.2, contrast=0.3)


def _halves(codes: Gaussian, n: int) -> tuple[Gaussian, Gaussian | None]:
    if len(codes.mean) == n:
        return codes, None
    return Gaussian(codes.mean[:n], codes.log_variance[:n]), Gaussian(codes.mean[n:], codes.log_variance[n:])


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like.device)
