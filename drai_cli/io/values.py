"""Stored numbers to values, and the limits of their size. Knows nothing of files or formats."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, prod

import numpy as np
from jaxtyping import Bool, Shaped

from drai_cli.errors import InputError
from drai_cli.io.image import MAX_PIXELS

MAX_STACK_BYTES = 1 << 30
"""Most that a decoded file or series may take, stored and rescaled samples together (1 GiB)."""

MAX_FRAMES = 100_000
_MOST_PER_BYTE = 64
"""Bytes of memory per byte of a file above which an image is no image but a bomb; only of more than 1 GiB."""


def check_size(subject: str, shape: Sequence[int], sample_bytes: int) -> None:
    """Checks the size of an array that a header claims, before anything is decoded.

    Args:
        subject: What claims it, for the message.
        shape: `[frames, H, W]` or `[frames, H, W, channels]`.
        sample_bytes: Of one sample, in all forms that are in memory at a time.

    Raises:
        InputError: It is empty, or too large.
    """
    if min(shape) < 1:
        raise InputError(subject, f"expected an image, got one of {_times(shape)} samples")
    if shape[1] * shape[2] > MAX_PIXELS:
        raise InputError(subject, f"expected at most {MAX_PIXELS} pixels a frame, got {_times(shape[1:3])}")
    if shape[0] > MAX_FRAMES or prod(shape) * sample_bytes > MAX_STACK_BYTES:
        raise InputError(
            subject, f"expected at most {MAX_STACK_BYTES >> 20} MiB, its header claims {_times(shape)}"
        )


def check_memory(subject: str, needed_bytes: int, file_bytes: int) -> None:
    """Checks what an image will take with its copies: a small file may not become a large array.

    Args:
        subject: For the message.
        needed_bytes: Of all arrays that are in memory at a time.
        file_bytes: Of the file or files it is read from.

    Raises:
        InputError: It is too large.
    """
    most_bytes = max(MAX_STACK_BYTES, _MOST_PER_BYTE * file_bytes)
    if needed_bytes > most_bytes:
        raise InputError(
            subject,
            f"expected at most {most_bytes >> 20} MiB of a file of {file_bytes} bytes, "
            f"got {ceil(needed_bytes / 2**20)} MiB",
        )


def choose_rescaled_dtype(
    dtype: np.dtype[np.generic], low: float, high: float, scales: Sequence[tuple[float, float]]
) -> np.dtype[np.generic]:
    """The type for the values of stored numbers: whole numbers where slope and intercept are whole.

    Args:
        dtype: Of the stored numbers.
        low: The least that can be stored.
        high: The greatest that can be stored.
        scales: Slopes and intercepts that are applied, one a frame or one for all.

    Returns:
        `dtype` itself where nothing changes, a type of whole numbers, or float64.
    """
    if all(scale == (1.0, 0.0) for scale in scales) or dtype == np.float64:
        return dtype
    ends = [slope * end + intercept for slope, intercept in scales for end in (low, high)]
    is_whole = all(number.is_integer() for scale in scales for number in map(float, scale))
    if dtype.kind in "iu" and is_whole and all(map(isfinite, ends)):
        for name in (dtype.name, "int16", "int32"):
            limits = np.iinfo(name)
            if limits.min <= min(ends) and max(ends) <= limits.max:
                return np.dtype(name)
    return np.dtype(np.float64)


def rescale(
    stored: Shaped[np.ndarray, "*shape"], slope: float, intercept: float, dtype: np.dtype[np.generic]
) -> Shaped[np.ndarray, "*shape"]:
    """`slope` · stored + `intercept`, in the type that `choose_rescaled_dtype` chose."""
    if (slope, intercept) == (1.0, 0.0):
        return stored.astype(dtype, copy=False)
    if dtype.kind in "iu":
        # An overflow on the way cancels out, since the result fits; a slope alone may not fit.
        whole: np.ndarray = stored.astype(dtype if slope == 1 else np.int64)
        if slope != 1:
            whole *= int(slope)
        whole += int(intercept)
        return whole.astype(dtype, copy=False)
    values: np.ndarray = stored.astype(np.float64)  # changed in place: each copy takes as much again
    values *= slope
    values += intercept
    return values.astype(dtype, copy=False)


def replace_nonfinite(
    values: Shaped[np.ndarray, "*shape"],
) -> tuple[Shaped[np.ndarray, "*shape"], Bool[np.ndarray, "*shape"] | None]:
    """The values with NaN and infinities replaced by the least finite one, and where; None if all are finite."""
    if values.dtype.kind != "f":
        return values, None
    is_number = np.isfinite(values)
    if is_number.all():
        return values, None
    least = values.min(where=is_number, initial=np.inf) if is_number.any() else 0
    return np.where(is_number, values, values.dtype.type(least)), ~is_number


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))
