"""Models and training states as safetensors files, read without trusting them.

A model file is one safetensors with one header entry, `drai`, that holds JSON: the `ModelHeader`. It has no clock time,
path, user or host, so the same run gives the same bytes. Nothing is ever pickled.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from drai_cli.errors import InputError, WeightsError
from drai_cli.io.files import atomic_writer, file_sha256, open_regular, utf8_path
from drai_cli.model.content_prior import ContentPrior
from drai_cli.model.encoder import Encoder
from drai_cli.model.generator import Generator
from drai_cli.model.networks import Networks
from drai_cli.model_file.header import HEADER_KEY, ModelHeader, parse_header
from drai_cli.settings.methods import METHODS

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_MAX_HEADER_BYTES = 16 << 20
_CHECKSUM = "tensors_crc32"

UNFIT = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError)
"""Errors raised if tensors and a record do not fit what they are loaded into."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready for use: networks in eval mode, float32, without gradients.

    Attributes:
        header: Header of the file.
        generator: (content, style) to images in [-1, 1].
        encoder: Images to (content, style) posteriors; content is None if it is not inferred. None for `cgan`.
        content_prior: Condition to content.
        sha256: Of the file.
    """

    header: ModelHeader
    generator: Generator
    encoder: Encoder | None
    content_prior: ContentPrior
    sha256: str

    @property
    def infers_content(self) -> bool:
        """Whether the encoder infers content as well as style."""
        return METHODS[self.header.method].infers_content

    def require_content(self, way_out: str) -> None:
        """Checks that the model can infer content from an image.

        Args:
            way_out: What to do instead, for the hint.

        Raises:
            WeightsError: The model has no encoder, or infers only style.
        """
        self.require_encoder()
        if not self.infers_content:
            raise WeightsError(
                "model", f"method {self.header.method} infers no content from an image", way_out
            )

    def require_encoder(self) -> Encoder:
        """The encoder.

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
    """Writes a complete model file or none; the same weights and header give the same bytes."""
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
        WeightsError: Not a model file, or its version is not known.
    """
    return parse_header(path, _read_entry(path, "model file"))


def load_model(path: Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Reads a model file; every name and shape is checked against the header.

    Raises:
        WeightsError: Missing, truncated, not a model, or its tensors do not match the header.
    """
    header = read_header(path)
    if header.method not in METHODS:
        raise WeightsError(path, f"method {header.method!r} is not known to this drai", "upgrade drai")
    tensors = _load_tensors(path)
    _check_claims(path, header, tensors)
    # On the meta device nothing is allocated, whatever a header claims, but torch then imports sympy, which takes a
    # second. Networks of a usual size are made in 30 ms.
    with torch.device("cpu" if _is_usual(header) else "meta"), torch.random.fork_rng(devices=[]):
        networks = Networks(header.architecture, header.schema.dim, METHODS[header.method])
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


def _check_claims(path: Path, header: ModelHeader, tensors: Mapping[str, Tensor]) -> None:
    """Checks that a header claims no more than the tensors hold, before a network is made for what it claims.

    Every block has tensors of its own, and every width is a side of some tensor.

    Raises:
        WeightsError: It claims more.
    """
    shape = header.architecture
    widest = max((max(tensor.shape, default=1) for tensor in tensors.values()), default=0)
    claims = {
        "blocks": (shape.blocks, len(tensors)),
        "content_dim": (shape.content_dim, widest),
        "style_dim": (shape.style_dim, widest),
        "channels": (min(shape.channels, shape.max_channels), widest),
        "image_size": (shape.image_size.bit_length(), len(tensors)),
        "condition": (header.schema.dim, widest),
    }
    for name, (claimed, held) in claims.items():
        if claimed > held:
            raise WeightsError(
                path, f"its header claims {name} {claimed}, more than its {len(tensors)} tensors hold",
                "the file is damaged: get it again",
            )  # fmt: skip


def _is_usual(header: ModelHeader) -> bool:
    """Whether the networks of a header that is not trusted yet can be made: they take at most some 400 MB."""
    shape = header.architecture
    codes = shape.content_dim + shape.style_dim + header.schema.dim
    is_small = max(shape.channels, shape.max_channels) <= 256 and codes <= 2048
    return is_small and shape.blocks <= 4 and shape.image_size <= 512


def check_tensors(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Checks that every expected tensor is there with its shape, is finite, and that there are no others.

    Raises:
        WeightsError: Names the first tensor that is wrong.
    """
    hint = "get the file again, or train it again with this version"
    for name, tensor in expected.items():
        if name not in found:
            raise WeightsError(path, f"tensor {name!r} is missing", hint)
        if found[name].shape != tensor.shape:
            got, wanted = list(found[name].shape), list(tensor.shape)
            raise WeightsError(path, f"tensor {name!r}: expected shape {wanted}, got {got}", hint)
        if found[name].is_floating_point() != tensor.is_floating_point():
            raise WeightsError(
                path, f"tensor {name!r}: expected {tensor.dtype}, got {found[name].dtype}", hint
            )
        if found[name].is_floating_point() and not bool(torch.isfinite(found[name]).all()):
            raise WeightsError(path, f"tensor {name!r} holds values that are not finite", hint)
    extra = sorted(set(found) - set(expected))
    if extra:
        raise WeightsError(path, f"tensor {extra[0]!r} does not belong to this architecture", hint)


def save_state(
    path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any], earlier: Path | None = None
) -> None:
    """Writes a training state, tensors and JSON record, as one complete file or none.

    Args:
        path: The file.
        tensors: By name.
        record: Read back by `load_state`.
        earlier: The name under which the last state is kept; without, it is replaced.
    """
    kept = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    text = json.dumps({**record, _CHECKSUM: _checksum(kept)}, sort_keys=True, allow_nan=False)
    with atomic_writer(path, earlier=earlier) as file:
        file.write(save(kept, metadata={HEADER_KEY: text}))


def read_record(path: Path) -> dict[str, Any]:
    """The record of a training state, without its tensors; raises as `load_state`."""
    return _read_entry(path, "training state")


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_state` wrote.

    Raises:
        WeightsError: Missing, truncated or not a training state.
    """
    record = read_record(path)
    tensors = _load_tensors(path)
    checksum = record.pop(_CHECKSUM, None)  # none in a state of an older version
    if checksum is not None and checksum != _checksum(tensors):
        raise WeightsError(path, "its numbers were changed", "the file is damaged: get it again")
    return tensors, record


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """The CRC-32 of all tensors, in the order of their names: a disk may lose what a file's name promises."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, crc)
    return crc


def _load_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with utf8_path(path) as name:
            return load_file(name)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            path, f"cannot be read ({str(error)[:200]})", "the file is damaged: get it again"
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
            path, f"expected a drai {kind}, got something else ({str(error)[:120]})",
            "name a .safetensors file that drai wrote",
        ) from error  # fmt: skip
    return entry
