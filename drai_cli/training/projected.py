"""The projected discriminator (`reference/method.md`): heads on a frozen network's features against the generator.

One pass of the frozen network over the generated images serves both sides: the heads learn from its maps, detached,
and then judge the same maps for the generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.model.feature_heads import FeatureHeads, HeadLogits
from drai_cli.training.augment import DISCRIMINATOR_CHANGES, change
from drai_cli.training.features import FrozenFeatures, Maps
from drai_cli.training.passes import Batch, Images, StepPlan
from drai_cli.training.precision import weights_in
from drai_cli.training.terms import Scalar, Terms

# Few images are enough to be told apart by heart in features of many images; augmented, they are not.
_LEAST_AUGMENTED = 0.5

Logits = list[HeadLogits]
OfFindings = list[tuple[Tensor, Tensor, Tensor]]


def read_maps(features: FrozenFeatures, images: Images, batch: Batch, plan: StepPlan) -> Maps:
    """The frozen network's maps of these images of the share, augmented, at the step's size."""
    probability: float | Tensor = _LEAST_AUGMENTED
    if batch.augment_probability is not None:
        probability = batch.augment_probability.clamp(min=_LEAST_AUGMENTED)
    share = plan.processes.share_of(len(batch))
    side = features.side_at(batch.size_draw)
    shown = change(images, DISCRIMINATOR_CHANGES, batch.generator, probability, share, side)
    with weights_in(plan.autocast_dtype, features):
        return features(shown)


def judge_maps(
    heads: FeatureHeads, maps: Maps, conditions: Sequence[Float[Tensor, "batch condition"]], plan: StepPlan
) -> Logits:
    """Each head's logits for all processes' images: at each place, and with each of the conditions of the batch."""
    n = len(conditions[0])

    def average(own: Float[Tensor, "share width"]) -> Float[Tensor, " width"]:
        (whole,) = plan.processes.gather([own], n)
        return whole.mean(0)

    own = [plan.processes.share(one) for one in conditions]
    found = []
    for logits, agreements in heads(maps, own, average):
        whole = plan.processes.gather([logits, *agreements], n)
        found.append((whole[0], whole[1:]))
    return found


def judge_findings(
    heads: FeatureHeads, logits: Logits, condition: Float[Tensor, "batch condition"]
) -> OfFindings:
    """Each head's logits of findings, taken out of what `judge_maps` gave; none where labels are one name."""
    if not heads.findings:
        return []
    return [
        head.of_condition(agreements.pop(), condition)
        for head, (_, agreements) in zip(heads.findings, logits, strict=True)
    ]


def heads_terms_of_findings(real: OfFindings, fake: OfFindings) -> dict[str, Scalar]:
    """The heads' hinge losses on findings, summed over those that are known, mean over heads.

    As in `losses.finding_loss`: (x, state) up; (x, other state) and (x̃, state) down, each with weight one half.
    """
    if not real:
        return {}
    lost = []
    for (given, other, known), (made, _, asked) in zip(real, fake, strict=True):
        of_real = (torch.relu(1 - given) + 0.5 * torch.relu(1 + other)) * known
        lost.append((of_real + 0.5 * torch.relu(1 + made) * asked).sum(1).mean())
    return {"h_findings": torch.stack(lost).mean()}


def generator_terms_of_findings(fake: OfFindings, weight: float) -> Terms:
    """G's side: (x̃, state) up, summed over the findings that are asked for, mean over heads."""
    if not fake:
        return {}
    lost = torch.stack([-(made * asked).sum(1).mean() for made, _, asked in fake]).mean()
    return {"g_features_findings": (weight, lost)}


def heads_terms(real: Logits, fake: Logits) -> dict[str, Scalar]:
    """The heads' hinge losses: x up, x̃ down; (x, t) up, (x, t') and (x̃, t) down, each with weight one half.

    `real` has the logits with t and with t', `fake` those with t. Means over heads.
    """
    images, conditions = [], []
    for (on_real, (matched, wrong)), (on_fake, (made,)) in zip(real, fake, strict=True):
        images.append(_pull_up(on_real) + _push_down(on_fake))
        conditions.append(_pull_up(matched) + 0.5 * _push_down(wrong) + 0.5 * _push_down(made))
    return {"h_image": torch.stack(images).mean(), "h_condition": torch.stack(conditions).mean()}


def generator_terms(fake: Logits, weight: float) -> Terms:
    """G's side: x̃ and (x̃, t) up. Means over heads."""
    image = torch.stack([-logits.mean() for logits, _ in fake]).mean()
    condition = torch.stack([-agreements[0].mean() for _, agreements in fake]).mean()
    return {"g_features": (weight, image), "g_features_condition": (weight, condition)}


def _pull_up(logits: Tensor) -> Scalar:
    return torch.relu(1 - logits).mean()


def _push_down(logits: Tensor) -> Scalar:
    return torch.relu(1 + logits).mean()


def sign_gap(real: Logits, fake: Logits) -> Scalar:
    """Half the difference of the mean signs of logits on real and generated images: 1 if the heads are never wrong."""
    gaps = [0.5 * (a.sign().mean() - b.sign().mean()) for (a, _), (b, _) in zip(real, fake, strict=True)]
    return torch.stack(gaps).mean()
