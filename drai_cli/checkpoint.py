"""Models and training states as safetensors files: what is in them, and reading them without trusting them.

A model file is one safetensors with one header entry, `drai`, that holds JSON: the `ModelHeader`. It has no clock time,
path, user or host, so the same run gives the same bytes. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from drai_cli.condition import ConditionSchema
from drai_cli.config import ModelConfig
from drai_cli.errors import InputError, WeightsError
from drai_cli.io.files import atomic_writer, open_regular, shown
from drai_cli.model.content_prior import ContentPrior
from drai_cli.model.encoder import Encoder
from drai_cli.model.generator import Generator
from drai_cli.model.networks import Networks

FORMAT_VERSION = 1
HEADER_KEY = "drai"
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_MAX_HEADER_BYTES = 16 << 20


@dataclass(frozen=True)
class ModelHeader:
    """All that is needed to use a model, beside its weights.

    Attributes:
        architecture: The networks' shape.
        schema: What it is conditioned on.
        method: The training method (`drai`, `dai`, ...).
        intensity: What pixel values mean: `unit`, `dtype` of the training images, their `low` and `high`.
        training: Data summary, `label_counts` of the training part, `images_seen`, `seed`, `version`, options.
        measures: Numbers on test groups, as the model card gives them; empty where nobody measured.
        data: What it was trained on, with the attribution its licence asks for.
        licence: SPDX expression of the weights; they carry their data's licence.
        intended_use: What it is for and what it must not be used for.
        format_version: Of this header; a reader refuses one it does not know.
    """

    architecture: ModelConfig
    schema: ConditionSchema
    method: str
    intensity: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    licence: str = ""
    intended_use: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        return {
            "format_version": self.format_version,
            "architecture": self.architecture.to_json(),
            "schema": self.schema.to_json(),
            "method": self.method,
            "intensity": dict(self.intensity),
            "training": dict(self.training),
            "measures": dict(self.measures),
            "data": self.data,
            "licence": self.licence,
            "intended_use": self.intended_use,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelHeader:
        """Reads `to_json`; raises ValueError, KeyError, TypeError or AttributeError on anything else."""
        texts = {name: data[name] for name in ("method", "data", "licence", "intended_use")}
        tables = {name: data[name] for name in ("intensity", "training", "measures")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f"{', '.join(texts)} have to be text")
        if not all(isinstance(table, dict) for table in tables.values()):
            raise ValueError(f"{', '.join(tables)} have to be objects")
        return cls(
            ModelConfig.from_json(data["architecture"]),
            ConditionSchema.from_json(data["schema"]),
            format_version=data["format_version"],
            **texts,
            **tables,
        )


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use: networks in eval mode, float32, without gradients.

    Attributes:
        header: What the file says of itself.
        generator: (content, style) to images in [-1, 1].
        encoder: Images to (content, style) posteriors; None for a method without one.
        content_prior: Condition to content.
        sha256: Of the file.
    """

    header: ModelHeader
    generator: Generator
    encoder: Encoder | None
    content_prior: ContentPrior
    sha256: str

    def require_encoder(self) -> Encoder:
        """The encoder, or an error in words.

        Raises:
            WeightsError: The model was trained without one.
        """
        if self.encoder is None:
            raise WeightsError(
                "model",
                f"method {self.header.method} has no encoder",
                "use a model that was trained with --method drai",
            )
        return self.encoder


def save_model(path: Path, header: ModelHeader, networks: Networks, dtype: str = "float32") -> None:
    """Writes a model file, whole or not at all; the same weights and header give the same bytes."""
    tensors = {
        name: tensor.detach()
        .to("cpu", DTYPES[dtype] if tensor.is_floating_point() else tensor.dtype)
        .contiguous()
        for name, tensor in networks.state_dict().items()
    }
    text = json.dumps(header.to_json(), sort_keys=True, ensure_ascii=True, allow_nan=False)
    with atomic_writer(path) as file:
        file.write(save(tensors, metadata={HEADER_KEY: text}))


def read_header(path: Path) -> ModelHeader:
    """The header of a model file, without its weights.

    Raises:
        WeightsError: Not a model file, or of a version this one does not know.
    """
    entry = _read_entry(path, "model file")
    try:
        version = entry["format_version"]
        if version != FORMAT_VERSION:
            raise WeightsError(
                shown(path),
                f"header version {version!r} is not known (this drai reads {FORMAT_VERSION})",
                "upgrade drai",
            )
        return ModelHeader.from_json(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            shown(path), f"the header cannot be used ({shown(repr(error))[:200]})", "get the file again"
        ) from error


def load_model(path: Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Reads a model file; every name and shape is checked against the header.

    Raises:
        WeightsError: Missing, truncated, not a model, or its tensors are not what the header promises.
    """
    header = read_header(path)
    tensors = _load_tensors(path)
    has_encoder = any(name.startswith("encoder.") for name in tensors)
    # On the meta device nothing is allocated, whatever a header claims; but it makes torch import sympy, which takes
    # a second. Networks of a usual size are made in 30 ms.
    with torch.device("cpu" if _is_usual(header) else "meta"), torch.random.fork_rng(devices=[]):
        networks = Networks(header.architecture, header.schema.dim, has_encoder)
    check_tensors(path, tensors, networks.state_dict())
    networks.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    # Buffers that are not saved are constants; those made on the meta device have no values.
    for module in networks.modules():
        rebuild = getattr(module, "reset_constants", None)
        if rebuild is not None:
            rebuild()
    networks = networks.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    return LoadedModel(
        header, networks.generator, networks.encoder, networks.content_prior, file_sha256(path)
    )


def _is_usual(header: ModelHeader) -> bool:
    """Whether the networks that a header describes can be made before it is trusted: at most some 400 MB."""
    shape = header.architecture
    codes = shape.content_dim + shape.style_dim + header.schema.dim
    is_small = max(shape.channels, shape.max_channels) <= 256 and codes <= 2048
    return is_small and shape.blocks <= 4 and shape.image_size <= 512


def check_tensors(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Whether every expected tensor is there with its shape and finite, and nothing else is.

    Raises:
        WeightsError: Naming the first that is not.
    """
    hint = "get the file again, or train it again with this version"
    for name, tensor in expected.items():
        if name not in found:
            raise WeightsError(shown(path), f"tensor {name!r} is missing", hint)
        if found[name].shape != tensor.shape:
            got, wanted = list(found[name].shape), list(tensor.shape)
            raise WeightsError(shown(path), f"tensor {name!r}: expected shape {wanted}, got {got}", hint)
        if found[name].is_floating_point() != tensor.is_floating_point():
            raise WeightsError(
                shown(path), f"tensor {name!r}: expected {tensor.dtype}, got {found[name].dtype}", hint
            )
        if found[name].is_floating_point() and not bool(torch.isfinite(found[name]).all()):
            raise WeightsError(shown(path), f"tensor {name!r} holds values that are not finite", hint)
    extra = sorted(set(found) - set(expected))
    if extra:
        raise WeightsError(
            shown(path), f"tensor {shown(extra[0])!r} does not belong to this architecture", hint
        )


def save_state(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Writes a training state, tensors and JSON record in one file, whole or not at all."""
    kept = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    text = json.dumps(record, sort_keys=True, allow_nan=False)
    with atomic_writer(path) as file:
        file.write(save(kept, metadata={HEADER_KEY: text}))


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_state` wrote.

    Raises:
        WeightsError: Missing, truncated or not a training state.
    """
    record = _read_entry(path, "training state")
    return _load_tensors(path), record


def file_sha256(path: Path) -> str:
    with open_regular(path, max_bytes=None) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            shown(path), f"cannot be read ({shown(str(error))[:200]})", "the file is damaged: get it again"
        ) from error


def _read_entry(path: Path, kind: str) -> dict[str, Any]:
    """The JSON object in the header, read without the tensors. Eight bytes give the header's length (safetensors)."""
    try:
        with open_regular(path, max_bytes=None) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            text = file.read(length)
            if len(text) != length:
                raise ValueError("it ends inside its header")
            metadata = json.loads(text).get("__metadata__", {})
            entry = json.loads(metadata[HEADER_KEY])
        if not isinstance(entry, dict):
            raise TypeError(f"its {HEADER_KEY} entry is no object")
    except InputError as error:
        raise WeightsError(
            error.subject, error.message, "name a .safetensors file or a run directory"
        ) from error
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            shown(path), f"expected a drai {kind}, got something else ({shown(str(error))[:120]})",
            "name a .safetensors file that drai wrote",
        ) from error  # fmt: skip
    return entry
