"""How the numbers of plain grey files become levels, the same for all images of a set. Knows nothing of sets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drai_cli.io.image import Image
from drai_cli.io.intensity import HU, Intensity
from drai_cli.io.stack import Stack
from drai_cli.io.window import Window, frame_image


@dataclass(frozen=True)
class GreyWindow:
    """One window for the grey images of a set.

    Attributes:
        window: Which values become black and white.
        offset: What is added to a file's number to get its value.
        unit: Of a value; empty where numbers are plain.
        is_deep_only: Whether images of 8 bits keep their levels.
    """

    window: Window
    offset: float = 0.0
    unit: str = ""
    is_deep_only: bool = False

    @classmethod
    def of(cls, window: Window, hu_offset: float | None) -> GreyWindow:
        """A window of Hounsfield units where their offset is known, else of plain numbers."""
        return cls(window) if hu_offset is None else cls(window, hu_offset, HU)

    def image(self, stack: Stack) -> Image:
        """The one frame of a stack as a model-ready image; colour keeps its levels."""
        if stack.channels == 3 or (self.is_deep_only and not is_deep(stack)):
            window = Window() if self.is_deep_only else self.window
            return frame_image(stack, 0, window)
        return frame_image(self.values(stack), 0, self.window)

    def values(self, stack: Stack) -> Stack:
        """The stack with its numbers as values."""
        if not self.offset and not self.unit:
            return stack
        array = stack.array
        if self.offset and array.dtype.kind in "iu" and float(self.offset).is_integer():
            array = array.astype(np.int64) + int(self.offset)
        elif self.offset:
            array = array + np.float64(self.offset)
        return replace(stack, array=array, unit=self.unit)

    def intensity(self) -> Intensity | None:
        """What levels mean; None where each image has a window of its own."""
        if self.window.choice != "range":
            return None
        return Intensity(self.unit, self.window.low, self.window.high, "uint16", self.offset)


def is_deep(stack: Stack) -> bool:
    """Whether it is grey of more than 8 bits."""
    return stack.channels == 1 and stack.array.dtype.itemsize > 1
