"""The content prior of a snapshot, fitted to the content that its encoder infers from training images."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.model.content_prior import ContentPrior
from drai_cli.model.gaussian import Gaussian
from drai_cli.model.networks import Networks
from drai_cli.settings.methods import reads_images
from drai_cli.training.batches import Batches
from drai_cli.training.draws import make_generator
from drai_cli.training.losses import kl_divergence
from drai_cli.training.passes import StepPlan
from drai_cli.training.precision import autocast

_IMAGES = 4096
_VIEWS_PER_IMAGE = 4
_PASSES = 90
_LEAST_STEPS = 200
_BATCH_SIZE = 256
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.3


def fit_prior(
    networks: Networks, batches: Batches, plan: StepPlan, progress: Callable[[int], object] = lambda _: None
) -> Networks:
    """A copy of averaged networks with a fitted content prior; the networks themselves if content is not inferred.

    In training p(c|t) learns only from D, and drifts away from the content of real images: samples become more typical
    of their label than real images are. The fitted prior minimises KL(q(c|x) ‖ p(c|t)) over training images drawn as in
    training: balanced, flipped and rotated, attributes missing at random. Training does not use it.

    Args:
        networks: In eval mode.
        batches: Of the training images.
        plan: The method's objective, and the encoder's arithmetic.
        progress: Called with the number of training images that were encoded; `count_to_encode` in all.
    """
    encoder = networks.encoder
    if encoder is None or encoder.content is None or not reads_images(plan.objective):
        return networks
    generator = make_generator(batches.options.seed, 0)
    count = count_to_encode(batches)
    means, log_variances, conditions = [], [], []
    with torch.no_grad(), autocast(batches.device, plan.autocast_dtype):
        for images, condition in batches.labelled(count, _BATCH_SIZE, generator):
            content, _ = encoder(images)
            assert content is not None
            means.append(content.mean)
            log_variances.append(content.log_variance)
            conditions.append(condition)
            progress(len(condition))
    inferred = Gaussian(torch.cat(means), torch.cat(log_variances))
    fitted = copy.deepcopy(networks)
    fitted.content_prior = _fit(inferred, torch.cat(conditions), batches, generator)
    return fitted


def count_to_encode(batches: Batches) -> int:
    """How many training images `fit_prior` encodes."""
    return min(_IMAGES, _VIEWS_PER_IMAGE * len(batches.rows))


def _fit(
    inferred: Gaussian, conditions: Float[Tensor, "n condition"], batches: Batches, generator: torch.Generator
) -> ContentPrior:
    """Fits a new prior; the trained one has memorised attributes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(batches.options.seed)
        prior = ContentPrior(batches.options.model, conditions.shape[1]).to(batches.device)
    optimiser = torch.optim.AdamW(prior.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    steps = max(_LEAST_STEPS, round(_PASSES * len(conditions) / _BATCH_SIZE))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - step / steps)
        rows = torch.randint(len(conditions), (_BATCH_SIZE,), generator=generator)
        condition = batches.with_missing(conditions[rows], generator).to(batches.device)
        seen = rows.to(batches.device)
        loss = kl_divergence(Gaussian(inferred.mean[seen], inferred.log_variance[seen]), prior(condition))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return prior.eval().requires_grad_(False)
