"""Labelled figures of images in rows, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt, UInt8
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

_PANEL = 256
_MARGIN = 16
_CAPTION = 24
_TEXT_SIZE = 15
_NAME_WIDTH = 160
_INK = (20, 20, 20)


def enlarged(
    pixels: UInt[np.ndarray, "height width channels"], side: int = _PANEL
) -> UInt8[np.ndarray, "large_height large_width channels"]:
    """An image of 8 bits, enlarged by the whole factor that brings it nearest to `side`: pixels stay sharp."""
    factor = max(1, side // max(pixels.shape[:2]))
    eight_bit = pixels if pixels.dtype == np.uint8 else (pixels // 257).astype(np.uint8)
    return np.ascontiguousarray(eight_bit.repeat(factor, 0).repeat(factor, 1))


def draw_figure(
    panels: Sequence[tuple[str, UInt[np.ndarray, "height width channels"]]],
    columns: int = 2,
    side: int = _PANEL,
) -> UInt[np.ndarray, "figure_height figure_width 3"]:
    """Images of one size in rows, each above its caption, as `enlarged` to `side`."""
    height, width = enlarged(panels[0][1], side).shape[:2]
    step_x, step_y = max(width, side) + _MARGIN, height + _CAPTION + _MARGIN
    rows = -(-len(panels) // columns)
    figure = PillowImage.new("RGB", (columns * step_x + _MARGIN, rows * step_y + _MARGIN), "white")
    draw = ImageDraw.Draw(figure)
    font = ImageFont.load_default(_TEXT_SIZE)
    for number, (caption, pixels) in enumerate(panels):
        left, top = _MARGIN + number % columns * step_x, _MARGIN + number // columns * step_y
        large = enlarged(pixels, side)
        colour = np.repeat(large, 3, 2) if large.shape[2] == 1 else large
        figure.paste(PillowImage.fromarray(colour), (left, top))
        place = (left, top + height + 4)
        draw.text(place, _shortened(caption, draw, font, step_x - _MARGIN), _INK, font)
    return np.asarray(figure)


def with_row_names(
    sheet: UInt8[np.ndarray, "height width channels"], names: Sequence[str], row_step: int
) -> UInt8[np.ndarray, "height wider channels"]:
    """A sheet of rows, `row_step` pixels from one to the next, with a name to the left of each row."""
    font = ImageFont.load_default(min(_TEXT_SIZE, row_step))
    draw = ImageDraw.Draw(PillowImage.new("L", (1, 1)))
    shown = [_shortened(name, draw, font, _NAME_WIDTH) for name in names]
    width = round(max(draw.textlength(name, font) for name in shown)) + _MARGIN
    margin = PillowImage.new("L", (width, len(sheet)), "white")
    draw = ImageDraw.Draw(margin)
    for row, name in enumerate(shown):
        draw.text((_MARGIN // 2, row * row_step + row_step // 2), name, _INK[0], font, anchor="lm")
    named = np.asarray(margin)[..., None].repeat(sheet.shape[2], 2)
    return np.concatenate([named, sheet], 1)


def _shortened(
    text: str,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
) -> str:
    """The text, its middle left out if it is too wide."""
    if draw.textlength(text, font) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and draw.textlength(_cut(text, kept), font) > width:
        kept -= 1
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    return text[: -(-kept // 2)] + "..." + text[len(text) - kept // 2 :]
