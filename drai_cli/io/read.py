"""A file of any kind that is read as frames with what their values mean and where they lie. Knows nothing of sets."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from drai_cli.io.raster import read_frames, read_image
from drai_cli.io.stack import Kind, Stack


def read_stack(path: Path) -> Stack:
    """Reads all frames of a file.

    Raises:
        InputError: Not readable, or too large in all.
    """
    kind, array, bits = read_frames(path)
    has_frames = array.ndim == 4 or (array.ndim == 3 and array.shape[2] not in (2, 3, 4))
    images = [
        read_image(path, frame=index if has_frames else None)
        for index in range(len(array) if has_frames else 1)
    ]
    frames = np.stack([image.array for image in images])
    notes = tuple(dict.fromkeys(note for image in images for note in image.notes))
    return Stack(frames, cast("Kind", kind), bits, source=images[0].source, notes=notes)
