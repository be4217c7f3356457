"""A world of squares: the colour is the label, place and background are style; and models of it by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drai_cli.metrics.factors import FactorRegressor, RegressorConfig, train_regressor
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import Judge, JudgeConfig, train_judge

SIZE, SIDE = 16, 6
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)


@dataclass(frozen=True)
class World:
    images: np.ndarray
    labels: np.ndarray
    parts: np.ndarray
    groups: np.ndarray
    factors: dict[str, np.ndarray]

    @property
    def conditions(self) -> np.ndarray:
        return np.eye(4, dtype=np.float32)[self.labels]

    def rows(self, part: str) -> np.ndarray:
        return np.flatnonzero(self.parts == part)


@dataclass(frozen=True)
class Code:
    mean: Tensor
    log_variance: Tensor


@dataclass(frozen=True)
class Model:
    """Networks by formula, as `measure` wants them."""

    generator: Callable[[Tensor, Tensor], Tensor]
    encoder: Callable[[Tensor], Any] | None
    content_prior: Callable[[Tensor], Any]
    style_dim: int = 3


def draw(colours: np.ndarray, x: np.ndarray, y: np.ndarray, tone: np.ndarray) -> np.ndarray:
    """Images of squares; x and y are whole pixels off the middle, tone is the background's grey level."""
    images = np.empty((len(x), SIZE, SIZE, 3), np.uint8)
    images[:] = tone[:, None, None, None]
    for index in range(len(x)):
        top, left = 5 + int(y[index]), 5 + int(x[index])
        images[index, top : top + SIDE, left : left + SIDE] = colours[index]
    return images


@pytest.fixture(scope="session")
def world() -> World:
    generator = np.random.default_rng(0)
    count = 960
    labels = np.arange(count) % 3
    x, y = generator.integers(-3, 4, (2, count))
    tone = generator.integers(60, 200, count)
    parts = np.where(np.arange(count) < 600, "train", np.where(np.arange(count) < 780, "validation", "test"))
    factors = {"x": x.astype(np.float32), "y": y.astype(np.float32), "tone": tone.astype(np.float32)}
    groups = np.array([f"g{index // 2}" for index in range(count)])
    return World(draw(COLOURS[labels], x, y, tone), labels, parts, groups, factors)


@pytest.fixture(scope="session")
def judge(world: World) -> Judge:
    config = JudgeConfig(
        widths=(16, 32), fit=FitConfig(images=3_200, batch_size=64, check_every=800), shift=1
    )
    return train_judge(world.images, world.labels, world.parts, 3, config, seed=0)


@pytest.fixture(scope="session")
def regressor(world: World) -> FactorRegressor:
    fit = FitConfig(images=12_800, batch_size=64, check_every=3_200, averaging=0.95)
    config = RegressorConfig(widths=(16, 32), fit=fit)
    return train_regressor(world.images, world.factors, world.parts, config, seed=0)


def read(images: Tensor) -> tuple[Tensor, Tensor]:
    """Colour `[n, 3]` and style (x, y, tone) `[n, 3]` of images in [-1, 1], exactly."""
    ground = images[:, :, 0, 0]
    inside = ((images - ground[:, :, None, None]).abs().sum(1) > 0.05).float()
    area = inside.sum((1, 2))
    places = torch.arange(SIZE).float() - (SIZE - 1) / 2
    x, y = (inside.sum(1) * places).sum(1) / area, (inside.sum(2) * places).sum(1) / area
    colour = (images * inside[:, None]).sum((2, 3)) / area[:, None]
    return colour, torch.stack([x, y, ground.mean(1)], 1)


def paint(colour: Tensor, style: Tensor) -> Tensor:
    """The inverse of `read`."""
    colours = ((colour + 1) * 127.5).round().clamp(0, 255).numpy().astype(np.uint8)
    x, y = (style[:, axis].round().clamp(-3, 3).numpy() for axis in (0, 1))
    tone = ((style[:, 2] + 1) * 127.5).round().clamp(0, 255).numpy()
    images = torch.from_numpy(draw(colours, x, y, tone)).permute(0, 3, 1, 2).float()
    return images / 127.5 - 1


def certain(mean: Tensor) -> Code:
    return Code(mean, torch.full_like(mean, -20.0))


def colours_of(condition: Tensor) -> Code:
    return certain(torch.from_numpy(COLOURS.astype(np.float32))[condition.argmax(1)] / 127.5 - 1)


def encode_apart(images: Tensor) -> tuple[Code, Code]:
    colour, style = read(images)
    return certain(colour), certain(style)


@pytest.fixture(scope="session")
def right() -> Model:
    """Content is the colour and style the rest: what the method is after. Samples spread as far as N(0, I) does."""

    def generator(content: Tensor, style: Tensor) -> Tensor:
        return paint(content, style)

    return Model(generator, encode_apart, colours_of)


@pytest.fixture(scope="session")
def returns_a(right: Model) -> Model:
    """All is in content, style is ignored: every swap gives a back."""

    def encoder(images: Tensor) -> tuple[Code, Code]:
        colour, style = read(images)
        return certain(torch.cat([colour, style], 1)), certain(torch.zeros_like(style))

    def prior(condition: Tensor) -> Code:
        colour = colours_of(condition).mean
        return certain(torch.cat([colour, torch.zeros_like(colour)], 1))

    return Model(lambda content, style: paint(content[:, :3], content[:, 3:]), encoder, prior)


@pytest.fixture(scope="session")
def returns_b(right: Model) -> Model:
    """All is in style, content is ignored: every swap gives b."""

    def encoder(images: Tensor) -> tuple[Code, Code]:
        colour, style = read(images)
        return certain(torch.zeros_like(colour)), certain(torch.cat([colour, style], 1))

    return replace(
        right,
        generator=lambda content, style: paint(style[:, :3], style[:, 3:]),
        encoder=encoder,
        style_dim=6,
    )
