"""The interface of a model that `sample` needs; PyTorch or, without torch, ONNX Runtime implements it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from jaxtyping import Float32, UInt

from drai_cli.errors import UsageError
from drai_cli.machine.memory import PassSize
from drai_cli.model_file.header import ModelHeader
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.image_options import RUNTIMES


class Sampler(Protocol):
    """A model that makes images from conditions."""

    @property
    def header(self) -> ModelHeader:
        """The header of the model file."""

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
        """Images per pass: fixed by device and image size."""

    @property
    def passes(self) -> PassSize:
        """Images per pass: the micro-batch, or fewer after memory ran out."""

    @property
    def at_once(self) -> int:
        """Passes to compute at once, each in its own thread; 1: one after the other."""

    def allow_threads(self) -> AbstractContextManager[None]:
        """Within it several threads may call `sample` at once."""

    def sample(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
        truncation: float = 1.0,
        grain: Float32[np.ndarray, "images 1 side side"] | None = None,
        with_masks: bool = False,
    ) -> tuple[UInt[np.ndarray, "images height width channels"], Float32[np.ndarray, "images content_dim"]]:
        """Images of conditions, and their content codes; `grain` is for models that take it.

        With masks, those that the model makes are further channels: see `masks.split_masks`.
        """

    def draw_content(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
    ) -> Float32[np.ndarray, "images content_dim"]:
        """Content codes of conditions, as `sample` draws them without truncation."""


def open_sampler(
    weights: str | None,
    device: str | None = None,
    precision: str = "fp32",
    runtime: str = "torch",
    reporter: Reporter = SILENT,
) -> Sampler:
    """Finds and loads a model in a runtime; only `torch` imports torch.

    Raises:
        WeightsError, NetworkError: No such model, or it cannot be used.
        UsageError: No such device, precision or runtime, or it is not installed.
    """
    if runtime == "onnx":
        from drai_cli.inference.onnx_model import OnnxSampler

        return OnnxSampler.open(weights, device, precision, reporter)
    if runtime != "torch":
        raise UsageError(f"--runtime {runtime}", "no such runtime", f"one of: {', '.join(RUNTIMES)}")
    with reporter.stage("loading torch", None, ""):
        from drai_cli.inference.torch_model import Inference

    return Inference.open(weights, device, precision, reporter)  # type: ignore[arg-type]
