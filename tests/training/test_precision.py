"""Weights of a pass in bfloat16, cast in one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from drai_cli.training.precision import weights_in


@pytest.fixture
def networks() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)).to(memory_format=torch.channels_last)


IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def gradients_of(networks: nn.Module, output: Tensor) -> list[Tensor]:
    output.float().square().sum().backward()
    gradients = [parameter.grad for parameter in networks.parameters()]
    networks.zero_grad()
    return [gradient for gradient in gradients if gradient is not None]


def test_outputs_and_gradients_are_those_of_autocast(networks: nn.Sequential) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = networks(IMAGES)
        with weights_in(torch.bfloat16, networks):
            cast = networks(IMAGES)
    assert torch.equal(plain, cast)
    expected, got = gradients_of(networks, plain), gradients_of(networks, cast)
    assert len(got) == 4
    for a, b in zip(expected, got, strict=True):
        assert b.dtype == torch.float32
        assert torch.equal(a, b)


def test_what_is_not_used_gets_no_gradient(networks: nn.Sequential) -> None:
    with weights_in(torch.bfloat16, networks):
        first = networks[0](IMAGES.bfloat16())
    assert len(gradients_of(networks, first)) == 2
    assert all(parameter.grad is None for parameter in networks[1].parameters())


def test_weights_are_back_afterwards_whatever_happens(networks: nn.Sequential) -> None:
    before = list(networks.parameters())
    with pytest.raises(RuntimeError, match="BFloat16"), weights_in(torch.bfloat16, networks):
        networks(IMAGES)
    after = list(networks.parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))


def test_without_a_dtype_they_are_as_they_are(networks: nn.Sequential) -> None:
    with weights_in(None, networks):
        assert networks[0].weight.dtype == torch.float32


def test_a_second_derivative_passes_through_them(networks: nn.Sequential) -> None:
    # R1 is one: the gradient at the images, whose square is minimised.
    shown = IMAGES.clone().requires_grad_(True)
    with torch.autocast("cpu", dtype=torch.bfloat16), weights_in(torch.bfloat16, networks):
        logits = networks(shown).square().sum((1, 2, 3))
    (gradient,) = torch.autograd.grad(logits.sum(), shown, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in networks.parameters())
