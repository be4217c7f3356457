"""One step of training: both players' updates from one pass of the encoder and one of the generator (METHOD section 2).

A method is its objective and its networks: a term of weight 0, or whose codes there are none of, is not computed. Knows
tensors and networks; nothing of files, ticks or budgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from drai_cli.model.discriminator import Discriminator
from drai_cli.model.encoder import Encoder
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import Objective
from drai_cli.training import losses
from drai_cli.training.augment import augment, change, drawn_by
from drai_cli.training.hiding import update_predictors
from drai_cli.training.overlap import Beside
from drai_cli.training.passes import Batch, Inferred, Passes, StepPlan, codes_of_all
from drai_cli.training.precision import autocast, weights_in
from drai_cli.training.state import TrainingState
from drai_cli.training.terms import adversarial_terms, code_terms

# Norm of a player's whole gradient: about what it settles at. Adam without momentum answers a spike with a leap.
_LARGEST_GRADIENT = 10.0


def train_step(
    state: TrainingState, batch: Batch, plan: StepPlan, has_penalty: bool
) -> dict[str, Float[Tensor, ""]]:
    """Updates the state once and returns every term and logit mean, detached, by name."""
    terms: dict[str, Tensor] = {}
    encoder, generator = state.networks.encoder, state.networks.generator
    readers = [] if encoder is None else [encoder.trunk]  # its heads stay in full precision
    dtype = plan.autocast_dtype
    with autocast(state.device, dtype), weights_in(dtype, generator, *readers):
        passes = forward(state, batch, plan)
        # What codes tell and what the discriminator tells need nothing of each other.
        of_codes = Beside(state.device, plan.processes)
        real_features = _update_discriminator(state, batch, plan, passes, has_penalty, terms)
        losses_of_players = adversarial_terms(state, batch, plan, passes, real_features)
        with of_codes:
            if plan.objective.grl_weight and passes.real is not None:
                update_predictors(state, batch, plan, passes.real, terms)
            losses_of_players |= code_terms(state, batch, plan, passes)
    state.optimisers["networks"].zero_grad()
    torch.autograd.backward(
        [term for _, term in losses_of_players.values()],
        [torch.full_like(term, weight) for weight, term in losses_of_players.values()],
    )
    plan.processes.average_gradients(state.networks)
    _clip(state.networks)
    state.optimisers["networks"].step()
    terms |= {name: term for name, (_, term) in losses_of_players.items()}
    state.images_seen += len(batch)
    return {name: term.detach() for name, term in terms.items()}


def forward(state: TrainingState, batch: Batch, plan: StepPlan) -> Passes:
    """Codes of the images, as far as a term takes them, codes for generation, and all images made of them."""
    networks, objective, share = state.networks, plan.objective, plan.processes.share
    n, own = len(batch), len(batch.images)
    real = None
    if objective.reads_images and networks.encoder is not None:
        real = infer(networks.encoder, batch, plan)
    prior = networks.content_prior(batch.drawn_condition)
    content = prior.sample(_noise(prior.mean.shape, batch))
    style = _noise((n, networks.generator.style_dim), batch)
    condition, from_prior = batch.drawn_condition, n
    if real is not None and real.content is not None:
        # The rest of the generated images are swaps, made as they are later: a row's content and another's style, both
        # means. Their label is the content's, whatever the style.
        from_prior = n - round(n * objective.swap_share)
        content = torch.cat([content[:from_prior], real.content.mean.detach()[from_prior:]])
        style = torch.cat([style[:from_prior], real.style.mean.detach()[from_prior:].roll(1, 0)])
        condition = torch.cat([condition[:from_prior], batch.condition[from_prior:]])
    contents, styles = [content], [style]
    if objective.image_cycle_weight and real is not None:
        # Half of the reconstructions are of the means, which is what is used later: the generator must know them too.
        half = n // 2
        if real.content is not None and real.drawn_content is not None:
            contents.append(torch.cat([real.drawn_content[:half], real.content.mean[half:]]))
        else:
            contents.append(networks.content_prior(batch.condition).mean)
        styles.append(torch.cat([real.drawn_style[:half], real.style.mean[half:]]))
    made = networks.generator(torch.cat(list(map(share, contents))), torch.cat(list(map(share, styles))))
    reconstructed = made[own:] if len(made) > own else None
    return Passes(real, prior, condition, content, style, from_prior, made[:own], reconstructed)


def infer(encoder: Encoder, batch: Batch, plan: StepPlan) -> Inferred:
    """Codes of the images and, for V_self, of their transformed copies."""
    n, segments = len(batch), 1
    seen = batch.images
    if plan.objective.self_weight:
        changed = change(batch.images, plan.changes, batch.generator, share=plan.processes.share_of(n))
        seen = torch.cat([batch.images, changed]).contiguous(memory_format=torch.channels_last)
        segments = 2
    both_contents, both_styles = codes_of_all(encoder, seen, plan, n, segments)
    content, changed_content = (None, None) if both_contents is None else _halves(both_contents, n)
    style, changed_style = _halves(both_styles, n)
    drawn_content = None if content is None else content.sample(_noise(content.mean.shape, batch))
    drawn_style = style.sample(_noise(style.mean.shape, batch))
    return Inferred(content, style, changed_content, changed_style, drawn_content, drawn_style)


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
    n, own, processes = len(batch), len(batch.images), plan.processes
    both = torch.cat([batch.images, passes.generated.detach()])
    shown = augment(both, batch.augment_probability, batch.generator, processes.share_of(n, segments=2))
    with weights_in(plan.autocast_dtype, discriminator.trunk):
        (features,) = processes.gather([discriminator.trunk(shown)], n, segments=2)
    with torch.autocast(state.device.type, enabled=False):
        parts = discriminator_terms(discriminator, features, batch, passes, objective, terms)
        total = sum(parts.values(), torch.zeros((), device=state.device))
    if has_penalty and objective.r1_gamma and parts:
        penalty = processes.mean(_penalty(discriminator, shown[:own], batch, passes, plan), n)
        total = total + penalty * (0.5 * objective.r1_gamma * objective.r1_interval)
        terms["r1"] = penalty
    if parts:
        state.optimisers["discriminator"].zero_grad()
        # Within autocast the heads' gradients, too, would be of bfloat16.
        with torch.autocast(state.device.type, enabled=False):
            total.backward()
        processes.average_gradients(discriminator)
        _clip(discriminator)
        state.optimisers["discriminator"].step()
    discriminator.requires_grad_(False)
    terms |= parts
    return features[:n].detach()


def discriminator_terms(
    discriminator: Discriminator,
    features: Float[Tensor, "both feature"],
    batch: Batch,
    passes: Passes,
    objective: Objective,
    logits: dict[str, Tensor],
) -> dict[str, Tensor]:
    """D's side of V_cond, V_dual and V_aggregate, weighted; mean logits are left in `logits`.

    `features` are those of the real images and, after them, of the generated. Each head reads all its rows at once.
    """
    parts: dict[str, Tensor] = {}
    inferred, n = passes.real, len(batch)
    if objective.condition_weight:
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
        parts["d_image"] = objective.condition_weight * image
        parts["d_condition"] = objective.condition_weight * condition
        logits["real_logits"], logits["fake_logits"] = real_logits.mean(), fake_logits.mean()
        logits["real_sign"] = real_logits.sign().mean()
    if objective.dual_weight and inferred is not None and inferred.drawn_content is not None:
        # Only codes drawn from their priors stand on the generation side: those of swaps are the inference side's.
        count = passes.from_prior
        both = features[: n + count]
        contents = torch.cat([inferred.drawn_content, passes.content[:count]]).detach()
        styles = torch.cat([inferred.drawn_style, passes.style[:count]]).detach()
        agreements = discriminator.content_style(both, contents, styles)
        for name, agreement in zip(("d_content", "d_style"), agreements, strict=True):
            up, down = agreement.tensor_split([n])
            parts[name] = objective.dual_weight * (losses.real_side_loss(up) + losses.fake_side_loss(down))
    if objective.aggregate_weight and inferred is not None and discriminator.codes is not None:
        codes = discriminator.codes
        if inferred.drawn_content is not None:
            drawn = passes.content[: passes.from_prior].detach()
            up = codes.content(drawn, passes.condition[: passes.from_prior])
            down = codes.content(inferred.drawn_content.detach(), batch.condition)
            content = losses.real_side_loss(up) + losses.fake_side_loss(down)
            parts["d_all_content"] = objective.aggregate_weight * content
        up = codes.style(passes.style[: passes.from_prior])
        down = codes.style(inferred.drawn_style.detach())
        style = losses.real_side_loss(up) + losses.fake_side_loss(down)
        parts["d_all_style"] = objective.aggregate_weight * style
    return parts


def _penalty(
    discriminator: Discriminator, images: Tensor, batch: Batch, passes: Passes, plan: StepPlan
) -> Tensor:
    """R1 of the summed logits at the share's real images: of V_cond's heads, and of V_dual's where it is played."""
    images = images.detach().requires_grad_(True)
    with weights_in(plan.autocast_dtype, discriminator.trunk):
        features = discriminator.trunk(images)
    real, share = passes.real, plan.processes.share
    with torch.autocast(images.device.type, enabled=False):
        logits = discriminator.image(features).squeeze(1)
        logits = logits + discriminator.condition(features, share(batch.condition)).sum(0)
        if plan.objective.dual_weight and real is not None and real.drawn_content is not None:
            codes = share(real.drawn_content.detach()), share(real.drawn_style.detach())
            logits = logits + discriminator.content_style(features, *codes).sum(0)
        return losses.r1_penalty(logits, images)


def _clip(module: nn.Module) -> None:
    """Scales the gradient down where it is too large; where it is not, a CPU need not write it all again."""
    norm = get_total_norm([parameter.grad for parameter in module.parameters() if parameter.grad is not None])
    if norm.device.type != "cpu" or norm > _LARGEST_GRADIENT:
        clip_grads_with_norm_(module.parameters(), _LARGEST_GRADIENT, norm)


def _halves(codes: Gaussian, n: int) -> tuple[Gaussian, Gaussian | None]:
    if len(codes.mean) == n:
        return codes, None
    return Gaussian(codes.mean[:n], codes.log_variance[:n]), Gaussian(codes.mean[n:], codes.log_variance[n:])


def _noise(shape: Sequence[int], batch: Batch) -> Tensor:
    return torch.randn(tuple(shape), **drawn_by(batch.generator)).to(batch.condition.device)
