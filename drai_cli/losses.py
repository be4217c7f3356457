"""The objective's terms as pure functions of tensors (METHOD section 2). Every one returns a scalar to be minimised.

Knows nothing of networks, devices or schedules. Who learns from a term is decided where it is called.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from drai_cli.model.gaussian import Gaussian

Logits = Float[Tensor, " batch"]


def real_side_loss(logits: Logits) -> Tensor:
    """Logistic loss that pulls logits up: softplus(-logit), mean."""
    return functional.softplus(-logits).mean()


def fake_side_loss(logits: Logits) -> Tensor:
    """Logistic loss that pushes logits down: softplus(logit), mean."""
    return functional.softplus(logits).mean()


def relativistic_loss(higher: Logits, lower: Logits) -> Tensor:
    """Relativistic pairing (Huang et al. 2024): the logits of one side should exceed those of the other, row by row."""
    return functional.softplus(lower - higher).mean()


def r1_penalty(logits: Logits, images: Float[Tensor, "batch channels height width"]) -> Tensor:
    """Mean squared norm of the logits' gradient at real images (Mescheder et al. 2018); the caller weighs by gamma/2.

    `images` must require a gradient and `logits` come from them.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()


def kl_divergence(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q ‖ p) of diagonal Gaussians, summed over dimensions, mean over the batch."""
    ratio = q.log_variance - p.log_variance
    distance = (q.mean - p.mean).square() * torch.exp(-p.log_variance)
    return 0.5 * (ratio.exp() + distance - 1 - ratio).sum(1).mean()


def kl_to_standard(q: Gaussian) -> Tensor:
    """KL(q ‖ N(0, I)), summed over dimensions, mean over the batch."""
    return 0.5 * (q.log_variance.exp() + q.mean.square() - 1 - q.log_variance).sum(1).mean()


def image_cycle_loss(
    images: Float[Tensor, "batch channels height width"], again: Float[Tensor, "batch channels height width"]
) -> Tensor:
    """Mean absolute difference of images in [-1, 1]."""
    return (images - again).abs().mean()


def code_cycle_loss(codes: Float[Tensor, "batch dim"], again: Float[Tensor, "batch dim"]) -> Tensor:
    """Mean squared difference of codes; the target `codes` carries no gradient."""
    return (codes.detach() - again).square().mean()


def prediction_loss(
    target: Float[Tensor, "batch dim"], predicted: Float[Tensor, "batch dim"]
) -> Float[Tensor, " dim"]:
    """Mean squared error per dimension of a standardised target: 1 is what the constant predictor gets (R² = 0)."""
    return (target.detach() - predicted).square().mean(0)


def condition_prediction_loss(
    condition: Float[Tensor, "batch condition"],
    predicted: Float[Tensor, "batch condition"],
    slices: Sequence[slice],
    categorical: Sequence[bool],
) -> tuple[Float[Tensor, " attribute"], Float[Tensor, " attribute"]]:
    """Loss of predicting each attribute, and the loss of the constant predictor of this batch.

    Categorical attributes: cross entropy against the batch's marginal entropy. Continuous ones: squared error against
    the batch's variance. Rows whose attribute is missing do not count; where all are, both are 0.
    """
    losses, constants = [], []
    for where, is_categorical in zip(slices, categorical, strict=True):
        values, output = condition[:, where][:, :-1], predicted[:, where][:, :-1]
        present = 1 - condition[:, where][:, -1]
        count = present.sum().clamp(min=1)
        if is_categorical:
            error = -(values * output.log_softmax(1)).sum(1)
            marginal = values.sum(0) / count
            constant = -(marginal * marginal.clamp(min=1e-6).log()).sum()
        else:
            error = (values - output).square().squeeze(1)
            centre = (values.squeeze(1) * present).sum() / count
            constant = ((values.squeeze(1) - centre).square() * present).sum() / count
        losses.append((error * present).sum() / count)
        constants.append(constant.detach())
    return torch.stack(losses), torch.stack(constants)


def hiding_loss(losses: Float[Tensor, " n"], constants: Float[Tensor, " n"]) -> Tensor:
    """What the encoder gets of the predictors' losses behind the gradient reversal: their mean, negated.

    Each is capped at the constant predictor's loss: past it there is nothing to hide, and to go on would only teach the
    encoder to inflate its codes.
    """
    return -torch.minimum(losses, constants).mean()


def invariance_loss(content: Float[Tensor, "batch dim"], changed: Float[Tensor, "batch dim"]) -> Tensor:
    """First half of V_self: content means of an image and of its transformed copy should agree; mean square."""
    return (content - changed).square().mean()


def separation_loss(
    style: Float[Tensor, "batch dim"], changed: Float[Tensor, "batch dim"], margin: float
) -> Tensor:
    """Second half of V_self: style means should differ; the cosine above `margin` is what is paid, so it is bounded."""
    return functional.relu(functional.cosine_similarity(style, changed, dim=1) - margin).mean()
