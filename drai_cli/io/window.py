"""Windows: which values become a model's black and white. Knows nothing of files.

The convention: a window of centre c and width w is DICOM's LINEAR function (PS3.3 C.11.2.1.2.1): black at
c - 0.5 - (w - 1) / 2, white at c - 0.5 + (w - 1) / 2, so that centre 128, width 256 is 0 to 255; for w of 1 and less
(real numbers) black at c - w / 2, white at c + w / 2.

`auto` takes the first of these that exists:

1. colour, and plain images of 8 or 16 unsigned bits: the levels as stored, without a window (a set of deeper grey that
   uses a part of its levels gets one window, see `data/grey_window.py`);
2. the window that the file suggests first, else the tone curve (VOI LUT) that it suggests first;
3. for Hounsfield units: -1000 to 1000, air to dense bone;
4. for samples of 8 bits and less without a unit: all their levels;
5. the 0.5th to the 99.5th percentile of all frames, padding left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drai_cli.errors import InputError, UsageError
from drai_cli.io.image import Image
from drai_cli.io.intensity import HU, Intensity
from drai_cli.io.registry import medical_formats
from drai_cli.io.stack import Stack, ToneCurve

HU_RANGE = (-1000.0, 1000.0)
_PERCENTILES = (0.5, 99.5)
_SAMPLED = 1 << 22
_LEVELS = (np.dtype(np.uint8), np.dtype(np.uint16))


@dataclass(frozen=True)
class Window:
    """The value of `--window`.

    Attributes:
        choice: `auto`, `full` (the least to the greatest value), `name` (one of the file's) or `range`.
        name: Of the file's window or tone curve.
        low: Value of black, of a range.
        high: Value of white, of a range.
    """

    choice: Literal["auto", "full", "name", "range"] = "auto"
    name: str = ""
    low: float = 0.0
    high: float = 0.0


AUTO = Window()


def parse_window(written: str | None) -> Window:
    """`NAME`, `CENTRE,WIDTH`, `full` or `auto` (also None) as a window.

    Raises:
        UsageError: Two numbers that are no window.
    """
    if written is None or written.strip().lower() == "auto":
        return AUTO
    if written.strip().lower() == "full":
        return Window("full")
    try:
        pair = [float(part) for part in written.split(",")]
    except ValueError:
        pair = []
    if not pair:
        return Window("name", name=written.strip())
    if len(pair) != 2 or not np.isfinite(pair).all() or pair[1] <= 0:
        raise UsageError(
            f"--window {written}", "expected CENTRE,WIDTH with a width above 0", "--window 40,400"
        )
    low, high = window_range(*pair)
    return Window("range", low=low, high=high)


def window_range(centre: float, width: float) -> tuple[float, float]:
    """Values of black and white of a window, by the one convention."""
    if width <= 1:
        return centre - width / 2, centre + width / 2
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def centre_and_width(low: float, high: float) -> tuple[float, float]:
    """Centre and width of a window from its black and white; the inverse of `window_range` for widths above 1."""
    return (low + high) / 2 + 0.5, high - low + 1


@dataclass(frozen=True)
class Scale:
    """How values become levels: by an intensity, by a file's tone curve, or unchanged."""

    intensity: Intensity | None = None
    curve: ToneCurve | None = None
    notes: tuple[str, ...] = ()

    def apply(self, stack: Stack) -> Stack:
        """The stack in levels."""
        array = stack.array
        if self.curve is not None:
            places = np.clip(np.rint(array - self.curve.first), 0, self.curve.levels.size - 1).astype(np.intp)
            top = (1 << self.curve.bits) - 1
            dtype = "uint8" if self.curve.bits <= 8 else "uint16"
            levels = Intensity("", 0, top, dtype).to_levels(self.curve.levels)[places]
        elif self.intensity is not None:
            levels = np.empty(array.shape, self.intensity.dtype)
            for frame, values in enumerate(array):  # one at a time: it is computed in float64
                levels[frame] = self.intensity.to_levels(values)
        else:
            levels = array
        if stack.padding is not None and levels is not array:
            levels[stack.padding] = 0
        return replace(stack, array=levels, notes=(*stack.notes, *self.notes))


def choose_scale(stack: Stack, window: Window = AUTO) -> Scale:
    """How a window, or `auto`, makes levels of this stack's values.

    Raises:
        InputError: A name that the file does not have.
    """
    dtype = "uint8" if stack.bits <= 8 and stack.array.dtype.itemsize == 1 else "uint16"
    if stack.channels == 3:
        note = () if window.choice == "auto" else ("it is in colour, which takes no window",)
        is_stored = stack.array.dtype == dtype and stack.bits == 8 * stack.array.dtype.itemsize
        return Scale(None if is_stored else Intensity("", 0, (1 << stack.bits) - 1, dtype), notes=note)
    if window.choice == "range":
        return Scale(Intensity(stack.unit, window.low, window.high, dtype))
    if window.choice == "name":
        return _choose_named(stack, window.name, dtype)
    if window.choice == "full":
        low, high = float(stack.array.min()), float(stack.array.max())
        return Scale(Intensity(stack.unit, low, high if high > low else low + 1, dtype))
    if stack.kind not in medical_formats() and stack.array.dtype in _LEVELS:
        return Scale()
    if stack.window is not None:
        return Scale(Intensity(stack.unit, *window_range(*stack.window), dtype))
    if stack.curves:
        return Scale(curve=stack.curves[0])
    if stack.unit == HU:
        return Scale(Intensity(HU, *HU_RANGE, dtype))
    if stack.bits <= 8 and not stack.unit and stack.array.dtype == np.uint8:
        top = (1 << stack.bits) - 1
        return Scale(None if top == 255 else Intensity("", 0, top, dtype))
    low, high = _percentiles(stack)
    return Scale(Intensity(stack.unit, low, high, dtype))


def _choose_named(stack: Stack, name: str, dtype: str) -> Scale:
    for label, centre, width in stack.windows:
        if label.lower() == name.lower():
            return Scale(Intensity(stack.unit, *window_range(centre, width), dtype))
    for curve in stack.curves:
        if curve.name.lower() == name.lower():
            return Scale(curve=curve)
    names = [label for label, _, _ in stack.windows] + [curve.name for curve in stack.curves]
    known = ", ".join(label for label in names if label)[:200]
    raise InputError(
        stack.source or "image",
        f"expected a window named {name!r}, got {known or 'none with a name'}",
        "--window CENTRE,WIDTH, --window full or --window auto",
    )


def _percentiles(stack: Stack) -> tuple[float, float]:
    """Percentiles of all frames, of every n-th sample where there are very many."""
    values = stack.array if stack.padding is None else stack.array[~stack.padding]
    flat = values.ravel()
    flat = flat[:: max(1, flat.size // _SAMPLED)]
    if flat.size == 0:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(flat, _PERCENTILES))
    if high <= low:
        low, high = float(flat.min()), float(flat.max())
    return (low, high) if high > low else (low, low + 1)


def frame_image(stack: Stack, frame: int, window: Window = AUTO, scale: Scale | None = None) -> Image:
    """One frame as a model-ready image; the window is that of the whole stack.

    Args:
        stack: As read.
        frame: From 0.
        window: The value of `--window`.
        scale: Of `choose_scale`, computed once for several frames of a stack.

    Raises:
        InputError: As `choose_scale`.
    """
    scale = choose_scale(stack, window) if scale is None else scale
    if scale.intensity is None and scale.curve is None:
        notes = (*stack.notes, *scale.notes)
        return Image(stack.array[frame], stack.bits, "", stack.source, notes, aspect=stack.aspect)
    levels_frame = scale.apply(stack.frame(frame))
    array = levels_frame.array[0]
    bits = 8 * array.dtype.itemsize if array.dtype != stack.array.dtype else stack.bits
    return Image(array, bits, "", stack.source, levels_frame.notes, scale.intensity, stack.aspect)
