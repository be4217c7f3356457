"""The pictures of a walk or a grid, written as one figure, an animation or a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.inference.input_images import InputImage
from drai_cli.io.about import as_description
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.png import encode_png
from drai_cli.output.derived_images import DerivedImages
from drai_cli.output.figure import draw_figure, enlarge
from drai_cli.output.mask_file import mask_columns

MOVING = (".gif", ".mp4")
"""Suffixes of animations."""

_SIDE = 160
_GRID_NOTE = (
    "First row and first column: the images given. Every other image is synthetic: "
    "the content of the image above its column in the style of the image left of its row."
)


@dataclass(frozen=True)
class Picture:
    """One image of the output: file name without suffix, caption, row in the table, marks, and what decides it.

    `levels` are those of the image with its masks after the intensities.
    """

    pixels: np.ndarray
    levels: np.ndarray
    stem: str
    caption: str
    source: InputImage | None
    row: Mapping[str, str]
    marks: Mapping[str, str]
    deciding: Mapping[str, Any]


def draw_strip(pictures: Sequence[Picture], derived: DerivedImages) -> bytes:
    """The pictures of a walk in one row, as PNG."""
    panels = [(picture.caption, picture.pixels) for picture in pictures]
    return encode_png(draw_figure(panels, len(panels), _SIDE), derived.marks, level=6)


def draw_grid(
    pictures: Sequence[Picture],
    contents: Sequence[InputImage],
    styles: Sequence[InputImage],
    derived: DerivedImages,
) -> bytes:
    """The pictures of a grid with the images given above and on the left, as PNG."""
    blank = np.full_like(pictures[0].pixels, np.iinfo(pictures[0].pixels.dtype).max)
    panels = [("", blank), *((f"content of {real.name}", real.pixels) for real in contents)]
    columns = len(contents)
    for row, real in enumerate(styles):
        panels.append((f"style of {real.name}", real.pixels))
        panels += [("", picture.pixels) for picture in pictures[row * columns : (row + 1) * columns]]
    return encode_png(draw_figure(panels, columns + 1, _SIDE, note=_GRID_NOTE), derived.figure_marks, level=6)


def animate(pictures: Sequence[Picture], suffix: str, fps: float, derived: DerivedImages) -> bytes:
    """The walk there and back, with a pause of half a second at both ends, as GIF or MP4."""
    from drai_cli.io.animation import encode_gif, encode_mp4

    frames = [enlarge(picture.pixels) for picture in pictures]
    pause = max(1, round(fps / 2))
    shown = [frames[0]] * pause + frames[1:-1] + [frames[-1]] * pause + frames[-2:0:-1]
    encode = encode_gif if suffix == ".gif" else encode_mp4
    return encode(shown, fps, as_description(derived.marks))


def write_folder(stage: Path, pictures: Sequence[Picture], derived: DerivedImages) -> list[str]:
    """Writes each picture and its masks to files of their own, and metadata.csv; returns the names of the images."""
    names, masks = [], []
    mask_names = derived.inference.header.mask_names
    for index, picture in enumerate(pictures):
        # The inputs' names, which may name people, are in the table alone.
        marks = {"index": str(index), **picture.marks}
        name, *_ = derived.write(
            stage, picture.stem, picture.pixels, picture.source, picture.deciding, index + 1, None, **marks
        )
        names.append(name)
        masks.append(
            derived.write_masks(
                stage, picture.stem, picture.levels, picture.source, picture.deciding, **marks
            )
        )
    rows = [
        [name, *own, *picture.row.values()] for name, own, picture in zip(names, masks, pictures, strict=True)
    ]
    header = ["file_name", *(mask_columns(mask_names) if mask_names else ()), *pictures[0].row]
    (stage / "metadata.csv").write_bytes(encode_csv([header, *rows]))
    return names
