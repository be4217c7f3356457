"""The encoder of a snapshot of sets of findings, without the directions of style that images hardly differ in."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.model.networks import Networks
from drai_cli.training.batches import Batches
from drai_cli.training.draws import make_generator
from drai_cli.training.passes import StepPlan
from drai_cli.training.precision import autocast
from drai_cli.training.prior_fit import count_to_encode

_LEAST = 0.05
"""Variance of a direction that is kept, as a share of the widest direction's."""
_BATCH_SIZE = 256


def trims_style(networks: Networks, plan: StepPlan) -> bool:
    """Whether `trim_style` changes anything: labels are sets of findings, and there is an encoder."""
    return networks.encoder is not None and any(slot.kind == "finding" for slot in plan.slots)


def trim_style(
    networks: Networks, batches: Batches, plan: StepPlan, progress: Callable[[int], object] = lambda _: None
) -> Networks:
    """A copy of averaged networks whose style means vary only where those of training images clearly do.

    A style code with more dimensions than images have style leaves directions in which its means differ by a few
    hundredths. Findings remain there in training, because the predictors see each dimension at unit variance and not
    each direction, and a classifier finds them (`examples/RUNS.md`). The generator hardly reads these directions. The
    last layer's part for the means is projected on the others, so the model keeps its format and size. Training does
    not use it, and labels of one name are left as they are.

    Args:
        networks: In eval mode.
        batches: Of the training images.
        plan: The slots of the condition, and the encoder's arithmetic.
        progress: Called with the number of training images that were encoded; `count_to_encode` in all.
    """
    if not trims_style(networks, plan):
        return networks
    trimmed = copy.deepcopy(networks)
    encoder, means = trimmed.encoder, []
    assert encoder is not None
    generator = make_generator(batches.options.seed, 0)
    with torch.no_grad(), autocast(batches.device, plan.autocast_dtype):
        for images, condition in batches.labelled(count_to_encode(batches), _BATCH_SIZE, generator):
            means.append(encoder(images)[1].mean)
            progress(len(condition))
    project_means(encoder.style, torch.cat(means))
    return trimmed


@torch.no_grad()
def project_means(head: nn.Linear, means: Float[Tensor, "n dim"]) -> None:
    """Changes a layer that outputs means and log variances: its means keep the wide directions of these means alone.

    In the other directions they are constant, at the mean of `means`.
    """
    centre, codes = means.double().mean(0), means.double()
    variance, directions = torch.linalg.eigh(torch.cov(codes.T))
    wide = directions[:, variance >= _LEAST * variance.max()]
    projection, dim = wide @ wide.T, len(centre)
    weight, bias = head.weight[:dim].double(), head.bias[:dim].double()
    head.weight[:dim] = (projection @ weight).to(head.weight.dtype)
    head.bias[:dim] = (centre + projection @ (bias - centre)).to(head.bias.dtype)
