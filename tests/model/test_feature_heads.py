"""The heads of the feature game: spectral norms, and what their logits depend on."""

from __future__ import annotations

import pytest
import torch

from drai_cli.model.feature_heads import FeatureHead, FeatureHeads, SpectralConv


def test_a_convolution_is_divided_by_its_largest_singular_value() -> None:
    torch.manual_seed(0)
    convolution = SpectralConv(5, 7, 1)
    for _ in range(200):
        convolution.iterate()
    images = torch.randn(1, 5, 4, 4)
    largest = torch.linalg.svdvals(convolution.weight.flatten(1))[0]
    expected = torch.nn.functional.conv2d(images, convolution.weight / largest, convolution.bias)
    assert torch.allclose(convolution(images), expected, atol=1e-4)


def test_the_norm_carries_a_gradient_and_iterating_none() -> None:
    convolution = SpectralConv(3, 3, 3)
    convolution(torch.randn(2, 3, 8, 8)).square().sum().backward()
    # Scaling the weight changes nothing, so the gradient is orthogonal to it.
    inner = float((convolution.weight.grad * convolution.weight).sum().detach())
    assert abs(inner) < 1e-2 * float((convolution.weight.grad.norm() * convolution.weight.norm()).detach())
    before = convolution.u.clone()
    convolution.iterate()
    assert not torch.equal(convolution.u, before)
    assert not convolution.u.requires_grad


@pytest.mark.parametrize(("side", "places"), [(32, 64), (15, 64), (8, 64), (5, 25), (1, 1)])
def test_maps_are_halved_down_to_eight(side: int, places: int) -> None:
    logits, agreements = FeatureHead(side, 4)(torch.randn(2, 64, side, side), [torch.randn(2, 4)])
    assert logits.shape == (2, places)
    assert agreements[0].shape == (2, 1)


def test_images_are_judged_one_by_one_and_the_condition_only_by_its_logit() -> None:
    heads = FeatureHeads([16, 8], 4)
    maps = [torch.randn(3, 64, 16, 16), torch.randn(3, 64, 8, 8)]
    condition = torch.randn(3, 4)
    whole = heads(maps, [condition, condition + 1])
    alone = heads([one[1:2] for one in maps], [condition[1:2], condition[1:2] + 1])
    for (image, both), (image_alone, both_alone) in zip(whole, alone, strict=True):
        assert torch.allclose(image[1:2], image_alone, atol=1e-5)
        for mine, theirs in zip(both, both_alone, strict=True):
            assert torch.allclose(mine[1:2], theirs, atol=1e-5)
        assert not torch.allclose(both[0], both[1])
