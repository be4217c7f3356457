"""Reads the tensors of a pretrained network from a file. Only tensors are unpickled."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from drai_cli.errors import InputError
from drai_cli.io.files import BROKEN, open_regular

PICKLED = (".pth", ".pt", ".tar")  # published checkpoints are called .pth.tar


def read_tensors(path: Path, option: str) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, `.pth` or `.pt` file by name; `option` is how the user named the file.

    Raises:
        InputError: No such file, it cannot be read, or it holds anything but tensors by name.
    """
    return _read_pickled(path) if path.suffix.lower() in PICKLED else _read_safetensors(path, option)


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
