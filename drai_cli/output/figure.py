"""Figures of images in rows with captions or row names, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt, UInt8
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from drai_cli.errors import printable
from drai_cli.io.tiles import tile_images, to_eight_bit

_PANEL = 256
_MARGIN = 16
_CAPTION = 24
_TEXT_SIZE = 15
_NAME_WIDTH = 160
_INK = (20, 20, 20)


def enlarge(
    pixels: UInt[np.ndarray, "height width channels"], side: int = _PANEL
) -> UInt8[np.ndarray, "large_height large_width channels"]:
    """Enlarges an image, as 8 bits, by the largest whole factor that keeps it within `side`: pixels stay sharp."""
    factor = max(1, side // max(pixels.shape[:2]))
    return np.ascontiguousarray(to_eight_bit(pixels).repeat(factor, 0).repeat(factor, 1))


def draw_figure(
    panels: Sequence[tuple[str, UInt[np.ndarray, "height width channels"]]],
    columns: int = 2,
    side: int = _PANEL,
) -> UInt[np.ndarray, "figure_height figure_width 3"]:
    """Captions and images of one size, in rows: each image, enlarged to `side`, above its caption."""
    images = [enlarge(pixels, side) for _, pixels in panels]
    height, width = images[0].shape[:2]
    panel_width = max(width, side)
    gaps = (_CAPTION + _MARGIN, panel_width - width + _MARGIN)
    sheet = tile_images([images[i : i + columns] for i in range(0, len(images), columns)], gaps)
    borders = ((_MARGIN, gaps[0]), (_MARGIN, gaps[1]), (0, 0))
    sheet = np.pad(sheet, borders, constant_values=255)
    figure = PillowImage.fromarray(np.broadcast_to(sheet, (*sheet.shape[:2], 3)))
    draw = ImageDraw.Draw(figure)
    font = ImageFont.load_default(_TEXT_SIZE)
    for number, (caption, _) in enumerate(panels):
        row, column = divmod(number, columns)
        place = (_MARGIN + column * (width + gaps[1]), _MARGIN + row * (height + gaps[0]) + height + 4)
        draw.text(place, _shorten(caption, draw, font, panel_width), _INK, font)
    return np.asarray(figure)


def add_row_names(
    sheet: UInt8[np.ndarray, "height width channels"], names: Sequence[str], row_step: int
) -> UInt8[np.ndarray, "height wider channels"]:
    """Adds a name to the left of each row of a sheet; rows follow each other every `row_step` pixels."""
    font = ImageFont.load_default(min(_TEXT_SIZE, row_step))
    draw = ImageDraw.Draw(PillowImage.new("L", (1, 1)))
    short = [_shorten(name, draw, font, _NAME_WIDTH) for name in names]
    width = round(max(draw.textlength(name, font) for name in short)) + _MARGIN
    margin = PillowImage.new("L", (width, len(sheet)), "white")
    draw = ImageDraw.Draw(margin)
    for row, name in enumerate(short):
        draw.text((_MARGIN // 2, row * row_step + row_step // 2), name, _INK[0], font, anchor="lm")
    named = np.asarray(margin)[..., None].repeat(sheet.shape[2], 2)
    return np.concatenate([named, sheet], 1)


def _shorten(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
) -> str:
    """The text on one line; if it is wider than `width`, its middle is left out."""
    text = printable(text)
    if draw.textlength(text, font) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and draw.textlength(_cut(text, kept), font) > width:
        kept -= 1
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    return text[: -(-kept // 2)] + "..." + text[len(text) - kept // 2 :]
