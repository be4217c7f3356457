"""A user's ONNX model as features: what reaches its input, and what is said of those that cannot serve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.onnx_features import OnnxFeatures

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session_of(
    shape: list[Any], metadata: dict[str, str] | None = None, node: Any = None, inputs: int = 1
) -> Any:
    """A model whose output is its input."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info(f"x{number}", kind, shape) for number in range(inputs)]
    out = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph([node or helper.make_node("Identity", ["x0"], ["y"])], "g", values, [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)


def seen(session: Any, images: np.ndarray) -> np.ndarray:
    return OnnxFeatures(session, "sha").features(images)


def test_input_is_rgb_in_0_to_1(images: np.ndarray) -> None:
    expected = (images / 255).transpose(0, 3, 1, 2).reshape(5, -1)
    found = seen(session_of(["n", 3, 6, 4]), images)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-6)
    wide = images.astype(np.uint16) * 257
    assert np.allclose(seen(session_of(["n", 3, 6, 4]), wide), expected, atol=1e-6)


def test_metadata_say_what_the_input_holds(images: np.ndarray) -> None:
    metadata = {"input_range": "0,255", "input_mean": "10,20,30", "input_std": "2"}
    expected = ((images - np.array([10.0, 20, 30])) / 2).transpose(0, 3, 1, 2).reshape(5, -1)
    assert np.allclose(seen(session_of(["n", 3, 6, 4], metadata), images), expected, atol=1e-4)


def test_grey_and_colour_fit_either_model(images: np.ndarray) -> None:
    grey = images[..., :1]
    repeated = np.repeat(grey, 3, axis=3)
    three, one = session_of(["n", 3, 6, 4]), session_of(["n", 1, 6, 4])
    assert np.allclose(seen(three, grey), seen(three, repeated), atol=1e-6)
    luma = images[..., 0] * 0.299 + images[..., 1] * 0.587 + images[..., 2] * 0.114
    assert np.allclose(seen(one, images), (luma / 255).reshape(5, -1), atol=1e-5)
    assert np.allclose(seen(one, repeated), seen(one, grey), atol=1e-6)


def test_size_is_the_models_or_128(images: np.ndarray) -> None:
    assert seen(session_of(["n", 1, 3, 2]), images).shape == (5, 6)
    free = OnnxFeatures(session_of(["n", 1, "h", "w"]), "abcdef012345")
    assert free.features(images).shape == (5, 128 * 128)
    assert free.name == "onnx-abcdef01-128px"
    assert "this same model (abcdef012345)" in free.comparable_with


def test_a_fixed_batch_is_filled_up(images: np.ndarray) -> None:
    whole = seen(session_of(["n", 3, 6, 4]), images)
    assert np.array_equal(seen(session_of([2, 3, 6, 4]), images), whole)


def test_models_that_cannot_serve_are_named(images: np.ndarray) -> None:
    with pytest.raises(WeightsError, match="expected one input, got 2"):
        OnnxFeatures(session_of(["n", 3, 6, 4], inputs=2), "")
    with pytest.raises(WeightsError, match=r"got tensor\(float\) of shape \['n', 6, 4, 3\]"):
        OnnxFeatures(session_of(["n", 6, 4, 3]), "")
    with pytest.raises(WeightsError, match="expected 2 numbers as input_range"):
        OnnxFeatures(session_of(["n", 3, 6, 4], {"input_range": "0,1,2"}), "")
    with pytest.raises(WeightsError, match=r"expected 1 or 3 numbers as input_mean.*'black'"):
        OnnxFeatures(session_of(["n", 3, 6, 4], {"input_mean": "black"}), "")
    with pytest.raises(WeightsError, match="input_std other than 0"):
        OnnxFeatures(session_of(["n", 3, 6, 4], {"input_std": "0"}), "")
    total = onnx.helper.make_node("ReduceMean", ["x0"], ["y"], keepdims=0)
    with pytest.raises(WeightsError, match="expected an output of 5 rows"):
        seen(session_of(["n", 3, 6, 4], node=total), images)
    logs = onnx.helper.make_node("Log", ["x0"], ["y"])
    with pytest.raises(WeightsError, match="not finite"):
        seen(session_of(["n", 3, 6, 4], node=logs), np.zeros_like(images))
