"""One training step: one pass of encoder and generator, then the updates of all players (`reference/method.md`).

The mathematics is in `forward`, `terms`, `hiding` and `losses`; here it is put in order and given its arithmetic
(`precision`), several processes (`gathering`, `parallel`) and streams (`overlap`). A method is its objective and its
networks. Knows nothing of files, ticks or budgets.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from drai_cli.model.discriminator import Discriminator
from drai_cli.training import losses
from drai_cli.training.augment import augment
from drai_cli.training.forward import forward
from drai_cli.training.gathering import infer_codes, read_features, read_own_features
from drai_cli.training.hiding import update_predictors
from drai_cli.training.overlap import SideStream
from drai_cli.training.passes import Batch, Images, Passes, StepPlan
from drai_cli.training.precision import autocast, full_precision, weights_in
from drai_cli.training.projected import (
    generator_terms,
    generator_terms_of_findings,
    heads_terms,
    heads_terms_of_findings,
    judge_findings,
    judge_maps,
    read_maps,
    sign_gap,
)
from drai_cli.training.state import TrainingState
from drai_cli.training.terms import (
    Features,
    Scalar,
    Terms,
    adversarial_terms,
    code_terms,
    discriminator_terms,
)

# Norm of a player's whole gradient, about the usual one. Adam without momentum turns a spike into a leap.
_LARGEST_GRADIENT = 10.0


def train_step(state: TrainingState, batch: Batch, plan: StepPlan, has_penalty: bool) -> dict[str, Scalar]:
    """Updates the state once and returns every term and mean logit, detached, by name."""
    encoder, generator = state.networks.encoder, state.networks.generator
    trunks = [] if encoder is None else [encoder.trunk]  # the encoder's heads stay in full precision
    dtype = plan.autocast_dtype
    with autocast(state.device, dtype), weights_in(dtype, generator, *trunks):
        passes = forward(state, batch, plan)
        # From here the terms of codes and those of the discriminator are independent of each other.
        side_stream = SideStream(state.device, plan.processes)
        logged, real_features = update_discriminator(state, batch, plan, passes, has_penalty)
        terms = compute_adversarial_terms(state, batch, plan, passes, real_features)
        if plan.objective.features_weight:
            of_heads, of_generator = train_projected(state, batch, plan, passes)
            logged |= of_heads
            terms |= of_generator
        with side_stream:
            if plan.objective.grl_weight and passes.real is not None:
                logged |= update_predictors(state, batch, plan, passes.real)
            terms |= compute_code_terms(state, batch, plan, passes)
    optimiser = state.optimisers["networks"]
    optimiser.zero_grad()
    torch.autograd.backward(
        [term for _, term in terms.values()],
        [torch.full_like(term, weight) for weight, term in terms.values()],
    )
    _descend(state.networks, optimiser, plan)
    state.images_seen += len(batch)
    logged |= {name: term for name, (_, term) in terms.items()}
    return {name: value.detach() for name, value in logged.items()}


def update_discriminator(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, has_penalty: bool
) -> tuple[dict[str, Scalar], Features]:
    """D's update; returns its terms, and its features of the real images (detached), which E's losses read again."""
    discriminator, objective, processes = state.adversaries.discriminator, plan.objective, plan.processes
    discriminator.requires_grad_(True)
    n, own = len(batch), len(batch.images)
    both = torch.cat([batch.images, passes.generated.detach()])
    share = processes.share_of(n, segments=2)
    augmented = augment(both, batch.augment_probability, batch.generator, share, plan.masks)
    features = read_features(discriminator, augmented, plan, n, segments=2)
    with full_precision(state.device):
        terms, logged = discriminator_terms(discriminator, features, batch, passes, objective)
        weighted = {name: weight * term for name, (weight, term) in terms.items()}
        total = sum(weighted.values(), torch.zeros((), device=state.device))
    if has_penalty and objective.r1_gamma and terms:
        penalty = processes.mean(_penalise(discriminator, augmented[:own], batch, passes, plan), n)
        total = total + penalty * (0.5 * objective.r1_gamma * objective.r1_interval)
        logged["r1"] = penalty
    if terms:
        optimiser = state.optimisers["discriminator"]
        optimiser.zero_grad()
        # Within autocast the gradients of the heads would be bfloat16.
        with full_precision(state.device):
            total.backward()
        _descend(discriminator, optimiser, plan)
    discriminator.requires_grad_(False)
    return logged | weighted, features[:n].detach()


def compute_adversarial_terms(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, real_features: Features
) -> Terms:
    """What G, E and p(c|t) lose against the discriminator after its update."""
    discriminator, n = state.adversaries.discriminator, len(batch)
    share = plan.processes.share_of(n)
    augmented = augment(passes.generated, batch.augment_probability, batch.generator, share, plan.masks)
    fake = read_features(discriminator, augmented, plan, n)
    with full_precision(state.device):
        return adversarial_terms(discriminator, fake, real_features, batch, passes, plan.objective)


def train_projected(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> tuple[dict[str, Scalar], Terms]:
    """The heads' update; returns their terms, and what G and p(c|t) lose against them afterwards."""
    heads, features = state.adversaries.feature_heads, state.features
    assert heads is not None
    assert features is not None
    with torch.no_grad():
        real_maps = read_maps(features, plan.intensities(batch.images), batch, plan)
    fake_maps = read_maps(features, plan.intensities(passes.generated), batch, plan)
    heads.requires_grad_(True)
    heads.iterate()
    real = judge_maps(heads, real_maps, [batch.condition, batch.wrong_condition], plan)
    fake = judge_maps(heads, [one.detach() for one in fake_maps], [passes.condition], plan)
    of_real = judge_findings(heads, real, batch.known_condition)
    of_fake = judge_findings(heads, fake, passes.condition)
    with full_precision(state.device):
        logged = heads_terms(real, fake) | heads_terms_of_findings(of_real, of_fake)
        optimiser = state.optimisers["feature_heads"]
        optimiser.zero_grad()
        torch.stack(list(logged.values())).sum().backward()
        _descend(heads, optimiser, plan)
        heads.requires_grad_(False)
        logged["h_gap"] = sign_gap(real, fake)
    fake = judge_maps(heads, fake_maps, [passes.condition], plan)
    of_fake = judge_findings(heads, fake, passes.condition)
    weight = plan.objective.features_weight
    return logged, generator_terms(fake, weight) | generator_terms_of_findings(of_fake, weight)


def compute_code_terms(state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes) -> Terms:
    """What G, E and p(c|t) lose by codes, reconstructions and the updated predictors."""
    again, encoder = None, state.networks.encoder
    if plan.objective.code_cycle_weight and encoder is not None:
        again = infer_codes(encoder, plan.intensities(passes.generated), plan, len(batch))
    with full_precision(state.device):
        return code_terms(state, batch, plan, passes, again)


def _penalise(
    discriminator: Discriminator, images: Images, batch: Batch, passes: Passes, plan: StepPlan
) -> Scalar:
    """R1 of the summed logits at the share's real images: of V_cond's heads, and of V_dual's if it is played."""
    images = images.detach().requires_grad_(True)
    features = read_own_features(discriminator, images, plan)
    real, share = passes.real, plan.processes.share
    with full_precision(images.device):
        logits = discriminator.image(features).squeeze(1)
        logits = logits + discriminator.condition(features, share(batch.condition)).sum(0)
        if discriminator.findings is not None:
            given, _, known = discriminator.findings(features, share(batch.known_condition))
            logits = logits + (given * known).sum(1)
        if plan.objective.dual_weight and real is not None and real.drawn_content is not None:
            codes = share(real.drawn_content.detach()), share(real.drawn_style.detach())
            logits = logits + discriminator.content_style(features, *codes).sum(0)
        return losses.r1_penalty(logits, images)


def _descend(module: nn.Module, optimiser: torch.optim.Optimizer, plan: StepPlan) -> None:
    """Makes the optimiser's step on the gradients of all processes, scaled down where they are too large."""
    plan.processes.average_gradients(module)
    _clip(module)
    optimiser.step()


def _clip(module: nn.Module) -> None:
    """Scales the gradient down if it is too large; if not, a CPU need not write all of it again."""
    norm = get_total_norm([parameter.grad for parameter in module.parameters() if parameter.grad is not None])
    if norm.device.type != "cpu" or norm > _LARGEST_GRADIENT:
        clip_grads_with_norm_(module.parameters(), _LARGEST_GRADIENT, norm)
