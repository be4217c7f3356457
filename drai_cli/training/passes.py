"""What goes into a step and what its one forward pass leaves for both players' updates. Data only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.model.encoder import Encoder
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import Objective
from drai_cli.training.augment import Changes
from drai_cli.training.parallel import ALONE, Processes


@dataclass(frozen=True)
class Batch:
    """What a step is fed. Of B rows in all, images are this process's share; of one process, all.

    Attributes:
        images: `[share, C, H, W]` in [-1, 1], channels last.
        condition: `[B, T]`, of the images.
        wrong_condition: `[B, T]`, other rows' conditions that differ.
        drawn_condition: `[B, T]`, for the images generated from priors.
        more_images: Further images, that the predictors alone see the codes of; none where there are no predictors.
        more_condition: Of all those images.
        generator: What the step draws all its noise from: on a GPU it lives there, else on the CPU.
        augment_probability: `[]`, of the discriminator's augmentation; None: there is none now.
    """

    images: Float[Tensor, "share channels height width"]
    condition: Float[Tensor, "batch condition"]
    wrong_condition: Float[Tensor, "batch condition"]
    drawn_condition: Float[Tensor, "batch condition"]
    more_images: Float[Tensor, "more_share channels height width"]
    more_condition: Float[Tensor, "more condition"]
    generator: torch.Generator
    augment_probability: Float[Tensor, ""] | None = None

    def __len__(self) -> int:
        """Rows of the whole batch."""
        return len(self.condition)


@dataclass(frozen=True)
class StepPlan:
    """What stays the same from step to step.

    Attributes:
        objective: The terms' weights.
        changes: V_self's transformation.
        condition_slices: Where each attribute stands in the condition.
        is_categorical: Whether each attribute is categorical.
        autocast_dtype: bfloat16 or None.
        processes: Those that share each step.
    """

    objective: Objective
    changes: Changes
    condition_slices: tuple[slice, ...]
    is_categorical: tuple[bool, ...]
    autocast_dtype: torch.dtype | None
    processes: Processes = ALONE


@dataclass
class Inferred:
    """What the encoder infers of the batch's images, all of them.

    Attributes:
        content: q(c|x); None for a method that infers no content.
        style: q(z|x).
        changed_content: Of the transformed copies; None without V_self, or without content.
        changed_style: Of the transformed copies; None without V_self.
        drawn_content: One draw from q(c|x); None without it.
        drawn_style: One draw from q(z|x).
    """

    content: Gaussian | None
    style: Gaussian
    changed_content: Gaussian | None
    changed_style: Gaussian | None
    drawn_content: Tensor | None
    drawn_style: Tensor

    def contents(self) -> list[Gaussian]:
        """Those of the images and of their copies, as far as there are any."""
        return [content for content in (self.content, self.changed_content) if content is not None]

    def styles(self) -> list[Gaussian]:
        """Those of the images and of their copies, as far as there are any."""
        return [style for style in (self.style, self.changed_style) if style is not None]

    def means(self, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Content and style means of the images and of their transformed copies, which share their condition."""
        contents, styles = self.contents(), self.styles()
        if len(styles) == 1:
            return contents[0].mean, styles[0].mean, condition
        return (
            torch.cat([content.mean for content in contents]),
            torch.cat([style.mean for style in styles]),
            torch.cat([condition, condition]),
        )


@dataclass
class Passes:
    """The tensors that one forward pass leaves for both updates: codes of the whole batch, images of the share.

    Attributes:
        real: Codes of the batch's images; None where no term takes them.
        prior: p(c|t) of the drawn conditions.
        condition: `[B, T]`, what the generated images are to show.
        content: Theirs: in the first `from_prior` rows a draw from `prior`, in the others (swaps) a real image's.
        style: Theirs: in the first `from_prior` rows a draw from N(0, I), in the others another real image's.
        from_prior: Rows whose codes come from their priors.
        generated: Images of `content` and `style`.
        reconstructed: Images of the codes of the batch's images; None where no term takes them.
    """

    real: Inferred | None
    prior: Gaussian
    condition: Tensor
    content: Tensor
    style: Tensor
    from_prior: int
    generated: Tensor
    reconstructed: Tensor | None


def codes_of_all(
    encoder: Encoder, images: Tensor, plan: StepPlan, n: int, segments: int = 1
) -> tuple[Gaussian | None, Gaussian]:
    """What the encoder infers of these images and of the other processes': `segments` times `n` rows in all."""
    content, style = encoder(images)
    own = [*style] if content is None else [*style, *content]
    whole = plan.processes.gather(own, n, segments)
    return None if content is None else Gaussian(*whole[2:]), Gaussian(*whole[:2])
