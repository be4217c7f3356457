"""The input of a step, and what its one forward pass gives both players' updates. Data only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.conditions.attribute import Slot
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import Objective
from drai_cli.training.augment import Changes
from drai_cli.training.parallel import ALONE, Processes

Images = Float[Tensor, "batch channels height width"]


@dataclass(frozen=True)
class Batch:
    """The input of a step. Conditions are those of all B rows; images are this process's share of them.

    Attributes:
        images: `[share, C, H, W]` in [-1, 1], channels last; masks after the intensities.
        condition: `[B, T]`, of the images, made missing at random in part.
        known_condition: `[B, T]`, the same where labels are one name; of sets of findings all that is known. Content is
            inferred from the whole image: it cannot agree with a condition in which a finding that it shows is missing,
            and with one in which it is present.
        wrong_condition: `[B, T]`, conditions of other rows that differ.
        drawn_condition: `[B, T]`, of the images generated from the priors.
        more_images: More images without masks, whose codes only the predictors see; none without predictors.
        more_condition: Conditions of all those images.
        generator: Source of all noise in the step, on a GPU's own memory or else on the CPU.
        augment_probability: `[]`, of the discriminator's augmentation; None: no augmentation now.
        size_draw: From 0 to 1, the same for all processes: which of its sizes a frozen network sees images at.
    """

    images: Float[Tensor, "share channels height width"]
    condition: Float[Tensor, "batch condition"]
    known_condition: Float[Tensor, "batch condition"]
    wrong_condition: Float[Tensor, "batch condition"]
    drawn_condition: Float[Tensor, "batch condition"]
    more_images: Float[Tensor, "more_share intensities height width"]
    more_condition: Float[Tensor, "more condition"]
    generator: torch.Generator
    augment_probability: Float[Tensor, ""] | None = None
    size_draw: float = 0.0

    def __len__(self) -> int:
        """Rows of the whole batch."""
        return len(self.condition)


@dataclass(frozen=True)
class StepPlan:
    """What all steps of a run have in common.

    Attributes:
        objective: Weights of the terms.
        changes: The transformation T of V_self.
        slots: The parts of the condition that are known or missing by themselves.
        autocast_dtype: bfloat16, or None for float32.
        processes: Processes that share each step.
        masks: How many of an image's channels are masks, its last ones.
    """

    objective: Objective
    changes: Changes
    slots: tuple[Slot, ...]
    autocast_dtype: torch.dtype | None
    processes: Processes = ALONE
    masks: int = 0

    def intensities(self, images: Images) -> Float[Tensor, "batch intensities height width"]:
        """Images without their masks: what the encoder and frozen networks see, as real images come without any."""
        return images[:, : -self.masks] if self.masks else images


@dataclass
class Inferred:
    """What the encoder infers from the batch's images: all B rows.

    Attributes:
        content: q(c|x); None for a method that infers no content.
        style: q(z|x).
        changed_content: q(c|Tx) of the transformed copies; None without V_self or without content.
        changed_style: q(z|Tx) of the transformed copies; None without V_self.
        drawn_content: One draw from q(c|x); None without content.
        drawn_style: One draw from q(z|x).
    """

    content: Gaussian | None
    style: Gaussian
    changed_content: Gaussian | None
    changed_style: Gaussian | None
    drawn_content: Float[Tensor, "batch content_dim"] | None
    drawn_style: Float[Tensor, "batch style_dim"]

    def contents(self) -> list[Gaussian]:
        """Posteriors over content of the images and of their copies, if there are any."""
        return [content for content in (self.content, self.changed_content) if content is not None]

    def styles(self) -> list[Gaussian]:
        """Posteriors over style of the images and of their copies, if there are any."""
        return [style for style in (self.style, self.changed_style) if style is not None]

    def means(
        self, condition: Float[Tensor, "batch condition"]
    ) -> tuple[
        Float[Tensor, "rows content_dim"], Float[Tensor, "rows style_dim"], Float[Tensor, "rows condition"]
    ]:
        """Means of content and style of the images and of their copies, and the condition that both share."""
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
    """What one forward pass gives both updates: codes of all B rows, images of this process's share.

    Attributes:
        real: Codes of the batch's images; None if no term uses them.
        prior: p(c|t) of the drawn conditions.
        condition: `[B, T]`, what the generated images should show.
        content: Their content: draws from `prior` in the first `from_prior` rows, a real image's in the others (swaps).
        style: Their style: draws from N(0, I) in the first `from_prior` rows, another real image's in the others.
        from_prior: Number of rows whose codes come from the priors.
        generated: Images x̃ of `content` and `style`.
        reconstructed: Images of the codes of the batch's images; None if no term uses them.
    """

    real: Inferred | None
    prior: Gaussian
    condition: Float[Tensor, "batch condition"]
    content: Float[Tensor, "batch content_dim"]
    style: Float[Tensor, "batch style_dim"]
    from_prior: int
    generated: Float[Tensor, "share channels height width"]
    reconstructed: Float[Tensor, "share channels height width"] | None
