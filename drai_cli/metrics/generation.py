"""Runs a model's networks in batches on stored arrays: images to codes, codes to images, conditions to samples.

Knows nothing of what is measured. Precision and eval mode of the networks are the caller's responsibility.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float32, Integer
from torch import Tensor

from drai_cli.machine.memory import in_passes
from drai_cli.metrics.mapping import Images, pass_size
from drai_cli.model.pixels import from_unit, to_unit


class ModelNetworks(Protocol):
    """The networks needed to measure a model; a loaded model has them, and so has a training.

    `generator(content, style)` gives images in [-1, 1]; that of a model with grain takes it as a third argument.
    `encoder(images)` gives two Gaussians, content and style, the content None where the method infers style alone; or
    the encoder is None.
    `content_prior(condition)` gives a Gaussian.
    """

    @property
    def generator(self) -> Callable[..., Tensor]: ...
    @property
    def encoder(self) -> Callable[[Tensor], Any] | None: ...
    @property
    def content_prior(self) -> Callable[[Tensor], Any]: ...


@dataclass(frozen=True)
class Codes:
    """Posterior means of images.

    Attributes:
        content: From the encoder, or the prior's mean for the image's condition where the method infers none.
        style: From the encoder.
        has_inferred_content: Whether the encoder gave the content.
    """

    content: Float32[np.ndarray, "n content_dim"]
    style: Float32[np.ndarray, "n style_dim"]
    has_inferred_content: bool = True

    def __getitem__(self, rows: Any) -> Codes:
        return Codes(self.content[rows], self.style[rows], self.has_inferred_content)


@torch.inference_mode()
def encode(
    networks: ModelNetworks,
    images: Images,
    conditions: Float32[np.ndarray, "n t"],
    device: torch.device | str = "cpu",
) -> Codes:
    """Posterior means of stored images.

    Args:
        networks: With an encoder.
        images: Stored images.
        conditions: Of each image; used only where the encoder gives no content.
        device: Where the networks are.
    """
    encoder = networks.encoder
    if encoder is None:
        raise ValueError("these networks have no encoder")

    def one_pass(rows: slice) -> tuple[np.ndarray, np.ndarray, bool]:
        content, style = encoder(to_unit(images[rows], device))
        is_inferred = content is not None
        if not is_inferred:
            content = networks.content_prior(torch.from_numpy(conditions[rows]).to(device))
        return content.mean.float().cpu().numpy(), style.mean.float().cpu().numpy(), is_inferred

    passes = list(in_passes(len(images), pass_size(len(images)), one_pass))
    contents, styles, inferred = zip(*passes, strict=True)
    return Codes(np.concatenate(contents), np.concatenate(styles), all(inferred))


@torch.inference_mode()
def generate(
    networks: ModelNetworks,
    content: Float32[np.ndarray, "n content_dim"],
    style: Float32[np.ndarray, "n style_dim"],
    dtype: np.dtype[np.generic],
    device: torch.device | str = "cpu",
) -> Images:
    """Images of codes, rounded like those that a user gets."""

    def one_pass(rows: slice) -> np.ndarray:
        codes = (torch.from_numpy(np.ascontiguousarray(code[rows])).to(device) for code in (content, style))
        return from_unit(networks.generator(*codes), dtype)

    return np.concatenate(list(in_passes(len(content), pass_size(len(content)), one_pass)))


@torch.inference_mode()
def sample(
    networks: ModelNetworks,
    conditions: Float32[np.ndarray, "n t"],
    style_dim: int,
    dtype: np.dtype[np.generic],
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> Images:
    """One image per condition: content from the prior of the condition, style from N(0, I)."""
    side = int(getattr(networks, "grain_side", 0) or getattr(networks.generator, "grain_side", 0))
    content_dim = networks.content_prior(torch.from_numpy(conditions[:1]).to(device)).mean.shape[1]
    shape = (len(conditions), content_dim + style_dim)
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)

    def one_pass(rows: slice) -> np.ndarray:
        prior = networks.content_prior(torch.from_numpy(conditions[rows]).to(device))
        mean, deviation = prior.mean.float(), torch.exp(0.5 * prior.log_variance.float())
        drawn = torch.from_numpy(noise[rows]).to(device)
        content = mean + deviation * drawn[:, :content_dim]
        codes = content, drawn[:, content_dim:].contiguous()
        if not side:
            return from_unit(networks.generator(*codes), dtype)
        # Of each image by itself: it does not depend on the size of a pass.
        grain = [
            np.random.default_rng([seed, 1, row]).standard_normal((1, side, side), np.float32)
            for row in range(*rows.indices(len(conditions)))
        ]
        return from_unit(networks.generator(*codes, torch.from_numpy(np.stack(grain)).to(device)), dtype)

    return np.concatenate(list(in_passes(len(conditions), pass_size(len(conditions)), one_pass)))


@torch.inference_mode()
def style_dim_of(
    networks: ModelNetworks, image: Integer[np.ndarray, "1 h w c"], device: torch.device | str = "cpu"
) -> int:
    """Number of style dimensions: an attribute of the networks or generator, else found by encoding an image."""
    dim = getattr(networks, "style_dim", None) or getattr(networks.generator, "style_dim", None)
    if dim is not None:
        return int(dim)
    if networks.encoder is None:
        raise ValueError("networks without an encoder need a style_dim")
    _, style = networks.encoder(to_unit(image, device))
    return int(style.mean.shape[1])
