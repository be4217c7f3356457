"""A program as a `torch.export` file with the model's header in its extra files."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drai_cli.export.programs import (
    Difference,
    Program,
    draw_trace_inputs,
    measure_difference,
    silence_exporter,
)
from drai_cli.model_file.checkpoint import LoadedModel
from drai_cli.model_file.header import HEADER_KEY


def encode_torch_export(program: Program, model: LoadedModel, target: Path) -> tuple[bytes, Difference]:
    """The file's bytes, and how far the outputs of the file, read again, are from the model's."""
    inputs, dynamic = draw_trace_inputs(program, model)
    with silence_exporter(), torch.no_grad():
        exported = torch.export.export(program.module, inputs, dynamic_shapes=dynamic)
        file = io.BytesIO()
        header = json.dumps(model.header.to_json(), sort_keys=True, allow_nan=False)
        torch.export.save(
            exported, file, extra_files={HEADER_KEY: header, "exported_from_sha256": model.sha256}
        )
        # Only a file that this process has just written is read: a .pt2 of others is never loaded.
        with tempfile.TemporaryDirectory(prefix="drai-export-") as place:
            written = Path(place) / "model.pt2"
            written.write_bytes(file.getvalue())
            again = torch.export.load(written).module()

        def run(inputs: tuple[Tensor, ...]) -> list[Any]:
            outputs = again(*inputs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return [one.detach().numpy() for one in outputs]

        return file.getvalue(), measure_difference(program, model, run)
