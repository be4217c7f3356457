"""How the masks of generated images come to fit them (`reference/method.md`, *Masks*).

The discriminator judges an image and its masks by one feature vector, in which a border that lies two pixels off hardly
shows. A mask reader, trained on real images and their masks, says for each pixel of a generated image whether it is
inside, and the generated mask is pulled there.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from drai_cli.model.mask_reader import MaskReader
from drai_cli.training import losses
from drai_cli.training.passes import Batch, Images, Passes, StepPlan
from drai_cli.training.precision import full_precision
from drai_cli.training.terms import Scalar, Terms

_WEIGHT = 5.0


def reader_loss(reader: MaskReader, batch: Batch, plan: StepPlan) -> Scalar:
    """Cross entropy of the real masks, read from their images."""
    logits = reader(plan.intensities(batch.images))
    inside = 0.5 * (_masks_of(batch.images, plan) + 1)
    with full_precision(logits.device):
        loss = functional.binary_cross_entropy_with_logits(logits, inside.float())
        return plan.processes.mean(loss, len(batch))


def fit_terms(reader: MaskReader, batch: Batch, plan: StepPlan, passes: Passes) -> Terms:
    """What G loses where its masks differ from those that the reader sees in its images.

    The reading carries no gradient: the mask follows the image, and the image is not changed to please the reader.
    """
    made = passes.generated
    with torch.no_grad():
        seen = torch.tanh(0.5 * reader(plan.intensities(made)))  # of a logit, the probability from -1 to 1
    with full_precision(made.device):
        apart = losses.image_cycle_loss(seen, _masks_of(made, plan))
        return {"mask_fit": (_WEIGHT, plan.processes.mean(apart, len(batch)))}


def _masks_of(images: Images, plan: StepPlan) -> Float[Tensor, "batch masks height width"]:
    return images[:, -plan.masks :]
