"""The labelled figure of a swap, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

_PANEL = 256
_MARGIN = 16
_CAPTION = 24
_TEXT_SIZE = 15
_INK = (20, 20, 20)


def draw_figure(
    panels: Sequence[tuple[str, UInt[np.ndarray, "height width channels"]]], columns: int = 2
) -> UInt[np.ndarray, "figure_height figure_width 3"]:
    """Images of one size in rows, each above its caption, enlarged by whole factors so that pixels stay sharp."""
    height, width = panels[0][1].shape[:2]
    factor = max(1, _PANEL // max(height, width))
    step_x, step_y = max(width * factor, _PANEL) + _MARGIN, height * factor + _CAPTION + _MARGIN
    rows = -(-len(panels) // columns)
    figure = PillowImage.new("RGB", (columns * step_x + _MARGIN, rows * step_y + _MARGIN), "white")
    draw = ImageDraw.Draw(figure)
    font = ImageFont.load_default(_TEXT_SIZE)
    for number, (caption, pixels) in enumerate(panels):
        left, top = _MARGIN + number % columns * step_x, _MARGIN + number // columns * step_y
        eight_bit = pixels if pixels.dtype == np.uint8 else (pixels // 257).astype(np.uint8)
        colour = np.repeat(eight_bit, 3, 2) if pixels.shape[2] == 1 else eight_bit
        large = np.ascontiguousarray(colour.repeat(factor, 0).repeat(factor, 1))
        figure.paste(PillowImage.fromarray(large), (left, top))
        place = (left, top + height * factor + 4)
        draw.text(place, _shortened(caption, draw, font, step_x - _MARGIN), _INK, font)
    return np.asarray(figure)


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
