"""What `sample` needs of a model, whatever runs it: PyTorch, or ONNX Runtime without torch."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float32, UInt

from drai_cli.errors import UsageError
from drai_cli.machine.memory import PassSize
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.image_options import RUNTIMES


class CopyCheck(Protocol):
    """Tells which images are copies of training images."""

    @property
    def key(self) -> str: ...
    def find(
        self, images: UInt[np.ndarray, "images height width channels"]
    ) -> Bool[np.ndarray, " images"]: ...


class Sampler(Protocol):
    """A model that makes images of conditions."""

    @property
    def header(self) -> ModelHeader:
        """What the model file says of itself."""

    @property
    def sha256(self) -> str:
        """Of the model file."""

    @property
    def origin(self) -> str:
        """`owner/name@commit` of a model from the Hub, else empty."""

    @property
    def place(self) -> str:
        """The device, by name."""

    @property
    def micro_batch(self) -> int:
        """Images a pass: fixed by device and image size, never by what is asked for."""

    @property
    def passes(self) -> PassSize:
        """Images a pass that there is memory for: the micro-batch, unless it ran out."""

    @property
    def at_once(self) -> int:
        """Passes that are best computed at once, each in a thread of its own; 1: one after the other."""

    def sharing(self) -> AbstractContextManager[None]:
        """Within it several threads may call `sample` at once."""

    def sample(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
        truncation: float = 1.0,
    ) -> tuple[UInt[np.ndarray, "images height width channels"], Float32[np.ndarray, "images content_dim"]]:
        """Images of conditions, and the content they got."""


def micro_batch_of(header: ModelHeader, most: int) -> int:
    """`most` images a pass at 64 px, fewer of larger ones, at least 16."""
    return max(16, min(most, most * 64**2 // header.architecture.image_size**2))


def open_sampler(
    weights: str | None,
    device: str | None = None,
    precision: str = "fp32",
    runtime: str = "torch",
    reporter: Reporter = SILENT,
) -> Sampler:
    """Finds and loads a model in the runtime asked for; torch is imported for `torch` alone.

    Raises:
        WeightsError, NetworkError: No such model, or it cannot be used.
        UsageError: No such device, precision or runtime, or it is not installed.
    """
    if runtime == "onnx":
        from drai_cli.inference.onnx_model import OnnxSampler

        return OnnxSampler.open(weights, device, precision, reporter)
    if runtime != "torch":
        raise UsageError(f"--runtime {runtime}", "no such runtime", f"one of: {', '.join(RUNTIMES)}")
    from drai_cli.inference.torch_model import Inference

    return Inference.open(weights, device, precision, reporter)  # type: ignore[arg-type]
