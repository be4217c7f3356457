"""The heads of the projected discriminator: spectral norms, and what their logits depend on."""

from __future__ import annotations

import pytest
import torch

from drai_cli.model.feature_heads import BatchStandard, FeatureHead, FeatureHeads, SpectralConv


def mean(rows: torch.Tensor) -> torch.Tensor:
    return rows.mean(0)


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
    logits, agreements = FeatureHead(side, 4)(torch.randn(2, 64, side, side), [torch.randn(2, 4)], mean)
    assert logits.shape == (2, places)
    assert agreements[0].shape == (2, 1)


def test_channels_are_standardised_over_the_batch_and_all_processes_rows() -> None:
    standard = BatchStandard(3)
    maps = torch.randn(4, 3, 5, 5) * 3 + 2
    out = standard(maps, mean)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(out.var((0, 2, 3), unbiased=False), torch.ones(3), atol=1e-3)
    # A process that holds half of the rows finds the same with the mean over all of them.
    rows = torch.cat([maps.mean((2, 3)), maps.square().mean((2, 3))], dim=1)
    assert torch.allclose(standard(maps[:2], lambda _: rows.mean(0)), out[:2], atol=1e-5)


def test_a_shift_and_a_scale_of_all_maps_are_not_seen() -> None:
    heads, condition = FeatureHeads([16, 8], 4), torch.randn(3, 4)
    maps = [torch.randn(3, 64, 16, 16), torch.randn(3, 64, 8, 8)]
    found, other = (heads([a * one for one in maps], [condition], mean) for a in (1.0, 5.0))
    for (image, _), (again, _) in zip(found, other, strict=True):
        assert torch.allclose(image, again, atol=1e-2)


def test_the_condition_acts_only_on_its_logit() -> None:
    heads, condition = FeatureHeads([16, 8], 4), torch.randn(3, 4)
    maps = [torch.randn(3, 64, 16, 16), torch.randn(3, 64, 8, 8)]
    both, alone = heads(maps, [condition, condition + 1], mean), heads(maps, [condition], mean)
    for (image, (own, other)), (image_alone, (own_alone,)) in zip(both, alone, strict=True):
        assert torch.equal(image, image_alone)
        assert torch.equal(own, own_alone)
        assert not torch.allclose(own, other)
