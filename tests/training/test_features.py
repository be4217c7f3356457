"""The frozen network of the projected discriminator: features as before freezing, mixed and standardised."""

from __future__ import annotations

import pytest
import torch

from drai_cli.metrics.convnet import ConvNetConfig, build
from drai_cli.model.pretrained.efficientnet_lite import EfficientNetLite
from drai_cli.model.pretrained.resnet import ResNet
from drai_cli.training.augment import Changes, change
from drai_cli.training.draws import make_generator
from drai_cli.training.features import FrozenFeatures, fuse_batch_norms
from drai_cli.training.parallel import Processes
from tests.training.frozen import make_frozen, make_maps

NO_CHANGE = Changes("none", 0.0, 0.0, 0.0, 0.0, 0.0)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def with_statistics(network: torch.nn.Module) -> torch.nn.Module:
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    "make",
    [make_maps, lambda: ResNet(18), lambda: ResNet(50), EfficientNetLite,
     lambda: build(ConvNetConfig(32, 3, 5, (8, 16), 1, "mean"), 0)],
)  # fmt: skip
def test_fused_batch_norms_change_no_map(make) -> None:
    network = with_statistics(make())
    images = noise(2, len(network.mean), 32, 32)
    with torch.no_grad():
        before = network.maps(images)
        fuse_batch_norms(network, images[:1])
        after = network.maps(images)
    assert [one.shape[1] for one in before] == list(network.map_channels)
    for mine, theirs in zip(before, after, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4 * float(mine.abs().max()))
    left = [name for name, module in network.named_modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert left == (["_bn1"] if isinstance(network, EfficientNetLite) else [])  # of its unused last layer


def test_mixed_maps_have_mean_0_and_variance_1_and_add_up() -> None:
    frozen = make_frozen()
    fine, coarse = frozen(noise(64, 1, 16, 16))
    assert frozen.map_sides == [18, 9]  # at its middle size
    assert fine.shape[1:] == (64, 16, 16)
    assert coarse.mean((0, 2, 3)).abs().max() < 0.1
    assert coarse.var((0, 2, 3)).sub(1).abs().max() < 0.2
    alone = frozen.mixing[0](frozen.network.maps(noise(64, 1, 16, 16))[0])
    assert alone.var((0, 2, 3)).sub(1).abs().max() < 0.2
    up = torch.nn.functional.interpolate(coarse, size=16, mode="bilinear")
    assert torch.allclose(fine, (alone + up) / 2**0.5, atol=1e-5)


def test_the_mixing_follows_from_the_seed_and_nothing_learns() -> None:
    first, again, other = (FrozenFeatures(make_maps(), (16,), seed) for seed in (0, 0, 1))
    assert torch.equal(first.mixing[0].weight, again.mixing[0].weight)
    assert not torch.equal(first.mixing[0].weight, other.mixing[0].weight)
    assert not any(parameter.requires_grad for parameter in first.parameters())
    images = noise(2, 1, 16, 16).requires_grad_(True)
    sum(one.sum() for one in first(images)).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_grey_is_shown_as_rgb() -> None:
    network = with_statistics(build(ConvNetConfig(16, 3, 5, (8, 16), 1, "mean"), 0))
    frozen = FrozenFeatures(network, (16,), 0)
    grey = noise(2, 1, 16, 16)
    for mine, theirs in zip(frozen(grey), frozen(grey.expand(-1, 3, -1, -1)), strict=True):
        assert torch.equal(mine, theirs)


def test_images_at_their_own_side_are_shown_as_they_are() -> None:
    images = noise(3, 1, 16, 16)
    shown = change(images, NO_CHANGE, make_generator(0), side=16)
    assert torch.allclose(shown, images, atol=1e-5)


def test_a_larger_side_shows_the_whole_image_enlarged() -> None:
    ramp = torch.linspace(-1, 1, 16).expand(5, 1, 16, 16)
    shown = change(ramp, NO_CHANGE, make_generator(0), side=24)
    assert shown.shape == (5, 1, 24, 24)
    expected = torch.nn.functional.interpolate(ramp, size=24, mode="bilinear")
    assert torch.allclose(shown, expected, atol=1e-5)


def test_draws_choose_all_sides_equally_often() -> None:
    frozen = FrozenFeatures(make_maps(), (16, 20, 24, 28), 0)
    found = [frozen.side_at(number / 400) for number in range(400)]
    assert {side: found.count(side) for side in frozen.sides} == dict.fromkeys(frozen.sides, 100)
    assert frozen.side_at(1.0) == 28


def test_a_share_is_shown_as_in_the_whole() -> None:
    images = noise(7, 1, 16, 16)

    def way(x: torch.Tensor, share: object) -> torch.Tensor:
        return change(x, Changes("flip"), make_generator(2), 0.5, share, 24)

    whole = way(images, None)
    for rank in range(3):
        processes = Processes(rank, 3)
        assert torch.equal(way(processes.share(images), processes.share_of(7)), processes.share(whole))
