"""The network whose features distances are computed in, from the file a user names. Only tensors are unpickled."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from drai_cli.errors import InputError, WeightsError
from drai_cli.evaluation.extractors.inception import InceptionFeatures, is_inception
from drai_cli.evaluation.extractors.onnx_features import OnnxFeatures
from drai_cli.evaluation.extractors.pooled import KNOWN, load_pooled
from drai_cli.inference.onnx_session import import_runtime, start_session
from drai_cli.io.files import BROKEN, file_sha256, open_regular
from drai_cli.metrics.samples import Extractor

Fallback = TypeVar("Fallback")
_PICKLED = (".pth", ".pt")


def load_extractor(
    path: Path | None, judge: Fallback, device: torch.device | str = "cpu", *, option: str = "--features"
) -> Extractor | Fallback:
    """The extractor in a file: the format follows from the suffix, the network from the tensors' names and shapes.

    Args:
        path: `.safetensors`, `.pth` or `.pt` with the tensors of SqueezeNet 1.1, a ResNet or the Inception of
            published FID, or an `.onnx` model of the user's own; None for the judge's features.
        judge: Returned where no file is named: the judge, or None where the caller handles it.
        device: Where torch's networks run; ONNX models run on the CPU.
        option: How the user named the file, for messages.

    Raises:
        InputError: No such file, it cannot be read, or torch-fidelity is missing.
        UsageError: ONNX Runtime is missing.
        WeightsError: None of these networks, or an incomplete one.
    """
    if path is None:
        return judge
    suffix = path.suffix.lower()
    if suffix not in (".safetensors", ".onnx", *_PICKLED):
        raise InputError(
            path,
            "expected a .safetensors, .pth or .onnx file",
            f"name the weights of {KNOWN}, or an ONNX model, with {option}",
        )
    if suffix == ".onnx":
        return _onnx(path, option)
    tensors = _read_pickled(path) if suffix in _PICKLED else _read_safetensors(path, option)
    sha256 = file_sha256(path)
    try:
        if is_inception(tensors):
            return InceptionFeatures(tensors, device, sha256)
        return load_pooled(tensors, device, weights=f"sha256 {sha256[:12]}")
    except WeightsError as error:
        raise WeightsError(path, error.message, "the file is incomplete, or of another network") from error


def _onnx(path: Path, option: str) -> OnnxFeatures:
    runtime = import_runtime(f"{option} {path.name}")
    with open_regular(path) as file:
        data = file.read()
    session = start_session(path, data, runtime, hint="keep its weights inside the file")
    try:
        return OnnxFeatures(session, f"sha256 {file_sha256(path)[:12]}")
    except WeightsError as error:
        raise WeightsError(path, error.message, error.hint) from error


def _read_safetensors(path: Path, option: str) -> dict[str, Tensor]:
    try:
        with open_regular(path) as file:
            return load(file.read())
    except (SafetensorError, *BROKEN) as error:
        raise InputError(
            path,
            f"cannot be read ({str(error)[:160]})",
            f"name a safetensors file with {option}",
        ) from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    """Tensors by name; torch's own reader refuses a pickle that holds anything else."""
    hint = "save its tensors by name, preferably as .safetensors"
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats that torch will drop
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, *BROKEN) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(path, f"cannot be read as tensors alone ({reason})", hint) from error
    named = isinstance(content, Mapping) and all(isinstance(name, str) for name in content)
    if not named or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(path, "expected tensors by name, got something else", hint)
    return dict(content)
