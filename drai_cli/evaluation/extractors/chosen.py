"""The network that distances are measured in, from whatever file a user names. Nothing is unpickled but tensors."""

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
from drai_cli.evaluation.extractors.resnet import load_resnet, resnet_depth
from drai_cli.evaluation.extractors.squeezenet import load_squeezenet
from drai_cli.inference.onnx_session import import_runtime, start_session
from drai_cli.io.files import BROKEN, file_sha256, open_regular
from drai_cli.metrics.samples import Extractor

Fallback = TypeVar("Fallback")
_PICKLED = (".pth", ".pt")
_KNOWN = "SqueezeNet 1.1, ResNet 18, 34 or 50 (torchvision's tensor names), or the Inception of published FID"


def load_extractor(
    path: Path | None, judge: Fallback, device: torch.device | str = "cpu", *, option: str = "--features"
) -> Extractor | Fallback:
    """What a file holds, as an extractor: the format by its suffix, the network by its tensors' names and shapes.

    Args:
        path: `.safetensors`, `.pth` or `.pt` with the tensors of SqueezeNet 1.1, a ResNet or the Inception of
            published FID, or an `.onnx` model of the user's own; None for the judge's features.
        judge: What is given back where no file is named: the judge, or None for whoever takes it from there.
        device: Where torch's networks run; ONNX models run on the processor.
        option: How the user named the file, for messages.

    Raises:
        InputError: No such file, it cannot be read, or torch-fidelity is missing.
        UsageError: ONNX Runtime is missing.
        WeightsError: It is none of these networks, or not a whole one.
    """
    if path is None:
        return judge
    suffix = path.suffix.lower()
    if suffix not in (".safetensors", ".onnx", *_PICKLED):
        raise InputError(
            path,
            "expected a .safetensors, .pth or .onnx file",
            f"name the weights of {_KNOWN}, or an ONNX model, with {option}",
        )
    if suffix == ".onnx":
        return _onnx(path, option)
    tensors = _read_pickled(path) if suffix in _PICKLED else _read_safetensors(path, option)
    sha256 = file_sha256(path)
    weights = f"sha256 {sha256[:12]}"
    try:
        if is_inception(tensors):
            return InceptionFeatures(tensors, device, sha256)
        if "features.3.squeeze.weight" in tensors:
            return load_squeezenet(tensors, device, weights=weights)
        if resnet_depth(tuple(tensors)):
            return load_resnet(tensors, device, weights=weights)
    except WeightsError as error:
        raise WeightsError(path, error.message, "the file is not whole, or of another network") from error
    raise WeightsError(path, f"expected the tensors of {_KNOWN}, got others")


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
    """Tensors by name; torch's own reader makes nothing else of a pickle, and refuses one that asks for more."""
    hint = "save its tensors by name, best as .safetensors"
    try:
        with open_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that torch will drop
            found = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, *BROKEN) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(path, f"cannot be read as tensors alone ({reason})", hint) from error
    named = isinstance(found, Mapping) and all(isinstance(name, str) for name in found)
    if not named or not all(isinstance(value, Tensor) for value in found.values()):
        raise InputError(path, "expected tensors by name, got something else", hint)
    return dict(found)
