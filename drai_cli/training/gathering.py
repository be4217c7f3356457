"""Networks run on this process's rows, and their outputs for the whole batch. Knows no term of the objective.

Each of several processes runs generator, encoder and discriminator trunk on its share of the rows (see `parallel`).
Their outputs are gathered, so that the mathematics of a step (`forward`, `terms`, `hiding`) sees every row.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.model.discriminator import Discriminator
from drai_cli.model.encoder import Encoder
from drai_cli.model.gaussian import Gaussian
from drai_cli.model.generator import Generator
from drai_cli.training.passes import Images, StepPlan
from drai_cli.training.precision import weights_in


def infer_codes(
    encoder: Encoder, images: Images, plan: StepPlan, n: int, segments: int = 1
) -> tuple[Gaussian | None, Gaussian]:
    """Posteriors over content and style of all processes' images: `segments` times `n` rows."""
    content, style = encoder(images)
    own = [*style] if content is None else [*style, *content]
    whole = plan.processes.gather(own, n, segments)
    return None if content is None else Gaussian(*whole[2:]), Gaussian(*whole[:2])


def read_features(
    discriminator: Discriminator, images: Images, plan: StepPlan, n: int, segments: int = 1
) -> Float[Tensor, "rows feature"]:
    """The trunk's features of all processes' images: `segments` times `n` rows."""
    (features,) = plan.processes.gather([read_own_features(discriminator, images, plan)], n, segments)
    return features


def read_own_features(
    discriminator: Discriminator, images: Images, plan: StepPlan
) -> Float[Tensor, "batch feature"]:
    """The trunk's features of these images alone."""
    with weights_in(plan.autocast_dtype, discriminator.trunk):
        return discriminator.trunk(images)


def generate(
    generator: Generator,
    contents: list[Float[Tensor, "batch content_dim"]],
    styles: list[Float[Tensor, "batch style_dim"]],
    plan: StepPlan,
    grain: Float[Tensor, "batch 1 side side"] | None = None,
) -> Float[Tensor, "rows channels height width"]:
    """This process's images of each pair of codes, with their masks, one pair after the other, in one pass.

    `grain` is that of the first pair; the others have none.
    """
    share = plan.processes.share
    codes = torch.cat(list(map(share, contents))), torch.cat(list(map(share, styles)))
    if grain is None:
        return generator(*codes, with_masks=True)
    own = share(grain)
    without = torch.zeros_like(own).repeat(len(contents) - 1, 1, 1, 1)
    return generator(*codes, torch.cat([own, without]), with_masks=True)
