"""Which extractor a file makes, and what is said of those that make none."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.evaluation.extractors import chosen as extractors
from drai_cli.evaluation.extractors.chosen import load_extractor
from drai_cli.model.pretrained.resnet import ResNet
from drai_cli.model.pretrained.squeezenet import SqueezeNet

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def squeezenet() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(SqueezeNet().state_dict())


def test_no_file_gives_back_the_judge() -> None:
    judge = object()
    assert load_extractor(None, judge) is judge
    assert load_extractor(None, None) is None


def test_tensors_are_known_by_their_names(squeezenet: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(squeezenet, tmp_path / "a.safetensors")
    torch.save(squeezenet, tmp_path / "a.PTH")
    torch.manual_seed(1)
    save_file(dict(ResNet(18).state_dict()), tmp_path / "b.safetensors")
    first, again, other = (
        load_extractor(tmp_path / name, None) for name in ("a.safetensors", "a.PTH", "b.safetensors")
    )
    assert None not in (first, again, other)
    assert (first.name, again.name, other.name) == (
        "squeezenet1_1-128px",
        "squeezenet1_1-128px",
        "resnet18-128px",
    )
    assert np.array_equal(first.features(IMAGES), again.features(IMAGES))
    assert "(sha256 " in first.comparable_with
    assert first.comparable_with != again.comparable_with  # another file


def test_a_published_swav_checkpoint_is_known_and_named(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = ResNet(50)
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save(
        {**state, "module.prototypes.weight": torch.zeros(3, 2)}, tmp_path / "swav_800ep_pretrain.pth.tar"
    )
    save_file(dict(network.state_dict()), tmp_path / "plain.safetensors")
    swav, plain = (
        load_extractor(tmp_path / name, None) for name in ("swav_800ep_pretrain.pth.tar", "plain.safetensors")
    )
    assert (swav.name, plain.name) == ("swav-resnet50-128px", "resnet50-128px")
    assert np.array_equal(swav.features(IMAGES), plain.features(IMAGES))


def test_an_onnx_model_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("image", kind, ["n", 3, 16, 16])]
    out = [helper.make_tensor_value_info("features", kind, ["n", 3, 1, 1])]
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["image"], ["features"])], "g", inputs, out
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = tmp_path / "own.onnx"
    path.write_bytes(model.SerializeToString())
    found = load_extractor(path, None)
    assert found is not None
    assert np.allclose(found.features(IMAGES), IMAGES.mean((1, 2)) / 255, atol=1e-5)
    assert re.fullmatch(r"onnx-[0-9a-f]{8}-16px", found.name)
    onnx.helper.set_model_props(model, {"name": "dinov2 vits14"})
    path.write_bytes(model.SerializeToString())
    assert load_extractor(path, None).name == "dinov2_vits14-16px"
    path.write_bytes(b"no model")
    with pytest.raises(WeightsError, match=r"own\.onnx: cannot be run as an ONNX model"):
        load_extractor(path, None)
    inputs[0].type.tensor_type.shape.dim[1].dim_value = 5
    five = helper.make_graph(graph.node, "g", inputs, [helper.make_tensor_value_info("features", kind, None)])
    model = helper.make_model(five, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match=r"own\.onnx: expected an input of float32"):
        load_extractor(path, None)

    def missing(option: str) -> Any:
        raise UsageError(option, "needs ONNX Runtime")

    monkeypatch.setattr(extractors, "import_runtime", missing)
    with pytest.raises(UsageError, match=r"^--features own\.onnx: needs"):
        load_extractor(path, None)


def test_a_pickle_that_asks_for_more_than_tensors_is_not_obeyed(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "touched",))

    for name, protocol in (("old.pth", 2), ("new.pt", 4)):
        (tmp_path / name).write_bytes(pickle.dumps(Touch(), protocol))
    torch.save({"layer": Touch()}, tmp_path / "zip.pth")
    for name in ("old.pth", "new.pt", "zip.pth"):
        with pytest.raises(InputError, match="cannot be read as tensors alone"):
            load_extractor(tmp_path / name, None)
    assert not (tmp_path / "touched").exists()


def test_what_makes_none_is_named(squeezenet: dict[str, torch.Tensor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a \.safetensors, \.pth or \.onnx file") as caught:
        load_extractor(tmp_path / "weights.bin", None, option="--extractor")
    assert caught.value.hint.endswith("with --extractor")
    for name in ("gone.safetensors", "gone.pth", "gone.onnx"):
        with pytest.raises(InputError, match="no such file"):
            load_extractor(tmp_path / name, None)
    (tmp_path / "broken.safetensors").write_bytes(b"\x01" * 40)
    with pytest.raises(InputError, match=r"broken\.safetensors: cannot be read"):
        load_extractor(tmp_path / "broken.safetensors", None)
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read as tensors alone"):
        load_extractor(tmp_path / "empty.pth", None)
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="expected tensors by name"):
        load_extractor(tmp_path / "list.pth", None)
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"expected the tensors of SqueezeNet 1\.1, ResNet 18, 34 or 50"):
        load_extractor(tmp_path / "other.safetensors", None)
    save_file({"layer1.0.conv1.weight": torch.zeros(2)}, tmp_path / "depth.safetensors")
    with pytest.raises(WeightsError, match="expected the tensors of"):
        load_extractor(tmp_path / "depth.safetensors", None)
    part = {name: value for name, value in squeezenet.items() if name != "features.0.bias"}
    save_file(part, tmp_path / "part.safetensors")
    with pytest.raises(WeightsError, match=r"part\.safetensors: .* features\.0\.bias is missing"):
        load_extractor(tmp_path / "part.safetensors", None)


def test_published_fid_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    ends = {"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3), "fc.weight": torch.zeros(1008, 2048)}
    torch.save(ends, tmp_path / "pt_inception-2015-12-05-6726825d.pth")
    with pytest.raises(InputError) as caught:
        load_extractor(tmp_path / "pt_inception-2015-12-05-6726825d.pth", None)
    assert caught.value.hint == "pip install 'drai-cli[fid]'"
