"""Features from a user's own ONNX model, run by a session that the caller opened. Knows nothing of paths.

The model has one float32 input, `[n, 3, h, w]` or `[n, 1, h, w]`; the features are its first output, flattened. The
input is RGB or grey from 0 to 1 without standardisation, unless the model's metadata say otherwise:

- `input_range`: the values of black and white, `-1,1` or `0,255`;
- `input_mean`, `input_std`: one number or one per channel; after the range, (value - mean) / std;
- `name`: what a report calls these features, such as `dinov2_vits14`; without it `onnx-` and the file's hash.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Integer
from torch import Tensor
from torch.nn import functional as F

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.pooled import SIZE
from drai_cli.machine.memory import in_passes, is_out_of_memory
from drai_cli.metrics.mapping import Images, batches, pass_size
from drai_cli.model.pixels import to_unit

_BATCH = 32
_LONGEST_NAME = 40
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow makes grey of RGB


class OnnxFeatures:
    """Stored images, grey or RGB, to the first output of an ONNX model.

    Images are resized to the input's size (bilinear, antialiased), or to 128 px if the model accepts any size. RGB
    becomes grey by luma for a model of one channel; grey is repeated for one of three.

    Args:
        session: Of ONNX Runtime.
        weights: A hash that identifies the model.

    Raises:
        WeightsError: Its input or metadata differ from this module's docstring.
    """

    def __init__(self, session: Any, weights: str) -> None:
        self._session, self._weights = session, weights
        inputs = session.get_inputs()
        if len(inputs) != 1:
            raise _wrong(f"expected one input, got {len(inputs)}")
        self._input = inputs[0].name
        shape = list(inputs[0].shape)
        if inputs[0].type != "tensor(float)" or len(shape) != 4 or shape[1] not in (1, 3):
            got = f"{inputs[0].type} of shape {shape}"
            raise _wrong(f"expected an input of float32 [n, 3, h, w] or [n, 1, h, w], got {got}")
        self._channels = int(shape[1])
        self._size = (_fixed(shape[2]) or SIZE, _fixed(shape[3]) or SIZE)
        self._rows = _fixed(shape[0])
        self._output = session.get_outputs()[0].name
        metadata = session.get_modelmeta().custom_metadata_map
        black, white = _numbers(metadata, "input_range", (0.0, 1.0), (2,))
        mean = _numbers(metadata, "input_mean", (0.0,), (1, self._channels))
        deviation = _numbers(metadata, "input_std", (1.0,), (1, self._channels))
        if not all(deviation):
            raise _wrong("expected input_std other than 0")
        self._own_name = re.sub(r"[^\w.+-]+", "_", str(metadata.get("name", "")))[:_LONGEST_NAME]
        self._scale, self._offset = white - black, black
        self._mean = torch.tensor(mean).view(1, -1, 1, 1)
        self._deviation = torch.tensor(deviation).view(1, -1, 1, 1)

    @property
    def name(self) -> str:
        """Identifies these features next to numbers measured in them."""
        height, width = self._size
        name = self._own_name or f"onnx-{self._weights.removeprefix('sha256 ')[:8]}"
        return f"{name}-{height}px" if height == width else name

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in one line."""
        return f"numbers of this same model ({self._weights}) and as many images; not with published FID"

    def features(self, images: Images) -> Float32[np.ndarray, "n d"]:
        """The first output for stored images, one row each.

        Raises:
            WeightsError: The model fails on them, or does not return one row of finite numbers per image.
        """
        if self._rows:  # a smaller pass would be padded again
            return np.concatenate([self._look(images[part]) for part in batches(len(images), self._rows)])
        size = pass_size(len(images), _BATCH)
        return np.concatenate(list(in_passes(len(images), size, lambda part: self._look(images[part]))))

    def _look(self, images: Integer[np.ndarray, "b h w c"]) -> Float32[np.ndarray, "b d"]:
        count, asked = len(images), self._rows or len(images)
        batch = self._prepared(to_unit(images)).numpy()
        if count < asked:  # a model with a fixed batch size takes no fewer
            batch = np.resize(batch, (asked, *batch.shape[1:]))
        try:
            (output,) = self._session.run([self._output], {self._input: batch})
        except Exception as error:  # ONNX Runtime's exceptions have no common class
            if is_out_of_memory(error) or type(error).__module__.split(".")[0] != "onnxruntime":
                raise
            raise _wrong(f"the model fails on images of {self._size} px ({str(error)[:160]})") from error
        if not isinstance(output, np.ndarray) or output.ndim < 2 or len(output) != asked:
            raise _wrong(f"expected an output of {asked} rows, got shape {list(np.shape(output))}")
        out = output.reshape(asked, -1)[:count].astype(np.float32)
        if not np.isfinite(out).all():
            raise _wrong("the model returns values that are not finite")
        return out

    def _prepared(self, batch: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if batch.shape[1] == 1 and self._channels == 3:
            batch = batch.expand(-1, 3, -1, -1)
        elif batch.shape[1] == 3 and self._channels == 1:
            batch = (batch * torch.tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
        if batch.shape[-2:] != self._size:
            batch = F.interpolate(batch, size=self._size, mode="bilinear", antialias=True)
        values = batch.add(1).mul(self._scale / 2).add(self._offset)
        return ((values - self._mean) / self._deviation).contiguous()


def _fixed(side: object) -> int:
    """A side that the model fixes; 0 where it is open (a name, or nothing)."""
    return side if isinstance(side, int) and side > 0 else 0


def _numbers(
    metadata: dict[str, str], key: str, default: tuple[float, ...], lengths: tuple[int, ...]
) -> tuple[float, ...]:
    if key not in metadata:
        return default
    try:
        numbers = tuple(float(part) for part in metadata[key].split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in lengths or not np.isfinite(numbers).all():
        wanted = " or ".join(str(length) for length in sorted(set(lengths)))
        raise _wrong(f"expected {wanted} numbers as {key} in its metadata, got {metadata[key][:40]!r}")
    return numbers


def _wrong(message: str) -> WeightsError:
    return WeightsError("feature extractor", message)
