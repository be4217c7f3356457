"""From values to levels that are looked at: windows, as DICOM applies them. Knows nothing of files or formats."""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped, UInt

from drai_cli.errors import UsageError
from drai_cli.io.stack import Stack


def apply_window(
    values: Shaped[np.ndarray, "*shape"], window: tuple[float, float], dtype: type[np.unsignedinteger]
) -> UInt[np.ndarray, "*shape"]:
    """Levels of values seen through a window: PS3.3 C.11.2.1.2.1, the function LINEAR, rounded to nearest.

    Args:
        values: Of any type; what is not a number becomes 0.
        window: Centre and width; a width of 1 or less is a threshold at the centre.
        dtype: `uint8` or `uint16`.
    """
    centre, width = window
    top = int(np.iinfo(dtype).max)
    numbers = np.nan_to_num(np.asarray(values, np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    if width <= 1:
        return np.where(numbers > centre - 0.5, top, 0).astype(dtype)
    scaled = (np.clip((numbers - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)) * top
    return np.rint(scaled).astype(dtype)


def full_window(values: Shaped[np.ndarray, "*shape"]) -> tuple[float, float]:
    """The window from the least to the greatest finite value."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (low + high) / 2 + 0.5, high - low + 1


def choose_window(stack: Stack, wanted: str) -> tuple[float, float]:
    """The window that `--window` asks for: a name in the file, `centre,width`, `full`, or `auto`, the file's first.

    Raises:
        UsageError: None of these.
    """
    text = wanted.strip()
    if text.casefold() == "full" or (text.casefold() == "auto" and stack.window is None):
        return full_window(stack.array)
    if text.casefold() == "auto" and stack.window is not None:
        return stack.window
    named = {name.casefold(): (centre, width) for name, centre, width in stack.windows if name}
    if text.casefold() in named:
        return named[text.casefold()]
    try:
        centre, width = (float(number) for number in text.split(","))
        if np.isfinite([centre, width]).all() and width >= 1:
            return centre, width
    except ValueError:
        pass
    names = ", ".join(name for name, _, _ in stack.windows if name)
    raise UsageError(
        f"--window {wanted}",
        f"expected CENTRE,WIDTH, full, auto or a window of the file{f' ({names})' if names else ''}",
        "--window 40,400",
    )
