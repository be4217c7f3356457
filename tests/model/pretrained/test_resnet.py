"""ResNets beside an independent reading of the architecture: names, shapes, counts, the forward pass by functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.pooled import load_pooled
from drai_cli.model.pretrained.resnet import ResNet, resnet_depth

State = dict[str, Tensor]
# With the classifier of 1000 classes, as He et al. and torchvision count them.
PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}


def published_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    """Tensors by torchvision's names, written out from table 1 of He et al. 2016."""
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name: str, channels: int) -> None:
        for kind in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{kind}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    channels = 64
    for stage, (count, width) in enumerate(
        zip({18: (2, 2, 2, 2)}.get(depth, (3, 4, 6, 3)), (64, 128, 256, 512), strict=True), start=1
    ):
        out = 4 * width if depth == 50 else width
        for place in range(count):
            block = f"layer{stage}.{place}"
            steps = [(width, channels, 1), (width, width, 3), (out, width, 1)]
            if depth != 50:
                steps = [(width, channels, 3), (out, width, 3)]
            for number, (to, of, side) in enumerate(steps, start=1):
                shapes[f"{block}.conv{number}.weight"] = (to, of, side, side)
                norm(f"{block}.bn{number}", to)
            if channels != out:
                shapes[f"{block}.downsample.0.weight"] = (out, channels, 1, 1)
                norm(f"{block}.downsample.1", out)
            channels = out
    return shapes


def random_state(depth: int) -> State:
    generator = torch.Generator().manual_seed(depth)
    state = {}
    for name, shape in published_shapes(depth).items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) == 4:
            fan = shape[1] * shape[2] * shape[3]
            state[name] = torch.randn(shape, generator=generator) * (2 / fan) ** 0.5
        elif name.endswith(("weight", "running_var")):
            state[name] = torch.rand(shape, generator=generator) * 0.5 + 0.5
        else:
            state[name] = torch.randn(shape, generator=generator) * 0.1
    return state


def by_functions(state: State, images: Tensor) -> Tensor:
    """The network read off its tensors: a convolution after the other, with no module."""

    def norm(name: str, maps: Tensor) -> Tensor:
        mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / torch.sqrt(variance + 1e-5)
        shift = state[f"{name}.bias"] - mean * scale
        return maps * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    maps = norm("bn1", F.conv2d(images, state["conv1.weight"], stride=2, padding=3)).relu()
    maps = F.max_pool2d(maps, 3, stride=2, padding=1)
    for stage in range(1, 5):
        place = 0
        while f"layer{stage}.{place}.conv1.weight" in state:
            block = f"layer{stage}.{place}"
            stride = 2 if stage > 1 and place == 0 else 1
            convolutions = [number for number in (1, 2, 3) if f"{block}.conv{number}.weight" in state]
            strided = 2 if len(convolutions) == 3 else 1  # the first 3x3 strides
            out = maps
            for number in convolutions:
                weight = state[f"{block}.conv{number}.weight"]
                step = stride if number == strided else 1
                out = norm(
                    f"{block}.bn{number}", F.conv2d(out, weight, stride=step, padding=weight.shape[2] // 2)
                )
                if number != convolutions[-1]:
                    out = out.relu()
            if f"{block}.downsample.0.weight" in state:
                maps = norm(
                    f"{block}.downsample.1",
                    F.conv2d(maps, state[f"{block}.downsample.0.weight"], stride=stride),
                )
            maps = (maps + out).relu()
            place += 1
    return maps.flatten(2).mean(2)


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_tensors_are_those_published(depth: int) -> None:
    network = ResNet(depth)
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == published_shapes(
        depth
    )
    classifier = network.feature_dim * 1000 + 1000
    assert sum(tensor.numel() for tensor in network.parameters()) + classifier == PARAMETERS[depth]


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_forward_is_that_read_off_the_tensors(depth: int) -> None:
    state = random_state(depth)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    extractor = load_pooled(state, size=64, weights="sha256 0")
    found = extractor.features(images)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    rgb = (torch.from_numpy(images).double() / 255 - mean) / deviation
    with torch.inference_mode():
        exact = {name: value.double() for name, value in state.items()}
        expected = by_functions(exact, rgb.permute(0, 3, 1, 2)).numpy()
    assert found.shape == (3, 2048 if depth == 50 else 512)
    assert found.dtype == np.float32
    assert extractor.name == f"resnet{depth}-64px"
    assert np.abs(expected).max() > 0.1
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_depth_is_recognised() -> None:
    names = {depth: tuple(ResNet(depth).state_dict()) for depth in (18, 34, 50)}
    assert {depth: resnet_depth(found) for depth, found in names.items()} == {18: 18, 34: 34, 50: 50}
    assert resnet_depth((*names[50], "layer3.6.conv1.weight")) == 0
    assert resnet_depth(("features.0.weight",)) is None
    with pytest.raises(WeightsError, match=r"SqueezeNet 1\.1, ResNet 18, 34 or 50"):
        load_pooled({"layer1.0.conv1.weight": torch.zeros(1)})


def test_what_is_missing_is_named() -> None:
    state = random_state(18)
    light = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    images = np.zeros((1, 32, 32, 1), np.uint8)
    assert np.array_equal(
        load_pooled(light, size=32).features(images), load_pooled(state, size=32).features(images)
    )
    del light["layer4.1.bn2.running_var"]
    with pytest.raises(WeightsError, match=r"ResNet 18 tensors, layer4\.1\.bn2\.running_var is missing"):
        load_pooled(light)
