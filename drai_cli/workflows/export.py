"""`drai export`: a model for other programs; each file is compared with the model before it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.errors import DraiError, UsageError
from drai_cli.export.hub_folder import write_hub_folder
from drai_cli.export.onnx_file import OPSET, encode_onnx, require_onnx
from drai_cli.export.programs import Difference, list_programs
from drai_cli.export.torch_file import encode_torch_export
from drai_cli.hub.locate import locate_weights
from drai_cli.io.files import atomic_writer, remove_left_over
from drai_cli.model_file.checkpoint import load_model
from drai_cli.output.folder import check_file, check_folder, make_parent, open_stage
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.model_options import ExportOptions

TOLERANCE = 1e-4
"""Largest difference of an exported file from its model, in images of [-1, 1] and in codes."""

# The suffix of each kind of file, and what encodes a program as one.
_KINDS = {"onnx": (".onnx", encode_onnx), "torch-export": (".pt2", encode_torch_export)}


@dataclass(frozen=True)
class ExportResult:
    """What an `export` command wrote.

    Attributes:
        out: The file or folder.
        files: All files written, with how far each is from the model; None if there is nothing to compare.
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


def export(options: ExportOptions, reporter: Reporter = SILENT) -> ExportResult:
    """Writes an exported model; all files or none, and none that differs from the model.

    Raises:
        UsageError: A name that does not fit the kind, or a package for the kind is not installed.
        WeightsError, NetworkError: A model that cannot be found or used.
        InputError, OverwriteError: OUT cannot be written, or exists.
        DraiError: An exported file differs from the model.
    """
    path = check_export(options, reporter)
    if options.to == "hub-folder":
        return _export_folder(path, options, reporter)
    suffix, encode = _KINDS[options.to]
    model = load_model(path)
    programs = list_programs(model)
    targets = [options.out.with_name(options.out.stem + program.suffix + suffix) for program in programs]
    files: list[tuple[Path, bytes, Difference]] = []
    with reporter.task("exporting", len(programs), "files") as task:
        for program, target in zip(programs, targets, strict=True):
            data, difference = encode(program, model, target)
            if not difference.largest <= TOLERANCE:
                raise DraiError(
                    target.name,
                    f"differs from the model by {difference.largest:.2g}, more than {TOLERANCE:g}: nothing is written",
                    "report it with the versions of torch, onnx and onnxruntime",
                )
            files.append((target, data, difference))
            task.advance()
    for target, data, _ in files:
        remove_left_over(target.parent, target.name)
        if not _has_content(target, data):
            check_file(target, options.overwrite)
    make_parent(options.out)
    for target, data, _ in reversed(files):  # OUT last: if it exists, all exist
        with atomic_writer(target) as file:
            file.write(data)
    return ExportResult(
        options.out,
        {target.name: difference for target, _, difference in files},
        OPSET if options.to == "onnx" else None,
        model.sha256,
    )


def check_export(options: ExportOptions, reporter: Reporter = SILENT) -> Path:
    """Finds the model file, and checks options and OUT as `export` does before its work; raises what it raises."""
    path = locate_weights(options.weights, reporter)
    if options.to == "hub-folder":
        check_folder(options.out, options.overwrite)
        return path
    suffix, _ = _KINDS[options.to]
    if options.out.suffix.lower() != suffix:
        raise UsageError(f"--out {options.out}", f"expected a name that ends in {suffix}", f"model{suffix}")
    if options.to == "onnx":
        require_onnx()
    check_file(options.out.with_suffix(suffix), options.overwrite)
    return path


def _has_content(path: Path, data: bytes) -> bool:
    """Whether the file exists with these bytes: a killed export of the same model may have written it."""
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _export_folder(path: Path, options: ExportOptions, reporter: Reporter) -> ExportResult:
    with open_stage(options.out, options.overwrite, "drai export") as stage:
        files = write_hub_folder(path, options.name or options.out.resolve().name, stage, reporter)
        sha256 = json.loads((stage / "config.json").read_text("utf-8"))["weights_sha256"]
    return ExportResult(options.out, dict.fromkeys(files), None, sha256)
