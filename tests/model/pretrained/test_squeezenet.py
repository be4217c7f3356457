from __future__ import annotations

import numpy as np
import pytest
import torch

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.pooled import load_pooled
from drai_cli.model.pretrained.squeezenet import SqueezeNet


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(SqueezeNet().state_dict())


def test_names_and_size_are_those_of_squeezenet(state: dict[str, torch.Tensor]) -> None:
    assert len(state) == 2 + 8 * 6
    assert (
        sum(tensor.numel() for tensor in state.values()) == 722_496
    )  # 1,235,496 less the classifier's 513,000
    assert state["features.12.expand3x3.weight"].shape == (256, 64, 3, 3)


def test_grey_is_seen_as_rgb(state: dict[str, torch.Tensor]) -> None:
    assert load_pooled(state).name == "squeezenet1_1-128px"
    extractor = load_pooled(state, size=64, weights="sha256 abc")
    assert extractor.name == "squeezenet1_1-64px"
    assert "squeezenet1_1-64px with the same weights (sha256 abc)" in extractor.comparable_with
    grey = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    features = extractor.features(grey)
    assert features.shape == (3, 512)
    assert np.allclose(features, extractor.features(np.repeat(grey, 3, 3)), atol=1e-5)


def test_sixteen_bits_are_seen_as_eight(state: dict[str, torch.Tensor]) -> None:
    extractor = load_pooled(state, size=64)
    grey = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    assert np.allclose(extractor.features(grey.astype(np.uint16) * 257), extractor.features(grey), atol=1e-5)


def test_pixels_are_standardised_as_imagenet(state: dict[str, torch.Tensor]) -> None:
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    network = SqueezeNet().eval()
    network.load_state_dict(state)
    values = [(1 - mean) / deviation for mean, deviation in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    with torch.inference_mode():
        expected = network(torch.tensor(values).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    assert np.allclose(load_pooled(state, size=32).features(white), expected.numpy(), atol=1e-5)


def test_other_tensors_are_named(state: dict[str, torch.Tensor]) -> None:
    missing = {name: value for name, value in state.items() if name != "features.4.squeeze.bias"}
    with pytest.raises(WeightsError, match=r"features\.4\.squeeze\.bias is missing"):
        load_pooled(missing)
    with pytest.raises(WeightsError, match=r"features\.0\.bias of shape \(64,\), got \(3,\)"):
        load_pooled({**state, "features.0.bias": torch.zeros(3)})
