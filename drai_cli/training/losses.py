"""The losses of the objective as pure functions of tensors (`reference/method.md`), each a scalar to be minimised.

Knows nothing of networks, devices or schedules. The caller decides who learns from a loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from drai_cli.conditions.attribute import Slot
from drai_cli.model.gaussian import Gaussian

Logits = Float[Tensor, " batch"]
Images = Float[Tensor, "batch channels height width"]
Codes = Float[Tensor, "batch dim"]
Conditions = Float[Tensor, "batch condition"]
Findings = Float[Tensor, "batch finding"]
Scalar = Float[Tensor, ""]


def real_side_loss(logits: Logits) -> Scalar:
    """Logistic loss that pulls logits up: softplus(-logit), mean."""
    return functional.softplus(-logits).mean()


def fake_side_loss(logits: Logits) -> Scalar:
    """Logistic loss that pushes logits down: softplus(logit), mean."""
    return functional.softplus(logits).mean()


def relativistic_loss(higher: Logits, lower: Logits) -> Scalar:
    """Relativistic pairing (Huang et al. 2024): the logits of one side should exceed those of the other, row by row."""
    return functional.softplus(lower - higher).mean()


def finding_loss(
    of_real: tuple[Findings, Findings, Findings], of_made: tuple[Findings, Findings, Findings]
) -> Scalar:
    """D's loss on findings, summed over those that are known: (x, state) up; (x, other state), (x̃, state) down.

    Each side is what `FindingHeads` gives. The two kinds of wrong pairs have weight one half each. A finding has two
    states, so every real image tells of each of its findings which state is wrong: a wrong set tells only that one of
    its findings is.
    """
    (given, other, known), (made, _, asked) = of_real, of_made
    real = (functional.softplus(-given) + 0.5 * functional.softplus(other)) * known
    return (real + 0.5 * functional.softplus(made) * asked).sum(1).mean()


def finding_fooling_loss(made: Findings, asked: Findings) -> Scalar:
    """G's loss on findings, summed over those that are asked for: (x̃, state) up."""
    return (functional.softplus(-made) * asked).sum(1).mean()


def r1_penalty(logits: Logits, images: Images) -> Scalar:
    """Mean squared norm of the logits' gradient at real images (Mescheder et al. 2018); without its factor gamma/2.

    `images` must require a gradient and `logits` come from them.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()


def kl_divergence(q: Gaussian, p: Gaussian) -> Scalar:
    """KL(q ‖ p) of diagonal Gaussians, summed over dimensions, mean over the batch."""
    ratio = q.log_variance - p.log_variance
    distance = (q.mean - p.mean).square() * torch.exp(-p.log_variance)
    return 0.5 * (ratio.exp() + distance - 1 - ratio).sum(1).mean()


def matching_loss(content: Codes, prior: Gaussian, condition: Conditions) -> Scalar:
    """Cross entropy of finding an image's own condition among the batch's by its content, Bayes' rule on p(c|t).

    The density of a row's content under each row's prior says to which condition it belongs; rows of equal condition
    count as one. The KL to its own prior is small for a content between two labels; this loss is not.
    """
    standard = (content[:, None] - prior.mean[None]) * torch.exp(-0.5 * prior.log_variance)[None]
    log_density = -0.5 * (standard.square() + prior.log_variance[None]).sum(2)
    is_own = (condition[:, None] == condition[None]).all(2)
    own = log_density.masked_fill(~is_own, -torch.inf).logsumexp(1)
    return (log_density.logsumexp(1) - own).mean()


def kl_to_standard(q: Gaussian) -> Scalar:
    """KL(q ‖ N(0, I)), summed over dimensions, mean over the batch."""
    return 0.5 * (q.log_variance.exp() + q.mean.square() - 1 - q.log_variance).sum(1).mean()


def image_cycle_loss(images: Images, again: Images) -> Scalar:
    """Mean absolute difference of images in [-1, 1], averaged over the full, half and quarter resolution.

    At the coarser ones, texture that no code can predict averages out, so that size, place and light weigh more.
    """
    difference = images - again
    scales = [difference, functional.avg_pool2d(difference, 2), functional.avg_pool2d(difference, 4)]
    return torch.stack([scale.abs().mean() for scale in scales]).mean()


def code_cycle_loss(codes: Codes, again: Codes) -> Scalar:
    """Mean squared difference of codes; the target `codes` carries no gradient."""
    return (codes.detach() - again).square().mean()


def prediction_loss(target: Codes, predicted: Codes) -> Scalar:
    """Mean squared error of a standardised target: 1 is the loss of the constant predictor (R² = 0)."""
    return functional.mse_loss(predicted, target.detach())


def condition_prediction_loss(
    condition: Conditions, predicted: Conditions, slots: Sequence[Slot]
) -> Float[Tensor, " slot"]:
    """Loss of predicting each slot: cross entropy of a category or a finding, squared error of a number.

    Rows with a missing slot do not count; if it is missing in all rows, the loss is 0.
    """
    losses = []
    for slot in slots:
        values, output = condition[:, slot.place][:, :-1], predicted[:, slot.place][:, :-1]
        present = 1 - condition[:, slot.place][:, -1]
        if slot.kind == "category":
            error = -values * output.log_softmax(1)
        elif slot.kind == "finding":
            error = functional.binary_cross_entropy_with_logits(output, values, reduction="none")
        else:
            error = (values - output).square()
        losses.append((error.sum(1) * present).sum() / present.sum().clamp(min=1))
    return torch.stack(losses)


def condition_constant_loss(condition: Conditions, slots: Sequence[Slot]) -> Float[Tensor, " slot"]:
    """Loss of the constant predictor of this batch: the entropy of a category or a finding, a number's variance.

    Rows with a missing slot do not count; if it is missing in all rows, the loss is 0.
    """
    constants = []
    for slot in slots:
        values, present = condition[:, slot.place][:, :-1], 1 - condition[:, slot.place][:, -1]
        count = present.sum().clamp(min=1)
        if slot.kind == "category":
            constant = _entropy(values.sum(0) / count)
        elif slot.kind == "finding":
            shown = values.sum(0) / count
            constant = _entropy(torch.cat([shown, 1 - shown]))
        else:
            centre = (values.squeeze(1) * present).sum() / count
            constant = ((values.squeeze(1) - centre).square() * present).sum() / count
        constants.append(constant)
    return torch.stack(constants)


def _entropy(shares: Float[Tensor, " outcome"]) -> Scalar:
    return -(shares * shares.clamp(min=1e-6).log()).sum()


def hiding_loss(losses: Float[Tensor, " n"], constants: Float[Tensor, " n"]) -> Scalar:
    """The encoder's loss behind the gradient reversal: the mean of the predictors' losses, negated.

    Each is capped at the constant predictor's loss. Beyond it nothing is left to hide, and the encoder would only learn
    to inflate its codes.
    """
    return -torch.minimum(losses, constants).mean()


def independence_loss(style: Codes, condition: Conditions) -> Scalar:
    """Dependence of style and condition: 0 if independent, about 1 if one determines the other.

    The unbiased Hilbert-Schmidt independence criterion (Song et al. 2012, equation 4) of Gaussian kernels, divided by
    that of the condition with itself. All codes come from one batch and the same weights, so an encoder cannot escape
    by moving all of them, as it can from a predictor that learned from earlier codes. With fewer than 4 rows it is 0.
    """
    if len(style) < 4:
        return style.sum() * 0
    # Standardised with a gradient: otherwise inflated codes would make the kernel vanish.
    standard = (style - style.mean(0)) * torch.rsqrt(style.var(0) + 1e-4)
    distance = (standard[:, None] - standard[None]).square().mean(2)
    alike = torch.stack([torch.exp(-distance / (2 * width)) for width in (0.25, 1.0)]).mean(0)
    same = torch.exp(-(condition[:, None] - condition[None]).square().sum(2))
    return _hsic(alike, same) / _hsic(same, same).clamp(min=1e-2)


def _hsic(a: Float[Tensor, "n n"], b: Float[Tensor, "n n"]) -> Scalar:
    n = len(a)
    off_diagonal = 1 - torch.eye(n, device=a.device)
    a, b = a * off_diagonal, b * off_diagonal
    crossed = (a.sum(0) * b.sum(0)).sum()
    means = a.sum() * b.sum() / ((n - 1) * (n - 2))
    return ((a * b).sum() + means - 2 / (n - 2) * crossed) / (n * (n - 3))


def invariance_loss(content: Codes, changed: Codes) -> Scalar:
    """First half of V_self: content means of an image and of its transformed copy should agree; mean square."""
    return (content - changed).square().mean()


def separation_loss(style: Codes, changed: Codes, margin: float) -> Scalar:
    """Second half of V_self: style means should differ. The loss is the cosine above `margin`, so it is bounded."""
    # The mean product of vectors of unit scale is the cosine, in a fraction of the operations.
    a, b = (functional.rms_norm(one, one.shape[1:]) for one in (style, changed))
    return functional.relu((a * b).mean(1) - margin).mean()
