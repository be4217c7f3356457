"""`drai export`: a model for other programs, compared with itself before it is called done."""

from __future__ import annotations

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drai_cli import __version__
from drai_cli.errors import DraiError, UsageError
from drai_cli.export.hub_folder import write_hub_folder
from drai_cli.hub.locate import locate_weights
from drai_cli.inference.onnx_model import INPUTS, OUTPUTS, load_session
from drai_cli.inference.onnx_session import CPU_PROVIDER, import_runtime
from drai_cli.io.files import atomic_writer, remove_left_over
from drai_cli.model.exported import ExportedConditionSwap, ExportedEncoder, ExportedSampler, ExportedSwap
from drai_cli.model_file.checkpoint import LoadedModel, load_model
from drai_cli.model_file.header import HEADER_KEY
from drai_cli.output.folder import check_file, check_folder, make_parent, staged
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.model_options import ExportOptions

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference of an exported model from its original, in images of [-1, 1] and in codes."""
_BATCHES = (1, 17)
_SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2"}


@dataclass(frozen=True)
class Difference:
    """How far an exported file is from the model it was made of.

    Attributes:
        largest: Of any number it gives.
        mean: Over all of them.
    """

    largest: float
    mean: float


@dataclass(frozen=True)
class ExportResult:
    """What an `export` wrote.

    Attributes:
        out: The file or folder.
        files: All files written, with how far each is from the model; None for those with nothing to compare.
        opset: Of ONNX; None for other kinds.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    out: Path
    files: Mapping[str, Difference | None]
    opset: int | None
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


@dataclass(frozen=True)
class _Way:
    """One way through the networks: what it is called beside OUT, and its inputs and outputs."""

    suffix: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def export(options: ExportOptions, reporter: Reporter = SILENT) -> ExportResult:
    """Writes an exported model; all files or none, and none that differs from the model.

    Raises:
        UsageError: A name that does not fit the kind, or what makes the kind is not installed.
        WeightsError, NetworkError: A model that cannot be found or used.
        InputError, OverwriteError: OUT cannot be written, or is there.
        DraiError: What was exported differs from the model.
    """
    path = check_export(options, reporter)
    if options.to == "hub-folder":
        return _export_folder(path, options, reporter)
    suffix = _SUFFIXES[options.to]
    model = load_model(path)
    ways = _ways(model)
    targets = [options.out.with_name(options.out.stem + way.suffix + suffix) for way in ways]
    make = _make_onnx if options.to == "onnx" else _make_torch_export
    made: list[tuple[Path, bytes, Difference]] = []
    with reporter.task("exporting", len(ways), "files") as task:
        for way, target in zip(ways, targets, strict=True):
            data, difference = make(way, model, target)
            if not difference.largest <= TOLERANCE:
                raise DraiError(
                    target.name,
                    f"differs from the model by {difference.largest:.2g}, more than {TOLERANCE:g}: nothing is written",
                    "report it with the versions of torch, onnx and onnxruntime",
                )
            made.append((target, data, difference))
            task.advance()
    for target, data, _ in made:
        remove_left_over(target.parent, target.name)
        if not _holds(target, data):
            check_file(target, options.overwrite)
    make_parent(options.out)
    for target, data, _ in reversed(made):  # OUT last: where it is, all are
        with atomic_writer(target) as file:
            file.write(data)
    return ExportResult(
        options.out,
        {target.name: difference for target, _, difference in made},
        OPSET if options.to == "onnx" else None,
        model.sha256,
    )


def check_export(options: ExportOptions, reporter: Reporter = SILENT) -> Path:
    """Finds the model file, and checks options and OUT as `export` does before its work; raises what it raises."""
    path = locate_weights(options.weights, reporter)
    if options.to == "hub-folder":
        check_folder(options.out, options.overwrite)
        return path
    suffix = _SUFFIXES[options.to]
    if options.out.suffix.lower() != suffix:
        raise UsageError(f"--out {options.out}", f"expected a name that ends in {suffix}", f"model{suffix}")
    if options.to == "onnx":
        _require_onnx()
    check_file(options.out.with_suffix(suffix), options.overwrite)
    return path


def _holds(path: Path, data: bytes) -> bool:
    """Whether a killed export of the same model has written this file already: the same command, the same bytes."""
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _export_folder(path: Path, options: ExportOptions, reporter: Reporter) -> ExportResult:
    with staged(options.out, options.overwrite, "drai export") as stage:
        files = write_hub_folder(path, options.name or options.out.resolve().name, stage, reporter)
        sha256 = json.loads((stage / "config.json").read_text("utf-8"))["weights_sha256"]
    return ExportResult(options.out, dict.fromkeys(files), None, sha256)


def _ways(model: LoadedModel) -> list[_Way]:
    ways = [_Way("", ExportedSampler(model.content_prior, model.generator), INPUTS, OUTPUTS)]
    if model.encoder is not None and model.infers_content:
        ways += [
            _Way(".encoder", ExportedEncoder(model.encoder), ("images",), ("content", "style")),
            _Way(
                ".swap", ExportedSwap(model.encoder, model.generator),
                ("content_images", "style_images"), ("images",),
            ),
        ]  # fmt: skip
    elif model.encoder is not None:
        swap = ExportedConditionSwap(model.content_prior, model.encoder, model.generator)
        ways += [
            _Way(".encoder", ExportedEncoder(model.encoder), ("images",), ("style",)),
            _Way(".swap", swap, ("condition", "style_images"), ("images",)),
        ]
    return [_Way(way.suffix, way.module.eval(), way.inputs, way.outputs) for way in ways]


def _inputs(way: _Way, model: LoadedModel, n: int, seed: int) -> tuple[Tensor, ...]:
    """Random codes and conditions, and images that the model itself makes: smooth, as real ones are."""
    generator = torch.Generator().manual_seed(seed)
    shape, schema = model.header.architecture, model.header.schema

    def normal(dim: int) -> Tensor:
        return torch.randn((n, dim), generator=generator)

    def images() -> Tensor:
        with torch.inference_mode():
            made: Tensor = model.generator(normal(shape.content_dim), normal(shape.style_dim))
            return made.clamp(-1, 1).clone()

    labels = [{schema.label.name: schema.labels[row % len(schema.labels)]} for row in range(n)]
    condition = torch.from_numpy(schema.encode(labels))
    if way.inputs != INPUTS:
        return tuple(condition if name == "condition" else images() for name in way.inputs)
    return condition, normal(shape.content_dim), normal(shape.style_dim), torch.tensor(0.9)


def _trace_inputs(way: _Way, model: LoadedModel) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
    """Inputs to trace with, and which of their sizes may vary: the batch."""
    batch = torch.export.Dim("batch")
    inputs = _inputs(way, model, 2, 0)
    return inputs, tuple({0: batch} if one.ndim else None for one in inputs)


def _difference(way: _Way, model: LoadedModel, run: Any) -> Difference:
    """What `run` gives beside what the module gives, on a batch of one and a larger one."""
    differences = []
    for n in _BATCHES:
        inputs = _inputs(way, model, n, n)
        with torch.no_grad():
            expected = way.module(*inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for got, wanted in zip(run(inputs), expected, strict=True):
            differences.append(np.abs(np.asarray(got, np.float64) - wanted.numpy()).ravel())
    every = np.concatenate(differences)
    return Difference(float(every.max()), float(every.mean()))


def _make_onnx(way: _Way, model: LoadedModel, target: Path) -> tuple[bytes, Difference]:
    import onnx

    inputs, dynamic = _trace_inputs(way, model)
    with _quiet(), torch.no_grad():
        program: Any = torch.onnx.export(
            way.module, inputs, dynamo=True, dynamic_shapes=dynamic, opset_version=OPSET, verbose=False,
            input_names=list(way.inputs), output_names=list(way.outputs),
        )  # fmt: skip
        proto = program.model_proto
    metadata = {
        HEADER_KEY: json.dumps(model.header.to_json(), sort_keys=True, allow_nan=False),
        "tool": f"drai {__version__}",
        "exported_from_sha256": model.sha256,
    }
    for key, value in metadata.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    _forget_source(proto)
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString()
    session, _ = load_session(target, data, import_runtime(), CPU_PROVIDER)

    def run(inputs: tuple[Tensor, ...]) -> Any:
        return session.run(None, {name: one.numpy() for name, one in zip(way.inputs, inputs, strict=True)})

    return data, _difference(way, model, run)


def _forget_source(proto: Any) -> None:
    """Drops what the exporter notes of the source: paths and stack traces of this machine."""
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


def _make_torch_export(way: _Way, model: LoadedModel, target: Path) -> tuple[bytes, Difference]:
    inputs, dynamic = _trace_inputs(way, model)
    with _quiet(), torch.no_grad():
        program = torch.export.export(way.module, inputs, dynamic_shapes=dynamic)
        file = io.BytesIO()
        header = json.dumps(model.header.to_json(), sort_keys=True, allow_nan=False)
        torch.export.save(
            program, file, extra_files={HEADER_KEY: header, "exported_from_sha256": model.sha256}
        )
        # Read back what this process wrote a moment ago; a .pt2 of anybody else's is never loaded.
        with tempfile.TemporaryDirectory(prefix="drai-export-") as place:
            written = Path(place) / "model.pt2"
            written.write_bytes(file.getvalue())
            again = torch.export.load(written).module()

        def run(inputs: tuple[Tensor, ...]) -> Any:
            got = again(*inputs)
            return [one.detach().numpy() for one in (got if isinstance(got, tuple) else (got,))]

        return file.getvalue(), _difference(way, model, run)


def _require_onnx() -> None:
    import_runtime("--to onnx")
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--to onnx", f"needs {error.name}, which is not installed", "pip install 'drai-cli[onnx]'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporter's remarks on its own libraries off the screen."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
