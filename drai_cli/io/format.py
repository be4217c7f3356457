"""What a format of image files is: how its files are recognised, read, written and marked.

`io/registry.py` lists the formats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drai_cli.io.about import About
from drai_cli.io.geometry import Geometry
from drai_cli.io.stack import Measured, Spacing, Stack
from drai_cli.io.stored import Stored
from drai_cli.settings.image_options import IMAGE_SUFFIXES, Compression


@dataclass(frozen=True)
class WriteOptions:
    """What else decides the bytes of an image's files.

    Attributes:
        geometry: Where the frames lie.
        spacing_mm: (slice, row, column): with a geometry, the distance between slices is known only if it is here.
        volumes: How many volumes in the same place the frames are of.
        suffix: Of the first file; empty: the first of the format.
        compression: Of DICOM pixels.
        level: Effort of PNG's compression, 1 to 9.
    """

    geometry: Geometry | None = None
    spacing_mm: Spacing | None = None
    volumes: int = 1
    suffix: str = ""
    compression: Compression = "none"
    level: int = 1


@dataclass(frozen=True)
class Format:
    """A format of image files. Its functions import what is heavy when they are called.

    Attributes:
        name: As `inspect` shows it and `--format` takes it. A format that is written has a row in `IMAGE_SUFFIXES`.
        title: As messages call it.
        suffixes: Lower case, with the dot.
        read: Reads every frame of a file. Leaves Python's warning filters, which all threads share, to the caller.
        read_frame: Reads one frame as a stack of one, where that is quicker than reading all, with alpha blended. The
            frame is counted from 0; None: the only one.
        is_content: Whether a file of any name begins as this format does; None: the suffix alone says so.
        is_shared_suffix: Whether other kinds of files have the same suffix: in a folder, the content decides as well.
        is_bare_file: Whether a file without a suffix in a data set is an image of this format; None: none is.
        is_collection: Whether a folder or archive is read as one image; None: none is.
        measure: What `read` would give, by the header alone.
        encode: The bytes of an image's files, in the order of `written_suffixes`; None for a format that is only read.
            Raises InputError for an image that the format cannot hold.
        encode_values: The same of values of any type, `[frames, H, W]` or `[frames, H, W, 3]`, and their unit, where
            the format keeps them exactly.
        read_marks: What a file says of itself; None: it has no place for that.
        is_medical: Whether its numbers are values, which a window makes levels of. Such files make data sets of their
            own, are read by decoders that hold Python's interpreter, and hold spacing and orientation.
        holds_frames: Whether one written file may hold several frames.
        modules: What reading imports; worker processes import it before they start.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], Stack]
    read_frame: Callable[[Path, int | None], Stack] | None = None
    is_content: Callable[[Path], bool] | None = None
    is_shared_suffix: bool = False
    is_bare_file: Callable[[Path], bool] | None = None
    is_collection: Callable[[Path], bool] | None = None
    measure: Callable[[Path], Measured] | None = None
    encode: Callable[[Stored, About, WriteOptions], tuple[bytes, ...]] | None = None
    encode_values: Callable[[np.ndarray, str, About, WriteOptions], tuple[bytes, ...]] | None = None
    read_marks: Callable[[Path], dict[str, str]] | None = None
    is_medical: bool = False
    holds_frames: bool = False
    modules: tuple[str, ...] = ()

    @property
    def written_suffixes(self) -> tuple[str, ...]:
        """Of the files of one image: the image first, then what is written next to it."""
        return IMAGE_SUFFIXES[self.name]
