"""Shapes, sizes and the alias-free upsampling."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from drai_cli.model.encoder import Encoder
from drai_cli.model.layers import UpConv
from drai_cli.model.networks import Adversaries, Networks
from drai_cli.settings.config import ModelConfig
from drai_cli.settings.methods import METHODS


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (32, 3), (48, 3), (80, 1), (128, 3)])
def test_any_multiple_of_sixteen_and_grey_or_colour(size: int, channels: int) -> None:
    config = ModelConfig(size, channels, content_dim=3, style_dim=5, channels=8, max_channels=16)
    networks, adversaries = Networks(config, 4), Adversaries(config, 4)
    images = networks.generator(torch.randn(2, 3), torch.randn(2, 5))
    assert images.shape == (2, channels, size, size)
    assert float(images.detach().abs().max()) <= 1
    assert networks.encoder is not None
    content, style = networks.encoder(images)
    assert content.mean.shape == (2, 3)
    assert style.log_variance.shape == (2, 5)
    discriminator = adversaries.discriminator
    features = discriminator.trunk(images)
    assert discriminator.condition(features, torch.randn(2, 4)).shape == (1, 2)
    assert discriminator.content_style(features, content.mean, style.mean).shape == (2, 2)


def test_upconv_is_bilinear_upsampling_and_a_convolution() -> None:
    torch.manual_seed(0)
    layer, x = UpConv(5, 7), torch.randn(2, 5, 9, 9)
    plain = functional.conv2d(
        functional.interpolate(x, scale_factor=2, mode="bilinear"), layer.weight, layer.bias, padding=1
    )
    inner = (slice(None), slice(None), slice(3, -3), slice(3, -3))
    assert torch.allclose(layer(x)[inner], plain[inner], atol=1e-5)


def test_upconv_leaves_no_checkerboard() -> None:
    torch.manual_seed(0)
    layer = UpConv(8, 8)
    flat = layer(torch.ones(1, 8, 8, 8))[:, :, 4:-4, 4:-4]
    assert flat.std(dim=(2, 3)).max().item() < 1e-5


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_networks_its_codes_need(name: str) -> None:
    method, config = METHODS[name], ModelConfig(16, 1, content_dim=3, style_dim=5, channels=8, max_channels=8)
    networks, adversaries = Networks(config, 4, method), Adversaries(config, 4, method)
    prior = networks.content_prior(torch.randn(2, 4))
    assert bool((prior.deviation == 0).all()) == (method.content == "fixed")
    assert torch.equal(prior.sample(torch.randn(2, 3)), prior.mean) == (method.content == "fixed")
    assert (networks.encoder is None) == (method.infers == ())
    if networks.encoder is not None:
        content, style = networks.encoder(torch.zeros(2, 1, 16, 16))
        assert (content is not None) == ("content" in method.infers)
        assert style.mean.shape == (2, 5)
    codes = adversaries.discriminator.codes
    assert (codes is not None) == (name in ("cavae", "dual-cavae"))
    if codes is not None:
        assert codes.style(torch.randn(2, 5)).shape == (2,)
        assert (codes.on_content is not None) == (name == "dual-cavae")


def test_pooled_content_is_read_off_the_frames_mean_and_style_off_the_whole_frame() -> None:
    config = ModelConfig(16, 3, content_dim=3, style_dim=5, channels=8, max_channels=8, pools_content=True)
    encoder = Encoder(config)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    content, style = encoder(images)
    assert content is not None
    (to_content,) = torch.autograd.grad(
        content.mean.sum(), encoder.trunk.flat.weight, allow_unused=True, retain_graph=True
    )
    (to_style,) = torch.autograd.grad(style.mean.sum(), encoder.trunk.flat.weight, retain_graph=True)
    assert to_content is None
    assert to_style.abs().sum() > 0
    # What the last maps hold moves nothing in content when it is moved about the frame.
    *_, coarsest = encoder.trunk.maps(images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder.trunk, "maps", lambda images: iter([coarsest.roll((1, 2), (2, 3))]))
        moved_content, moved_style = encoder(images)
    assert torch.allclose(moved_content.mean, content.mean, atol=1e-5)
    assert not torch.allclose(moved_style.mean, style.mean, atol=1e-3)


def test_a_model_from_before_content_could_be_pooled_still_loads() -> None:
    saved = ModelConfig(16).to_json()
    del saved["pools_content"]
    assert ModelConfig.from_json(saved) == ModelConfig(16, pools_content=False)
    with pytest.raises(ValueError, match="pools_content"):
        ModelConfig.from_json({**saved, "pools_content": 1})
