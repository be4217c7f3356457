"""Which values of a set's plain grey files become black and white: as asked for, else by a look at some of them.

Files of 16 bits often use a small part of their levels (12-bit radiographs in 16-bit PNG: 6 %). Taken as levels, all
their images would be nearly black. Images of 8 bits and colour are never touched unless a window is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drai_cli.data.image_set import Entry, ImageSet
from drai_cli.data.medmnist import NpzPixels
from drai_cli.data.tree import FilePixels
from drai_cli.errors import UsageError
from drai_cli.io.grey import GreyWindow
from drai_cli.io.intensity import HU, Intensity
from drai_cli.io.stack import Stack
from drai_cli.io.window import HU_RANGE, Window, centre_and_width, parse_window
from drai_cli.progress import Reporter

_LOOKED_AT = 100
"""Images that are decoded, evenly spread over the set."""
_SAMPLED = 1 << 14  # pixels of each of them
_FULL = 0.5  # share of its type's range from which on a set keeps its levels: at most one bit is lost
_PERCENTILES = (0.01, 99.99)
_OUTLYING = 0.25  # what lies further out than this share of the percentiles' distance is left outside
_MARGIN = 0.05  # for images that were not looked at


def with_grey_window(
    image_set: ImageSet, window: str | None, hu_offset: float | None, reporter: Reporter
) -> ImageSet:
    """The set with one window for its plain grey images, where they need one or it is asked for.

    Args:
        image_set: Of any kind; sets of medical files have windows of their own and come back unchanged.
        window: As `parse_window` takes it.
        hu_offset: What is added to a file's number to get Hounsfield units.
        reporter: Told the window.

    Raises:
        UsageError: A window by name, which plain files do not have; an offset where nothing is grey.
    """
    if not isinstance(image_set.pixels, FilePixels | NpzPixels):
        return image_set
    chosen = parse_window(window)
    if chosen.choice == "name":
        raise UsageError(
            f"--window {window}",
            "expected CENTRE,WIDTH, full or auto: plain images name no windows",
            "--window 40,400",
        )
    if chosen.choice != "auto":
        return _with(image_set, GreyWindow.of(chosen, hu_offset))
    if hu_offset is not None:
        reporter.info(
            f"HU: {HU_RANGE[0]:g} to {HU_RANGE[1]:g} are shown from black to white; --window changes this"
        )
        return _with(image_set, GreyWindow.of(Window("range", low=HU_RANGE[0], high=HU_RANGE[1]), hu_offset))
    entries = image_set.entries
    looked_at = entries[:: max(1, -(-len(entries) // _LOOKED_AT))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deep = [_Range.of(stack) for stack in image_set.pixels.deep_grey(looked_at)]
    if not deep:
        return image_set
    found = _choose_range(deep, looked_at, entries)
    if found is None:
        return image_set
    low, high, outside = found
    full = deep[0].full
    used = f", {(high - low) / full:.1%} of their range," if full < np.inf else ""
    clipped = f"; {outside:.2%} of their pixels lie outside" if outside else ""
    reporter.info(
        f"grey of more than 8 bits: values {low:g} to {high:g}{used} are shown from black to white "
        f"(measured on {len(deep)} images{clipped}); --window CENTRE,WIDTH changes this"
    )
    found_set = _with(image_set, GreyWindow(Window("range", low=low, high=high), is_deep_only=True))
    if len(deep) == len(looked_at):
        return found_set
    reporter.warn(
        f"{len(looked_at) - len(deep)} of {len(looked_at)} images looked at are not grey of more than 8 bits: "
        "their values are not rescaled, so the same value means something else there"
    )
    return replace(found_set, intensity=None)


def options_for(intensity: Intensity | None) -> dict[str, Any]:
    """The options by which another set of plain files is read as one whose levels mean this; none for plain levels."""
    if intensity is None or intensity.stored_offset is None:
        return {}
    offset = intensity.stored_offset if intensity.unit == HU else None
    return {"window": spell_window(intensity), "hu_offset": offset}


def spell_window(intensity: Intensity) -> str:
    """The range of these levels as `parse_window` takes it."""
    centre, width = centre_and_width(intensity.low, intensity.high)
    return f"{centre!r},{width!r}"


class _Range:
    """The least, the greatest and some more of an image's values, and the range of their type."""

    def __init__(self, low: float, high: float, some: np.ndarray, full: float) -> None:
        self.low, self.high, self.some, self.full = low, high, some, full

    @classmethod
    def of(cls, stack: Stack) -> _Range:
        values = stack.array if stack.padding is None else stack.array[~stack.padding]
        flat = values.ravel() if values.size else np.zeros(1, values.dtype)
        some = flat[:: max(1, flat.size // _SAMPLED)]
        full = 65535.0 if values.dtype == np.uint16 else np.inf
        return cls(float(flat.min()), float(flat.max()), some, full)


def _choose_range(
    deep: Sequence[_Range], looked_at: Sequence[Entry], entries: Sequence[Entry]
) -> tuple[float, float, float] | None:
    """Black, white, and the share of pixels outside; None where the levels are used as they are."""
    values = np.concatenate([one.some for one in deep]).astype(np.float64)
    least, greatest = min(one.low for one in deep), max(one.high for one in deep)
    low, high = (float(value) for value in np.percentile(values, _PERCENTILES))
    reach = _OUTLYING * (high - low)
    low = least if low - least <= reach else low
    high = greatest if greatest - high <= reach else high
    if high <= low:
        low, high = least, greatest if greatest > least else least + 1
    full = max(one.full for one in deep)
    if high - low >= _FULL * full:
        return None
    if len(looked_at) < len(entries):
        margin = _MARGIN * (high - low)
        # An end that is a power of two, or 0, is the end of what the device makes.
        is_end = high > 0 and float(high + 1).is_integer() and (int(high) + 1) & int(high) == 0
        high = high if is_end else min(high + margin, full)
        low = low - margin if full == np.inf and low < 0 else max(low - margin, 0.0) if low >= 0 else low
        if full < np.inf:
            low, high = float(np.floor(low)), float(np.ceil(high))
    return low, high, float(((values < low) | (values > high)).mean())


def _with(image_set: ImageSet, grey: GreyWindow) -> ImageSet:
    assert isinstance(image_set.pixels, FilePixels | NpzPixels)
    settings = f"{image_set.settings} {grey}".strip()
    pixels = replace(image_set.pixels, grey=grey)
    return replace(image_set, pixels=pixels, intensity=grey.intensity(), settings=settings)
