"""A program as an ONNX file with the model's header in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drai_cli import __version__
from drai_cli.errors import UsageError
from drai_cli.export.programs import (
    Difference,
    Program,
    draw_trace_inputs,
    measure_difference,
    silence_exporter,
)
from drai_cli.inference.onnx_model import load_session
from drai_cli.inference.onnx_session import CPU_PROVIDER, import_runtime
from drai_cli.model_file.checkpoint import LoadedModel
from drai_cli.model_file.header import HEADER_KEY

OPSET = 18


def require_onnx() -> None:
    """Checks that the packages for ONNX are installed.

    Raises:
        UsageError: One is not.
    """
    import_runtime("--to onnx")
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--to onnx", f"needs {error.name}, which is not installed", "pip install 'drai-cli[onnx]'"
        ) from error


def encode_onnx(program: Program, model: LoadedModel, target: Path) -> tuple[bytes, Difference]:
    """The file's bytes, and how far ONNX Runtime's outputs are from the model's; `target` is named in errors."""
    import onnx

    inputs, dynamic = draw_trace_inputs(program, model)
    with silence_exporter(), torch.no_grad():
        exported: Any = torch.onnx.export(
            program.module, inputs, dynamo=True, dynamic_shapes=dynamic, opset_version=OPSET, verbose=False,
            input_names=list(program.inputs), output_names=list(program.outputs),
        )  # fmt: skip
        proto = exported.model_proto
    metadata = {
        HEADER_KEY: json.dumps(model.header.to_json(), sort_keys=True, allow_nan=False),
        "tool": f"drai {__version__}",
        "exported_from_sha256": model.sha256,
    }
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    _strip_source(proto)
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString()
    session, _ = load_session(target, data, import_runtime(), CPU_PROVIDER)

    def run(inputs: tuple[Tensor, ...]) -> list[Any]:
        feeds = {name: one.numpy() for name, one in zip(program.inputs, inputs, strict=True)}
        return session.run(None, feeds)

    return data, measure_difference(program, model, run)


def _strip_source(proto: Any) -> None:
    """Removes what the exporter notes about the source: paths and stack traces of this machine."""
    proto.doc_string = ""
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        graph.doc_string = ""
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
        value.doc_string = ""
