"""Reading plain images without the warnings that Pillow gives of odd ones."""

from __future__ import annotations

import warnings
from pathlib import Path

from drai_cli.io.image import Image
from drai_cli.io.raster import read_raster
from drai_cli.io.read import decode_image
from drai_cli.io.stack import Stack


def read_image(path: Path, frame: int | None = None) -> Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_image(path, frame=frame)


def read_all_frames(path: Path) -> Stack:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_raster(path)
