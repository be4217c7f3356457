"""The modules that are exported, each from tensors to tensors."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.model.content_prior import ContentPrior
from drai_cli.model.encoder import Encoder
from drai_cli.model.generator import Generator

Images = Float[Tensor, "batch channels height width"]


class ExportedSampler(nn.Module):
    """Condition and noise to images in [-1, 1], masks after the intensities, and their content."""

    def __init__(self, content_prior: ContentPrior, generator: Generator) -> None:
        super().__init__()
        self.content_prior, self.generator = content_prior, generator

    def forward(
        self,
        condition: Float[Tensor, "batch condition"],
        content_noise: Float[Tensor, "batch content_dim"],
        style: Float[Tensor, "batch style_dim"],
        truncation: Float[Tensor, ""],
        grain: Float[Tensor, "batch 1 side side"] | None = None,
    ) -> tuple[Images, Float[Tensor, "batch content_dim"]]:
        prior = self.content_prior(condition)
        content = prior.mean + truncation * prior.deviation * content_noise
        return self.generator(content, style, grain, with_masks=True), content


class ExportedEncoder(nn.Module):
    """Images in [-1, 1] to the means of their codes; only style if content is not inferred."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Images) -> tuple[Float[Tensor, "batch _"], ...]:
        content, style = self.encoder(images)
        return (style.mean,) if content is None else (content.mean, style.mean)


class ExportedSwap(nn.Module):
    """The contents of some images in the styles of others."""

    def __init__(self, encoder: Encoder, generator: Generator) -> None:
        super().__init__()
        self.encoder, self.generator = encoder, generator

    def forward(self, content_images: Images, style_images: Images) -> Images:
        # Two passes: tracing one pass over both would fix the batch size.
        (content, _), (_, style) = self.encoder(content_images), self.encoder(style_images)
        images: Tensor = self.generator(content.mean, style.mean)
        return images


class ExportedConditionSwap(nn.Module):
    """The contents of conditions in the styles of images, for a model that infers no content."""

    def __init__(self, content_prior: ContentPrior, encoder: Encoder, generator: Generator) -> None:
        super().__init__()
        self.content_prior, self.encoder, self.generator = content_prior, encoder, generator

    def forward(self, condition: Float[Tensor, "batch condition"], style_images: Images) -> Images:
        _, style = self.encoder(style_images)
        images: Tensor = self.generator(self.content_prior(condition).mean, style.mean)
        return images
