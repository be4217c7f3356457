"""A small network trained on the set's own images, for the projected discriminator if no other is given.

It learns the labels, and by how much an image was blurred or sharpened, how much noise and what periodic pattern were
added: so its maps hold what an image shows and how fine its texture is. It sees no validation or test images.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from drai_cli.data.prepared import PreparedSet
from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, build
from drai_cli.metrics.fitting import FitConfig, fit
from drai_cli.metrics.training_sets import balanced, rows_of_labels
from drai_cli.model.pixels import to_unit
from drai_cli.training.augment import DISCRIMINATOR_CHANGES, Symmetry, change, orient
from drai_cli.training.draws import draw_integers

WIDTHS = (32, 64, 128, 256)
_IMAGES, _ROUNDS = 24_000, 30
_BALANCE = 0.7
_DAMAGES = 4
_BLUR, _NOISE, _PATTERN = 1.0, 0.25, 0.15
"""Largest strengths: share of the blurred image, standard deviation, amplitude."""

Images = Float[Tensor, "batch channels height width"]


def own_sides(image_size: int) -> tuple[int, ...]:
    """Images are shown at their own size and up to a quarter larger."""
    return tuple(range(image_size, image_size * 5 // 4 + 1, 8))


def own_config(data: PreparedSet) -> ConvNetConfig:
    """The network's size: outputs are the labels, then the strengths of the damages."""
    size, channels = int(data.images.shape[1]), int(data.images.shape[3])
    return ConvNetConfig(size, channels, len(data.schema.labels) + _DAMAGES, WIDTHS, 1, "mean")


def train_own(
    data: PreparedSet,
    symmetry: Symmetry,
    seed: int,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
) -> ConvNet:
    """Trains the network on the training part; `progress` is called with the images of each step."""
    rows, label_count = data.rows("train"), len(data.schema.labels)
    drawn_from = balanced(rows_of_labels(rows, data.labels[rows], label_count), _BALANCE)
    sides = own_sides(int(data.images.shape[1]))

    def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        chosen, labels = drawn_from.draw(size, generator)
        images = orient(to_unit(data.images[chosen]), symmetry, generator)
        side = sides[int(draw_integers(generator, len(sides)))]
        images = change(images, DISCRIMINATOR_CHANGES, generator, 0.5, side=side)
        damaged, strengths = damage(images, generator)
        return damaged, torch.cat([labels[:, None].float(), strengths], dim=1)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        of_label = F.cross_entropy(outputs[:, :label_count], targets[:, 0].long(), label_smoothing=0.05)
        # In units of their deviation when drawn uniformly.
        of_strength = F.mse_loss(outputs[:, label_count:], targets[:, 1:] * math.sqrt(12))
        return of_label + of_strength

    checks = iter(range(1_000_000))
    images = own_images(data)
    budget = FitConfig(images=images, batch_size=64, check_every=images)
    # The last weights are taken: nothing is chosen on validation images.
    network, _ = fit(
        build(own_config(data), seed),
        draw,
        loss,
        lambda _: next(checks),
        budget,
        seed=seed,
        device=device,
        progress=progress,
    )
    return network


def own_images(data: PreparedSet) -> int:
    """How many images `train_own` trains on, repeats included."""
    return min(_IMAGES, _ROUNDS * len(data.rows("train")))


def damage(images: Images, generator: torch.Generator) -> tuple[Images, Float[Tensor, "batch 4"]]:
    """Blurs or sharpens, and adds noise and a periodic pattern; each to half of the images.

    Returns:
        The images, and the strengths that were used, each from -1 or 0 to 1: of the blur (negative: sharpened), of the
        noise, of the pattern, and the pattern's frequency (0 without one; 1: two pixels).
    """
    n, _, height, width = images.shape
    draws = torch.rand(_DAMAGES, n, generator=generator)
    is_used = (torch.rand(3, n, generator=generator) < 0.5).float()
    blur, noise, pattern = (draws[0] * 1.5 - 0.5) * is_used[0], draws[1] * is_used[1], draws[2] * is_used[2]
    frequency = (0.25 + 0.75 * draws[3]) * (pattern > 0)
    shaped = (one[:, None, None, None] for one in (blur, noise, pattern))
    of_blur, of_noise, of_pattern = shaped
    images = torch.lerp(images, _blurred(images), of_blur * _BLUR)
    grain = torch.randn(images.shape, generator=generator)
    angle = torch.rand(n, 1, 1, generator=generator) * math.pi
    phases = torch.rand(2, n, 1, 1, generator=generator) * 2 * math.pi
    rows = torch.arange(height, dtype=torch.float32)[None, :, None]
    columns = torch.arange(width, dtype=torch.float32)[None, None]
    along = columns * torch.cos(angle) + rows * torch.sin(angle)
    across = rows * torch.cos(angle) - columns * torch.sin(angle)
    rate = (frequency * math.pi)[:, None, None]
    wave = torch.cos(along * rate + phases[0]) * torch.cos(across * rate + phases[1])
    out = images + of_noise * _NOISE * grain + of_pattern * _PATTERN * wave[:, None]
    return out, torch.stack([blur, noise, pattern, frequency], dim=1)


def _blurred(images: Images) -> Images:
    """A binomial filter of five by five."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    channels = images.shape[1]
    weight = (kernel[:, None] * kernel[None]).expand(channels, 1, 5, 5)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), weight, groups=channels)
