"""Runs a model on a device: codes to images and images to codes, in micro-batches of a fixed size.

Takes and returns arrays. The last micro-batch is padded, so a row's result does not depend on the number of rows; if
memory runs out, passes become smaller, with a warning. On a CPU each pass has one thread and several passes run at
once: kernels split their sums by the number of threads, so the results of a pass with several threads would depend on
it. Arithmetic is float32 unless `precision` is another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt
from torch import Tensor

from drai_cli.errors import UsageError
from drai_cli.hub.locate import locate_weights
from drai_cli.hub.repository import origin_of
from drai_cli.inference.codes import InferredCodes
from drai_cli.inference.micro_batch import micro_batch_of
from drai_cli.io.files import open_regular
from drai_cli.machine.launch import read_place
from drai_cli.machine.memory import PassSize, free_memory, in_passes, is_out_of_memory, warn_smaller
from drai_cli.metrics.perceptual import perceptual_features
from drai_cli.model.pixels import from_unit, to_unit
from drai_cli.model_file.checkpoint import LoadedModel, load_model
from drai_cli.model_file.header import ModelHeader, model_intensity
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.image_options import PRECISIONS, Precision

# In a smaller pass kernels may sum in another order.
_ROUNDING = " (equal up to rounding)"
_MOST_AT_ONCE = 32
# Images per pass at 64 px. On a CPU more are no faster, and a swap of two images would compute them in vain.
_CPU_IMAGES, _GPU_IMAGES = 32, 256
_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Inference:
    """A loaded model with its device and precision.

    Attributes:
        model: The networks, on `device`.
        device: Where the networks are.
        precision: Arithmetic of the networks.
        origin: `owner/name@commit` of a model from the Hub, else empty.
        pass_images: Images per pass, for a quick answer with few images; 0: fixed by device and image size.
    """

    model: LoadedModel
    device: torch.device
    precision: Precision = "fp32"
    origin: str = ""
    pass_images: int = 0

    @classmethod
    def open(
        cls,
        weights: str | None,
        device: str | None = None,
        precision: Precision = "fp32",
        reporter: Reporter = SILENT,
    ) -> Inference:
        """Finds and loads a model; reports the device.

        Raises:
            WeightsError, NetworkError: No such model, or it cannot be used.
            UsageError: No such device or precision.
        """
        if precision not in PRECISIONS:
            raise UsageError(
                f"--precision {precision}", "no such precision", f"one of: {', '.join(PRECISIONS)}"
            )
        chosen = choose_device(device)
        reporter.info(f"device: {_device_name(chosen)}")
        if precision == "tf32" and chosen.type != "cuda":
            reporter.warn(f"tf32 is fp32 on {chosen.type}")
        path = locate_weights(weights, reporter)
        return cls(load_model(path, chosen), chosen, precision, origin_of(path))

    @property
    def header(self) -> ModelHeader:
        return self.model.header

    @property
    def sha256(self) -> str:
        return self.model.sha256

    @property
    def place(self) -> str:
        return str(self.device)

    @property
    def micro_batch(self) -> int:
        """Images per pass: fixed by device and image size, unless `pass_images` is set."""
        return self.pass_images or micro_batch_of(
            self.header, _GPU_IMAGES if self.device.type == "cuda" else _CPU_IMAGES
        )

    @cached_property
    def passes(self) -> PassSize:
        """Images per pass: the micro-batch, or fewer after memory ran out."""
        return PassSize(self.micro_batch, _ROUNDING)

    @property
    def at_once(self) -> int:
        """Passes to compute at once: on a CPU one per thread of torch."""
        return min(_MOST_AT_ONCE, torch.get_num_threads()) if self.device.type == "cpu" else 1

    def allow_threads(self) -> AbstractContextManager[None]:
        """Within it several threads may call `sample` at once; global settings are restored at its end."""
        return set_arithmetic(self.device, self.precision)

    def sample(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
        truncation: float = 1.0,
        grain: Float32[np.ndarray, "images 1 side side"] | None = None,
        with_masks: bool = False,
    ) -> tuple[UInt[np.ndarray, "images height width channels"], Float32[np.ndarray, "images content_dim"]]:
        """Images of conditions, and their contents: the prior's mean plus its deviation times the noise.

        Args:
            conditions: Condition vectors.
            content_noise: Standard normal.
            style: Style codes; `truncation` does not scale them.
            truncation: Scale of the content's deviation from its mean.
            grain: Standard normal, for a model that takes it; `truncation` does not scale it.
            with_masks: Whether masks follow the intensities as further channels.
        """

        def step(condition: Tensor, noise: Tensor, style: Tensor, *grain: Tensor) -> tuple[Tensor, Tensor]:
            prior = self.model.content_prior(condition)
            content = prior.mean + truncation * prior.deviation * noise
            given = grain[0] if grain else None
            return self.model.generator(content, style, given, with_masks), content

        given = () if grain is None else (grain,)
        images, content = self._run(step, conditions, content_noise, style, *given)
        return self._to_stored(images), content.numpy()

    def generate(
        self,
        content: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
        with_masks: bool = False,
    ) -> UInt[np.ndarray, "images height width channels"]:
        """Images of codes; with masks as `sample`."""

        def step(content: Tensor, style: Tensor) -> tuple[Tensor]:
            return (self.model.generator(content, style, with_masks=with_masks),)

        return self._to_stored(self._run(step, content, style)[0])

    def draw_content(
        self,
        conditions: Float32[np.ndarray, "images condition"],
        content_noise: Float32[np.ndarray, "images content_dim"],
    ) -> Float32[np.ndarray, "images content_dim"]:
        """Contents of conditions, as `sample` draws them: the prior's mean plus its deviation times the noise."""

        def step(condition: Tensor, noise: Tensor) -> tuple[Tensor]:
            prior = self.model.content_prior(condition)
            return (prior.mean + prior.deviation * noise,)

        content: np.ndarray = self._run(step, conditions, content_noise)[0].numpy()
        return content

    def extract_features(
        self,
        content: Float32[np.ndarray, "images content_dim"],
        style: Float32[np.ndarray, "images style_dim"],
    ) -> Float32[np.ndarray, "images feature"]:
        """Perceptual features (`metrics.perceptual`) of the images of codes, by the model's own encoder.

        Raises:
            WeightsError: The model has no encoder.
        """
        encoder = self.model.require_encoder()

        def step(content: Tensor, style: Tensor) -> tuple[Tensor]:
            return (perceptual_features(encoder.trunk.maps(self.model.generator(content, style))),)

        features: np.ndarray = self._run(step, content, style)[0].numpy()
        return features

    def encode(self, images: UInt[np.ndarray, "images height width channels"]) -> InferredCodes:
        """Posteriors of images of the model's size.

        Raises:
            WeightsError: The model has no encoder.
        """
        encoder = self.model.require_encoder()

        def step(images: Tensor) -> tuple[Tensor, ...]:
            content, style = encoder(images)
            of_content = () if content is None else (content.mean, content.log_variance)
            return style.mean, style.log_variance, *of_content

        return InferredCodes(*(output.numpy() for output in self._run(step, images)))

    def _run(self, step: Callable[..., tuple[Tensor, ...]], *inputs: np.ndarray) -> list[Tensor]:
        """Applies `step` to rows in padded micro-batches; returns its outputs as float32 tensors on the CPU."""
        rows = len(inputs[0])

        def one_pass(batch: slice) -> tuple[Tensor, ...]:
            tensors = (self._to_device(_pad(array[batch], self.passes.now)) for array in inputs)
            return tuple(tensor[: rows - batch.start].float().cpu() for tensor in step(*tensors))

        return [torch.cat(column) for column in zip(*self._passes(max(rows, 1), one_pass), strict=True)]

    def _passes(self, rows: int, one_pass: Callable[[slice], tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        """Outputs of the passes, in order; they run at once or, if memory runs out, one by one."""
        size = self.passes.now
        slices = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
        threads = min(self.at_once, len(slices))

        def in_thread(batch: slice) -> tuple[Tensor, ...]:
            with set_arithmetic(self.device, self.precision):  # a thread does not inherit it
                return one_pass(batch)

        with set_arithmetic(self.device, self.precision):
            if threads > 1:
                try:
                    with ThreadPoolExecutor(threads, "drai-pass") as pool:
                        return list(pool.map(in_thread, slices))
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                warn_smaller(threads * size, size, " at once")
                free_memory()
            return list(in_passes(rows, self.passes, one_pass))

    def _to_device(self, array: np.ndarray) -> Tensor:
        if array.dtype == np.float32:
            # A copy: torch refuses negative strides, and numpy calls one row in reverse contiguous.
            return torch.from_numpy(array.copy(order="C")).to(self.device)
        return to_unit(array, self.device)

    def _to_stored(self, images: Tensor) -> np.ndarray:
        deep = model_intensity(self.header).dtype == "uint16"
        return from_unit(images, np.uint16 if deep else np.uint8)


@contextmanager
def set_arithmetic(device: torch.device, precision: Precision) -> Iterator[None]:
    """Sets how the networks compute; restores the earlier settings at the end of the `with`."""
    with ExitStack() as stack:
        if device.type == "cpu":
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        stack.enter_context(torch.inference_mode())
        before = torch.get_float32_matmul_precision()
        stack.callback(torch.set_float32_matmul_precision, before)
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        if device.type == "cuda":
            stack.enter_context(
                torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True, allow_tf32=precision == "tf32"
                )
            )
        if precision in _AUTOCAST:
            stack.enter_context(torch.autocast(device.type, _AUTOCAST[precision]))
        yield


def choose_device(name: str | None = None) -> torch.device:
    """The named device, or the first available of cuda, mps and cpu; each launched process takes its own GPU.

    Raises:
        UsageError: No such device here.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name is None:
        name = "cuda" if has_cuda else "mps" if has_mps else "cpu"
    available = ["cpu", *(["cuda"] if has_cuda else []), *(["mps"] if has_mps else [])]
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in available or (device.type == "cuda" and not _has_index(device)):
        error = UsageError(f"--device {name}", "no such device here", f"one of: {', '.join(available)}")
        error.is_told = False  # processes on other machines may have it
        raise error
    place = read_place()
    if name == "cuda" and place.size > 1:
        # If a process sees only its own GPU, that is the first.
        device = torch.device("cuda", place.local_rank % torch.cuda.device_count())
    return device


def check_use(
    weights: str | None, device: str | None, inputs: Iterable[Path] = (), reporter: Reporter = SILENT
) -> None:
    """Checks that device, model file and input files exist, without loading or reading any.

    Raises:
        UsageError: There is no such device.
        WeightsError, NetworkError: There is no such model.
        InputError: There is no such file.
    """
    choose_device(device)
    locate_weights(weights, reporter)
    for path in inputs:
        if not path.is_dir():
            open_regular(path, max_bytes=None).close()


def _has_index(device: torch.device) -> bool:
    return device.index is None or device.index < torch.cuda.device_count()


def _device_name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def _pad(rows: np.ndarray, size: int) -> np.ndarray:
    """Repeats the rows in turn up to `size`; zeros if there is none."""
    if len(rows) == size:
        return rows
    return np.resize(rows, (size, *rows.shape[1:]))
