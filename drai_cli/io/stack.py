"""What an image file or series holds: frames of one size, what their values mean and where they lie.

Knows nothing of files or formats. `io/read.py` reads one from any file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Shaped, UInt16

from drai_cli.io.geometry import Geometry
from drai_cli.io.image import plausible_aspect

Spacing = tuple[float | None, float, float]
"""Distance of neighbours in mm: between slices (None where that is not known), rows and columns."""

ALPHA_LEFT_OUT = "its alpha channel is left out"


_ROWS = 512  # computed at a time, in 16 bits
BLENDED = "its transparent parts were blended over black"


@dataclass(frozen=True)
class Measured:
    """What a file's header says of the stack that reading would give.

    Attributes:
        extents: Volumes, slices, rows and columns.
        spacing_mm: As in `Stack`.
    """

    extents: tuple[int, int, int, int]
    spacing_mm: Spacing | None = None


@dataclass(frozen=True)
class ToneCurve:
    """A file's own table from values to grey levels (DICOM's VOI LUT, PS3.3 C.11.2.1.1).

    Attributes:
        name: What the file calls it; may be empty.
        first: The value of the first level; that of each next one is greater by 1.
        levels: Growing to white; values beyond either end take the last level there.
        bits: Bits of a level.
    """

    name: str
    first: float
    levels: UInt16[np.ndarray, " entries"]
    bits: int


@dataclass(frozen=True)
class Stack:
    """Frames of one size. Grey values grow towards white (MONOCHROME1 is inverted), colour is RGB.

    Attributes:
        array: `[frames, H, W]` (grey) or `[frames, H, W, 3]` (RGB): values in `unit`, after rescaling.
        kind: Name of the file's format, as `io/registry.py` has it.
        bits: Bits a sample was stored with.
        unit: What a value means: `HU`, the file's own rescale type, or empty for plain grey levels.
        geometry: Where the frames lie; None where the file does not say.
        spacing_mm: Where the file gives spacing.
        window: Centre and width that the file suggests first, None where it suggests none. They mean what DICOM's
            LINEAR function means, see `io/window.py`.
        windows: All windows that the file suggests, by name (`""` where unnamed).
        curves: Tables that the file suggests instead of, or in addition to, windows.
        volumes: How many volumes (time points, directions) the frames are of: all slices of the first, then all of the
            second.
        padding: Whether a sample lies outside of what was scanned, `[frames, H, W]`; None where none does.
        alpha: Opacity as stored, which `array` does not contain; None where the file has none, or it is not kept.
        modality: DICOM's (0008,0060), empty elsewhere.
        source: Where it came from, for messages.
        notes: What was changed or noticed in reading (gaps, NaN replaced, alpha dropped), each worth one warning.
        pixel_aspect: Height of a pixel over its width, where the file gives only that.
    """

    array: Shaped[np.ndarray, "frames height width *channels"]
    kind: str
    bits: int = 8
    unit: str = ""
    geometry: Geometry | None = None
    spacing_mm: Spacing | None = None
    window: tuple[float, float] | None = None
    windows: tuple[tuple[str, float, float], ...] = ()
    curves: tuple[ToneCurve, ...] = ()
    volumes: int = 1
    padding: Shaped[np.ndarray, "frames height width"] | None = None
    alpha: Shaped[np.ndarray, "frames height width"] | None = None
    modality: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    pixel_aspect: float = 1.0

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return 1 if self.array.ndim == 3 else int(self.array.shape[3])

    @property
    def aspect(self) -> float:
        """Height of a pixel over its width: by spacing, else as the file says it; 1 for square ones."""
        if self.spacing_mm is None:
            return plausible_aspect(self.pixel_aspect)
        return plausible_aspect(self.spacing_mm[1] / self.spacing_mm[2])

    def frame(self, index: int) -> Stack:
        """One frame as a stack of one, its geometry moved with it."""
        index = range(len(self.array))[index]
        place = index % (len(self.array) // self.volumes)
        return replace(
            self,
            array=self.array[index : index + 1],
            volumes=1,
            geometry=None if self.geometry is None else self.geometry.of_slice(place),
            padding=None if self.padding is None else self.padding[index : index + 1],
            alpha=None if self.alpha is None else self.alpha[index : index + 1],
        )


def blend_over_black(stack: Stack) -> Stack:
    """The stack without its alpha channel: 8-bit samples blended over black."""
    if stack.alpha is None:
        return stack
    notes = tuple(note for note in stack.notes if note != ALPHA_LEFT_OUT)
    if (stack.alpha == 255).all():
        return replace(stack, array=np.ascontiguousarray(stack.array), alpha=None, notes=notes)
    blended = np.empty(stack.array.shape, np.uint8)
    for frame, opacity, made in zip(stack.array, stack.alpha, blended, strict=True):
        for start in range(0, len(frame), _ROWS):
            rows = slice(start, start + _ROWS)
            share = opacity[rows, :, None] if stack.channels == 3 else opacity[rows]
            made[rows] = (frame[rows].astype(np.uint16) * share + 127) // 255
    return replace(stack, array=blended, alpha=None, notes=(*notes, BLENDED))
