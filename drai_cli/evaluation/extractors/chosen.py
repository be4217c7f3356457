"""The network whose features distances are computed in, from the file a user names."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.evaluation.extractors.inception import InceptionFeatures, is_inception
from drai_cli.evaluation.extractors.onnx_features import OnnxFeatures
from drai_cli.evaluation.extractors.pooled import KNOWN, load_pooled
from drai_cli.evaluation.extractors.texture import NAME
from drai_cli.inference.onnx_session import import_runtime, start_session
from drai_cli.io.files import file_sha256, open_regular
from drai_cli.metrics.samples import Extractor
from drai_cli.model_file.header import ModelHeader, read_feature_networks
from drai_cli.model_file.pretrained import PICKLED, read_tensors

Fallback = TypeVar("Fallback")
_SEVERAL_GPUS = "module."


def is_texture(path: Path | None) -> bool:
    """Whether `--features` names texture, which needs no file."""
    return path == Path(NAME)


def load_extractor(
    path: Path | None, judge: Fallback, device: torch.device | str = "cpu", *, option: str = "--features"
) -> Extractor | Fallback:
    """The extractor in a file: the format follows from the suffix, the network from the tensors' names and shapes.

    Args:
        path: `.safetensors`, `.pth` or `.pt` with the tensors of one of the networks in `KNOWN`, or an `.onnx` model of
            the user's own; None for the judge's features.
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
    if suffix not in (".safetensors", ".onnx", *PICKLED):
        raise InputError(
            path,
            f"expected a .safetensors, .pth or .onnx file, or the word {NAME}",
            f"name the weights of {KNOWN}, or an ONNX model, with {option}",
        )
    if suffix == ".onnx":
        return _onnx(path, option)
    tensors = read_tensors(path, option)
    sha256 = file_sha256(path)
    try:
        if is_inception(tensors):
            return InceptionFeatures(tensors, device, sha256)
        tensors, by = _bare(tensors)
        return load_pooled(tensors, device, weights=f"sha256 {sha256[:12]}", by=by)
    except WeightsError as error:
        raise WeightsError(path, error.message, "the file is incomplete, or of another network") from error


def _bare(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Tensors without the prefix of a checkpoint of several GPUs, and by what they were trained, if names tell."""
    if all(name.startswith(_SEVERAL_GPUS) for name in tensors):
        tensors = {name.removeprefix(_SEVERAL_GPUS): tensor for name, tensor in tensors.items()}
    is_swav = any(name.startswith("prototypes.") for name in tensors)
    return tensors, "swav-" if is_swav else ""


def check_independent(extractor: object, path: Path, header: ModelHeader) -> None:
    """Checks that an extractor took no part in training the model that it measures.

    Raises:
        UsageError: The model was trained to look real in these very features.
    """
    own = getattr(extractor, "weights_sha256", None)
    for network in read_feature_networks(header):
        if own == network["sha256"]:
            raise UsageError(
                f"--features {path.name}",
                f"expected features that took no part in training, got the model's own {network['name']}",
                "name another network, or leave out --features",
            )


def _onnx(path: Path, option: str) -> OnnxFeatures:
    runtime = import_runtime(f"{option} {path.name}")
    with open_regular(path) as file:
        data = file.read()
    session = start_session(path, data, runtime, hint="keep its weights inside the file")
    try:
        return OnnxFeatures(session, f"sha256 {file_sha256(path)[:12]}")
    except WeightsError as error:
        raise WeightsError(path, error.message, error.hint) from error
