"""EfficientNet-Lite0 beside an independent reading of the architecture."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from drai_cli.errors import WeightsError
from drai_cli.model.pretrained.digest import weights_sha256
from drai_cli.model.pretrained.efficientnet_lite import EfficientNetLite
from drai_cli.model.pretrained.known import build_pretrained

WITH_CLASSIFIER = 4_652_008  # as published for Lite0


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(EfficientNetLite().state_dict())


def test_size_is_that_published() -> None:
    network = EfficientNetLite()
    assert sum(p.numel() for p in network.parameters()) + 1280 * 1000 + 1000 == WITH_CLASSIFIER
    maps = network.eval().maps(torch.zeros(1, 3, 96, 96))
    assert [(one.shape[1], one.shape[2]) for one in maps] == [(24, 24), (40, 12), (112, 6), (320, 3)]
    assert tuple(one.shape[1] for one in maps) == network.map_channels


def test_convolutions_pad_as_tensorflow() -> None:
    """At stride 2 an even side gets its one row of zeros at the end, an odd side one on either side."""
    stem = EfficientNetLite()._conv_stem
    for side, pads in ((8, (0, 1, 0, 1)), (9, (1, 1, 1, 1))):
        images = torch.rand(1, 3, side, side)
        expected = F.conv2d(F.pad(images, pads), stem.weight, stride=2)
        assert torch.equal(stem(images), expected)
        assert expected.shape[2] == -(-side // 2)


def test_tensors_are_recognised_and_checked(state: dict[str, torch.Tensor]) -> None:
    light = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    network = build_pretrained({**light, "_fc.weight": torch.zeros(1000, 1280)})
    assert network.name == "efficientnet-lite0"
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        assert network(images).shape == (2, 1280)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    del light["_blocks.4._bn2.running_var"]
    with pytest.raises(
        WeightsError, match=r"EfficientNet-Lite0 tensors, _blocks\.4\._bn2\.running_var is missing"
    ):
        build_pretrained(light)


def test_a_digest_follows_the_weights_and_not_the_file(state: dict[str, torch.Tensor]) -> None:
    first = weights_sha256(state)
    backwards = dict(reversed([(name, value.double()) for name, value in state.items()]))
    assert weights_sha256(backwards) == first
    changed = {**state, "_bn0.bias": state["_bn0.bias"] + 1e-3}
    assert weights_sha256(changed) != first
    assert weights_sha256({**state, "_bn0.num_batches_tracked": torch.tensor(9)}) == first
