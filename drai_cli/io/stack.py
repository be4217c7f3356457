"""What a medical file or series holds: frames of one size with what their values mean and where they lie.

Knows nothing of files or formats. `io/read.py` makes one of any file; `Stack.image` gives a frame as the image type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Shaped, UInt16

from drai_cli.io.geometry import Geometry
from drai_cli.io.image import Image

Kind = Literal["png", "jpeg", "tiff", "bmp", "gif", "dicom", "nifti"]


@dataclass(frozen=True)
class ToneCurve:
    """A file's own table from values to grey levels (DICOM's VOI LUT, PS3.3 C.11.2.1.1).

    Attributes:
        name: What the file calls it; may be empty.
        first: The value that the first level stands for; each next one stands for a value greater by 1.
        levels: Growing to white; values beyond either end take the last level there.
        bits: Bits of a level.
    """

    name: str
    first: float
    levels: UInt16[np.ndarray, " entries"]
    bits: int


@dataclass(frozen=True)
class Stack:
    """Frames of one size. Grey values grow towards white (MONOCHROME1 is turned over), colour is RGB.

    Attributes:
        array: `[frames, H, W]` (grey) or `[frames, H, W, 3]` (RGB): values in `unit`, after rescaling.
        kind: What the file is.
        bits: Bits a sample was stored with.
        unit: What a value means: `HU`, the file's own rescale type, or empty for plain grey levels.
        geometry: Where the frames lie, None where the file does not say.
        spacing_mm: (slice, row, column) where the file gives spacing; slice is None where it does not.
        window: Centre and width that the file itself suggests first, None where it suggests none. They mean what
            DICOM's LINEAR function means, see `io/window.py`.
        windows: All windows that the file suggests, by name (`""` where unnamed).
        curves: Tables that the file suggests instead of, or beside, windows.
        volumes: How many volumes (time points, directions) the frames are of: all slices of the first, then all of the
            second; 1 where there is but one.
        padding: Whether a frame's sample lies outside what was scanned, `[frames, H, W]`; None where nothing does.
        modality: DICOM's (0008,0060), empty elsewhere.
        source: Where it came from, for messages.
        notes: What was changed or found in reading (gaps, NaN replaced, alpha dropped), each worth one warning line.
    """

    array: Shaped[np.ndarray, "frames height width *channels"]
    kind: Kind
    bits: int = 8
    unit: str = ""
    geometry: Geometry | None = None
    spacing_mm: tuple[float | None, float, float] | None = None
    window: tuple[float, float] | None = None
    windows: tuple[tuple[str, float, float], ...] = ()
    curves: tuple[ToneCurve, ...] = ()
    volumes: int = 1
    padding: Shaped[np.ndarray, "frames height width"] | None = None
    modality: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return 1 if self.array.ndim == 3 else int(self.array.shape[3])

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
        )

    def image(self, index: int = 0) -> Image:
        """A frame as the image type, values as they are."""
        return Image(self.array[index], self.bits, self.unit, self.source, self.notes)
