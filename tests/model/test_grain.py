"""Noise inputs of the generator: nothing without them, white at every resolution, learned from 0."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from drai_cli.model.generator import Generator, halve_grain
from drai_cli.settings.config import ModelConfig

PLAIN = ModelConfig(image_size=32, image_channels=1, content_dim=4, style_dim=6, channels=8, max_channels=8)
GRAIN = replace(PLAIN, grain=True)


def made(config: ModelConfig) -> Generator:
    torch.manual_seed(0)
    return Generator(config)


@pytest.fixture
def codes() -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    return torch.randn(3, 4, generator=draws), torch.randn(3, 6, generator=draws)


def noise(seed: int) -> torch.Tensor:
    return torch.randn(3, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_an_older_header_has_none() -> None:
    older = {name: value for name, value in PLAIN.to_json().items() if name != "grain"}
    assert ModelConfig.from_json(older) == PLAIN


def test_without_noise_the_weights_and_images_are_as_before(codes) -> None:
    plain, with_grain = made(PLAIN), made(GRAIN)
    names = {name for name in with_grain.state_dict() if name.startswith("grains.")}
    assert len(names) == len(with_grain.channels) + 1
    assert set(with_grain.state_dict()) - names == set(plain.state_dict())
    # In training strengths start at 0, so that the first images are those without grain, too.
    assert torch.equal(plain(*codes), with_grain(*codes))
    assert torch.equal(plain(*codes), with_grain(*codes, noise(0)))
    for grain in with_grain.grains:
        grain.strength.data.fill_(0.5)
    assert torch.equal(plain(*codes), with_grain(*codes))
    assert torch.equal(plain(*codes), plain(*codes, noise(0)))


def test_noise_changes_images_at_every_resolution(codes) -> None:
    generator = made(GRAIN)
    before = generator(*codes, noise(0))
    for index in range(len(generator.grains)):
        generator.grains[index].strength.data.fill_(0.5)
        changed = generator(*codes, noise(0))
        assert not torch.allclose(before, changed, atol=1e-4)
        before = changed
    assert torch.equal(before, generator(*codes, noise(0)))
    assert not torch.allclose(before, generator(*codes, noise(1)), atol=1e-3)


def test_halved_noise_is_white_too() -> None:
    grain = torch.randn(50, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    for _ in range(3):
        grain = halve_grain(grain)
        assert float(grain.var()) == pytest.approx(1, abs=0.05)
        assert abs(float((grain[..., 1:] * grain[..., :-1]).mean())) < 0.05


def test_strengths_learn(codes) -> None:
    generator = made(GRAIN)
    generator(*codes, noise(0)).square().mean().backward()
    assert all(float(grain.strength.grad.abs().sum()) > 0 for grain in generator.grains)
