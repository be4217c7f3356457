"""A training that is interrupted goes on exactly; one of another network is refused."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, build
from drai_cli.metrics.fitting import FitConfig, FitState, Keeping, fit

SIZE = ConvNetConfig(16, 1, 2, (8, 8))
CONFIG = FitConfig(images=320, batch_size=16, check_every=64, patience=9)


def draw(size: int, generator: torch.Generator):
    labels = torch.randint(0, 2, (size,), generator=generator)
    images = torch.randn(size, 1, 16, 16, generator=generator) + labels[:, None, None, None]
    return images, labels


def score(network: ConvNet) -> float:
    images, labels = draw(64, torch.Generator().manual_seed(7))
    with torch.no_grad():
        return -float(F.cross_entropy(network(images), labels))


def trained(keeping: Keeping | None = None):
    return fit(build(SIZE, 0), draw, F.cross_entropy, score, CONFIG, seed=1, keeping=keeping)


def test_an_interrupted_training_goes_on_exactly() -> None:
    states: list[FitState] = []

    def keep(state: FitState) -> None:
        states.append(FitState({name: value.clone() for name, value in state.tensors.items()}, state.numbers))

    whole, record = trained(Keeping(None, keep))
    assert len(states) == 5
    assert states[1].numbers["step"] == 8
    seen: list[int] = []
    again, of_again = fit(
        build(SIZE, 0), draw, F.cross_entropy, score, CONFIG, seed=1, progress=seen.append,
        keeping=Keeping(states[1], lambda state: None),
    )  # fmt: skip
    assert of_again == record
    assert sum(seen) == 320
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    plain, _ = trained()
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_training_of_another_network_is_refused() -> None:
    states: list[FitState] = []
    trained(Keeping(None, states.append))
    with pytest.raises(RuntimeError):
        fit(
            build(ConvNetConfig(16, 1, 3, (8, 8)), 0), draw, F.cross_entropy, score, CONFIG, seed=1,
            keeping=Keeping(states[0], states.append),
        )  # fmt: skip


def test_a_net_may_read_larger_squares() -> None:
    images = torch.randn(2, 3, 64, 64)
    net = build(ConvNetConfig(64, 3, 5, (32, 64), patch=4), 0).eval()
    assert net.trunk[0].in_channels == 48
    assert net(images).shape == (2, 5)
    assert net.trunk(F.pixel_unshuffle(images, 4)).shape == (2, 64, 8, 8)
