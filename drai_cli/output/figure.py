"""Figures of images in rows with captions, row names and a note, drawn with Pillow."""

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
_TEXT_SIZE = 15
_LINE = 19
_MAX_LINES = 3
_NAME_WIDTH = 160
_INK = (20, 20, 20)
_MOST_LETTERS = 10_000
"""Of a text that is measured whole: a label of a stranger's table may have any length."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def enlarge(
    pixels: UInt[np.ndarray, "height width channels"], side: int = _PANEL
) -> UInt8[np.ndarray, "large_height large_width channels"]:
    """Enlarges an image, as 8 bits, so that its longer side is `side`, smoothly; a larger one stays as it is."""
    shown = to_eight_bit(pixels)
    height, width = shown.shape[:2]
    scale = side / max(height, width)
    if scale <= 1:
        return np.ascontiguousarray(shown)
    picture = PillowImage.fromarray(shown[..., 0] if shown.shape[2] == 1 else shown)
    larger = picture.resize((round(width * scale), round(height * scale)), PillowImage.Resampling.BICUBIC)
    return np.asarray(larger).reshape(larger.height, larger.width, shown.shape[2])


def label_column(name: str) -> str:
    """The label's name in brackets, for a sentence about the label; empty where it is the word *label* itself."""
    return "" if name == "label" else f" ({name})"


def draw_figure(
    panels: Sequence[tuple[str, UInt[np.ndarray, "height width channels"]]],
    columns: int = 2,
    side: int = _PANEL,
    *,
    row_names: Sequence[str] = (),
    note: str = "",
) -> UInt[np.ndarray, "figure_height figure_width 3"]:
    """Images of one size in rows, each enlarged to `side` and above its caption, which takes up to three lines.

    Args:
        panels: Caption and image of each, row by row.
        columns: Images per row.
        side: Of an enlarged image, in pixels.
        row_names: Name of each row, to its left; none: no names.
        note: A text below all of them.
    """
    font = ImageFont.load_default(_TEXT_SIZE)
    images = [enlarge(pixels, side) for _, pixels in panels]
    height, width = images[0].shape[:2]
    panel_width = max(width, side)
    captions = [_wrap(caption, font, panel_width, _MAX_LINES) for caption, _ in panels]
    most_lines = max(map(len, captions))
    gaps = (
        most_lines * _LINE + _MARGIN // 2 * (most_lines > 0) + _MARGIN // 2,
        panel_width - width + _MARGIN // 2,
    )
    sheet = tile_images([images[i : i + columns] for i in range(0, len(images), columns)], gaps)
    sheet = np.pad(sheet, ((0, gaps[0]), (0, gaps[1]), (0, 0)), constant_values=255)
    figure = PillowImage.fromarray(np.broadcast_to(sheet, (*sheet.shape[:2], 3)))
    draw = ImageDraw.Draw(figure)
    for number, lines in enumerate(captions):
        row, column = divmod(number, columns)
        place = (column * (width + gaps[1]), row * (height + gaps[0]) + height + 4)
        draw.multiline_text(place, "\n".join(lines), _INK, font, spacing=_LINE - _TEXT_SIZE)
    drawn = np.asarray(figure)
    if row_names:
        drawn = add_row_names(drawn, row_names, height + gaps[0], height)
    drawn = np.pad(drawn, ((_MARGIN, 0), (_MARGIN, _MARGIN // 2), (0, 0)), constant_values=255)
    return _add_note(drawn, note, font) if note else drawn


def add_row_names(
    sheet: UInt8[np.ndarray, "height width channels"],
    names: Sequence[str],
    row_step: int,
    row_height: int | None = None,
) -> UInt8[np.ndarray, "height wider channels"]:
    """Adds a name to the left of each row of a sheet.

    Args:
        sheet: Images in rows.
        names: Of the rows, from the top.
        row_step: Pixels from the top of a row to that of the next.
        row_height: Pixels of a row's images, in whose middle its name is; None: `row_step`.
    """
    font = ImageFont.load_default(min(_TEXT_SIZE, row_step))
    short = [_shorten(name, font, _NAME_WIDTH) for name in names]
    width = round(max(_length(name, font) for name in short)) + _MARGIN
    margin = PillowImage.new("L", (width, len(sheet)), "white")
    draw = ImageDraw.Draw(margin)
    for row, name in enumerate(short):
        middle = row * row_step + (row_height or row_step) // 2
        draw.text((_MARGIN // 2, middle), name, _INK[0], font, anchor="lm")
    named = np.asarray(margin)[..., None].repeat(sheet.shape[2], 2)
    return np.concatenate([named, sheet], 1)


def _add_note(
    figure: UInt8[np.ndarray, "height width 3"], note: str, font: Font
) -> UInt8[np.ndarray, "higher width 3"]:
    width = figure.shape[1] - 2 * _MARGIN
    lines = _wrap(note, font, width, max(1, len(note)))
    below = PillowImage.new("RGB", (figure.shape[1], len(lines) * _LINE + _MARGIN), "white")
    ImageDraw.Draw(below).multiline_text(
        (_MARGIN, _MARGIN // 4), "\n".join(lines), _INK, font, spacing=_LINE - _TEXT_SIZE
    )
    return np.concatenate([figure, np.asarray(below)])


def _wrap(text: str, font: Font, width: int, most_lines: int) -> list[str]:
    """The text in lines of at most `width` pixels; a word that is wider loses its middle, the last line its rest's."""
    lines: list[str] = []
    for word in printable(text[:_MOST_LETTERS]).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _length(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most_lines:
        lines = [*lines[: most_lines - 1], " ".join(lines[most_lines - 1 :])]
    return [_shorten(line, font, width) for line in lines]


def _shorten(text: str, font: Font, width: int) -> str:
    """The text; if it is wider than `width`, its middle is left out."""
    if len(text) <= _MOST_LETTERS and _length(text, font) <= width:
        return text
    kept, too_many = 2, min(len(text), width)  # letters: none is narrower than a pixel, but for some marks
    while too_many - kept > 1:
        middle = (kept + too_many) // 2
        kept, too_many = (kept, middle) if _length(_cut(text, middle), font) > width else (middle, too_many)
    return _cut(text, kept)


def _length(text: str, font: Font) -> float:
    return font.getlength(text)


def _cut(text: str, kept: int) -> str:
    return text[: -(-kept // 2)] + "…" + text[len(text) - kept // 2 :]
