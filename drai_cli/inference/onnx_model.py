"""Runs an exported generator in ONNX Runtime. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt

from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.hub.locate import WEIGHTS_VARIABLE
from drai_cli.inference.micro_batch import micro_batch_of
from drai_cli.inference.onnx_session import (
    AGAIN,
    CPU_PROVIDER,
    BoundedSession,
    explain_failures,
    import_runtime,
    start_session,
)
from drai_cli.io.files import expand_home, open_regular
from drai_cli.machine.cores import usable_threads
from drai_cli.machine.memory import PassSize, in_passes
from drai_cli.model_file.header import HEADER_KEY, ModelHeader, model_intensity, parse_header
from drai_cli.progress import SILENT, Reporter

INPUTS = ("condition", "content_noise", "style", "truncation")
GRAIN = "grain"
"""A further input, the last, of models that take noise."""
OUTPUTS = ("images", "content")
_MOST_IMAGES = 16  # small, so that a small job is fast
_PROVIDERS = {"cpu": CPU_PROVIDER, "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True)
class OnnxSampler:
    """A loaded `.onnx` file that `drai export` wrote.

    Attributes:
        session: Of ONNX Runtime, on the file's bytes.
        header: The model header in the file.
        sha256: Of the file.
        place: The device, by name.
        origin: Empty: exported models come from no Hub.
        pass_images: Images per pass, for a quick answer with few images; 0: fixed by image size.
    """

    session: BoundedSession
    header: ModelHeader
    sha256: str
    place: str
    origin: str = ""
    pass_images: int = 0

    @classmethod
    def open(
        cls,
        weights: str | None,
        device: str | None = None,
        precision: str = "fp32",
        reporter: Reporter = SILENT,
    ) -> OnnxSampler:
        """Loads an exported generator; reports the device.

        Raises:
            WeightsError: No such file, or drai did not export it.
            UsageError: No such device or precision, or ONNX Runtime is not installed.
        """
        runtime = import_runtime()
        if precision != "fp32":
            raise UsageError(f"--precision {precision}", "ONNX Runtime computes in fp32", "leave it out")
        provider = _choose_provider(device, runtime.get_available_providers())
        name = weights or os.environ.get(WEIGHTS_VARIABLE, "")
        if not name.lower().endswith(".onnx"):
            raise UsageError(
                "--runtime onnx",
                "expected an exported model as --weights",
                "drai export --to onnx --out model.onnx",
            )
        path = expand_home(name)
        try:
            with open_regular(path) as file:
                data = file.read()
        except InputError as error:
            raise WeightsError(error.subject, error.message, "drai export --to onnx makes one") from error
        session, header = load_session(path, data, runtime, provider)
        inputs = tuple(one.name for one in session.get_inputs())
        outputs = tuple(one.name for one in session.get_outputs())
        if (inputs, outputs) != (inputs_of(header), OUTPUTS):
            raise WeightsError(
                path, f"expected an exported generator, got a model with inputs {', '.join(inputs)}",
                "the files of the encoder and the swap are for other programs",
            )  # fmt: skip
        place = f"{'cuda' if provider.startswith('CUDA') else 'cpu'} (onnxruntime {runtime.__version__})"
        reporter.info(f"device: {place}")
        return cls(session, header, hashlib.sha256(data).hexdigest(), place)

    @property
    def micro_batch(self) -> int:
        """Images per pass."""
        return self.pass_images or micro_batch_of(self.header, _MOST_IMAGES)

    @cached_property
    def passes(self) -> PassSize:
        """Images per pass: the micro-batch, or fewer after memory ran out."""
        return PassSize(self.micro_batch)

    @property
    def at_once(self) -> int:
        """Passes to compute at once: on a CPU one per thread."""
        return usable_threads() if self.place.startswith("cpu") else 1

    def allow_threads(self) -> AbstractContextManager[None]:
        """Within it several threads may call `sample` at once; there is nothing to prepare."""
        return nullcontext()

    def sample(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
        truncation: float = 1.0,
        grain: Float32[np.ndarray, "images 1 side side"] | None = None,
        with_masks: bool = False,
    ) -> tuple[UInt[np.ndarray, "images height width channels"], Float32[np.ndarray, "images content_dim"]]:
        """As `Inference.sample`, up to rounding: a level may differ here and there."""
        rows = len(conditions)

        def one_pass(rows_of_pass: slice) -> tuple[np.ndarray, np.ndarray]:
            size = self.passes.now
            given = (conditions, content_noise, style, *(() if grain is None else (grain,)))
            parts = [array[rows_of_pass] for array in given]
            # Padded to a fixed size, so that a row's result does not depend on the number of rows.
            padded = [
                part if len(part) == size else np.resize(part, (size, *part.shape[1:])) for part in parts
            ]
            padded.insert(3, np.array(truncation, np.float32))
            feeds = dict(zip(inputs_of(self.header), padded, strict=True))
            with explain_failures("model", AGAIN):
                image, content = self.session.run(OUTPUTS, feeds)
            self._check(image, content, size)
            remaining = rows - rows_of_pass.start
            return image[:remaining], content[:remaining]

        made = list(in_passes(max(rows, 1), self.passes, one_pass))
        images, contents = (np.concatenate(column) for column in zip(*made, strict=True))
        if not with_masks:
            images = images[:, : self.header.architecture.image_channels]
        return self._to_stored(images), contents

    def draw_content(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
    ) -> Float32[np.ndarray, "images content_dim"]:
        """As `Inference.draw_content`; the exported program makes the images, too."""
        style = np.zeros((len(conditions), self.header.architecture.style_dim), np.float32)
        return self.sample(conditions, content_noise, style)[1]

    def _check(self, images: np.ndarray, content: np.ndarray, size: int) -> None:
        """Checks the outputs against the header: the file may come from strangers."""
        shape = self.header.architecture
        channels = shape.image_channels + shape.mask_channels
        expected = (size, channels, shape.image_size, shape.image_size)
        if images.shape != expected or content.shape != (size, shape.content_dim):
            raise WeightsError("model", f"expected images of shape {expected}, got {images.shape}", AGAIN)
        if not (np.isfinite(images).all() and np.isfinite(content).all()):
            raise WeightsError("model", "its outputs are not finite", AGAIN)

    def _to_stored(self, images: np.ndarray) -> np.ndarray:
        dtype = np.dtype(model_intensity(self.header).dtype)
        levels = np.round((np.clip(images, -1, 1) + 1) * np.float32(np.iinfo(dtype).max / 2))
        return np.ascontiguousarray(levels.transpose(0, 2, 3, 1)).astype(dtype)


def inputs_of(header: ModelHeader) -> tuple[str, ...]:
    """Names of the inputs of a model's exported generator, in order."""
    return (*INPUTS, GRAIN) if header.architecture.grain else INPUTS


def load_session(path: Path, data: bytes, runtime: Any, provider: str) -> tuple[BoundedSession, ModelHeader]:
    """A session on a model's bytes, and its header. A run has one thread, so that results do not depend on threads.

    Raises:
        WeightsError: It is no model, or drai did not export it.
    """
    session = start_session(path, data, runtime, provider, threads=1)
    text = session.get_modelmeta().custom_metadata_map.get(HEADER_KEY)
    try:
        entry = json.loads(text) if text else None
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise WeightsError(path, "expected a model that drai exported, got another", "drai export --to onnx")
    return session, parse_header(path, entry)


def _choose_provider(device: str | None, available: list[str]) -> str:
    usable = {name: provider for name, provider in _PROVIDERS.items() if provider in available}
    if device is None:
        return usable.get("cuda", _PROVIDERS["cpu"])
    if device not in usable:
        raise UsageError(
            f"--device {device}", "ONNX Runtime has no such device here", f"one of: {', '.join(usable)}"
        )
    return usable[device]
