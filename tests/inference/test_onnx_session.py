import numpy as np
import pytest

from drai_cli.errors import WeightsError
from drai_cli.inference import onnx_session as module

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def endless() -> bytes:
    """A model with a loop of 2^62 rounds."""
    from onnx import TensorProto, helper, numpy_helper

    def value(name, kind, shape):
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Tanh", ["x"], ["y"])], "body",
        [value("i", TensorProto.INT64, []), value("on", TensorProto.BOOL, []), value("x", TensorProto.FLOAT, [1])],
        [value("still", TensorProto.BOOL, []), value("y", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    rounds = numpy_helper.from_array(np.array(2**62), "rounds")
    begin = numpy_helper.from_array(np.array(True), "begin")
    graph = helper.make_graph(
        [helper.make_node("Loop", ["rounds", "begin", "in"], ["out"], body=body)], "endless",
        [value("in", TensorProto.FLOAT, [1])], [value("out", TensorProto.FLOAT, [1])], [rounds, begin],
    )  # fmt: skip
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()


def test_a_graph_that_does_not_end_is_ended(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(module, "MOST_SECONDS", 0.05)
    session = module.start_session(tmp_path / "m.onnx", endless(), runtime)
    with pytest.raises(WeightsError, match=r"m\.onnx: one pass took longer than 0\.05 s"):
        session.run(None, {"in": np.zeros(1, np.float32)})
    assert capfd.readouterr() == ("", "")


def test_a_small_model_has_little_time(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_SMALL_SECONDS", 0.05)
    session = module.start_session(tmp_path / "m.onnx", endless(), runtime)
    with pytest.raises(WeightsError, match=r"longer than 0\.05 s"):
        session.run(None, {"in": np.zeros(1, np.float32)})
