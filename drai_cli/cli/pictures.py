"""Pictures in a terminal (`--show`): by kitty's, iTerm2's or sixel graphics where they are known, else half blocks.

Nothing is printed where stdout is no terminal: results in pipes and files stay as they are.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drai_cli.cli.output import Output, write_stdout
from drai_cli.errors import InputError

if TYPE_CHECKING:
    import numpy as np

MOST = 12
"""Pictures that are shown of many, evenly spread."""
_SIDE = 128  # pixels of one picture of several where the terminal shows pixels
_COLUMN = 8  # pixels that a column of text has at least in most terminals
_PIXELS = ("kitty", "iterm", "sixel")
_GAP = 4
_KITTY_CHUNK = 4096
_RAMP = " .:-=+*#%@"
_SIXEL_TERMS = ("foot", "mlterm", "contour", "yaft")


def show_files(output: Output, paths: Sequence[Path]) -> None:
    """Shows image files on the terminal; says what cannot be shown."""
    if not can_show(output):
        return
    from drai_cli.io.read import read_image, read_stack

    images = []
    for path in spread(paths):
        try:
            if path.suffix == ".mp4":
                raise InputError(path, "a film is not shown")
            stack = None if path.suffix == ".png" else read_stack(path)
            frames = [None] if stack is None else spread(range(len(stack.array)))
            images += [read_image(path, frame=frame).array for frame in frames]
        except InputError as error:
            output.info(f"not shown: {error.subject}: {error.message}")
    show_images(output, images)


def show_images(output: Output, images: Sequence[np.ndarray]) -> None:
    """Shows arrays `[H, W]` or `[H, W, C]` of 8 or 16 bits, side by side."""
    if images and can_show(output):
        write_stdout(draw(images, how_to_draw(os.environ), _columns()) + "\n")


def can_show(output: Output) -> bool:
    """Whether pictures go to a terminal; says so if they do not."""
    if output.as_json or output.is_mute or not sys.stdout.isatty():
        output.info("stdout is no terminal: no pictures are shown")
        return False
    return True


def shows_pixels() -> bool:
    """Whether a figure with text can be read in this terminal."""
    return how_to_draw(os.environ) in _PIXELS


def spread(entries: Sequence[Any], most: int = MOST) -> list[Any]:
    """At most `most` of many, from the first to the last."""
    if len(entries) <= most:
        return list(entries)
    return [entries[place * (len(entries) - 1) // (most - 1)] for place in range(most)]


def how_to_draw(environment: Mapping[str, str], encoding: str | None = None) -> str:
    """How this terminal shows pictures: `kitty`, `iterm`, `sixel`, `blocks`, `blocks-256` or `letters`."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    encoding = encoding or getattr(sys.stdout, "encoding", None) or "ascii"
    # Multiplexers swallow graphics; blocks go through.
    is_inside = "TMUX" in environment or term.startswith(("screen", "tmux"))
    if (
        term == "dumb"
        or environment.get("NO_COLOR")
        or not encoding.lower().replace("-", "").startswith("utf8")
    ):
        return "letters"
    if not is_inside:
        if "KITTY_WINDOW_ID" in environment or "kitty" in term or program == "ghostty":
            return "kitty"
        if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
            return "iterm"
        if term.startswith(_SIXEL_TERMS):
            return "sixel"
    is_true = environment.get("COLORTERM", "") in ("truecolor", "24bit") or "direct" in term
    return "blocks" if is_true else "blocks-256"


def draw(images: Sequence[np.ndarray], how: str, columns: int) -> str:
    """The characters that show images side by side.

    Args:
        images: Arrays of 8 or 16 bits.
        how: As `how_to_draw` says.
        columns: Width of the terminal.
    """
    if how in _PIXELS:
        # A figure is alone: at its own size its text can be read.
        side = max(_SIDE, min(max(images[0].shape[:2]), columns * _COLUMN)) if len(images) == 1 else _SIDE
        sheet = _sheet(images, side, max(1, min(6, columns // 18)), _GAP)
        if how == "sixel":
            return "".join(_sixel(sheet))
        from drai_cli.io.png import encode_png

        png = encode_png(sheet, {}, level=6)
        return "".join(_kitty(png)) if how == "kitty" else _iterm(png)
    across = max(1, min(len(images), 4, columns // 20))
    side = max(4, min(48, columns // across - 1))
    sheet = _sheet(images, side, across, 1)
    if how == "letters":
        return "\n".join(_letters(sheet))
    return "\n".join(_blocks(sheet, is_true=how == "blocks"))


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def _sheet(images: Sequence[np.ndarray], side: int, across: int, gap: int) -> np.ndarray:
    """Images as squares of one side in rows, RGB of 8 bits, on black."""
    import numpy as np
    from PIL import Image as PillowImage

    from drai_cli.io.tiles import to_eight_bit

    across = min(across, len(images))
    rows = -(-len(images) // across)
    sheet = np.zeros((rows * (side + gap) - gap, across * (side + gap) - gap, 3), np.uint8)
    for place, image in enumerate(images):
        array = to_eight_bit(np.asarray(image))
        array = array[..., None] if array.ndim == 2 else array
        picture = PillowImage.fromarray(np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3))))
        factor = side / max(picture.size)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        # Pixels stay sharp where there is room for them.
        method = PillowImage.Resampling.NEAREST if factor >= 1 else PillowImage.Resampling.BOX
        small = np.asarray(picture.resize(size, method))
        row, column = divmod(place, across)
        top = row * (side + gap) + (side - small.shape[0]) // 2
        left = column * (side + gap) + (side - small.shape[1]) // 2
        sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return sheet if len(images) > 1 else small


def _kitty(png: bytes) -> Iterator[str]:
    """Kitty's graphics protocol: a PNG in parts of at most 4096 characters."""
    data = base64.b64encode(png).decode("ascii")
    parts = [data[start : start + _KITTY_CHUNK] for start in range(0, len(data), _KITTY_CHUNK)]
    for number, part in enumerate(parts):
        control = "a=T,f=100," if number == 0 else ""
        yield f"\x1b_G{control}m={int(number < len(parts) - 1)};{part}\x1b\\"


def _iterm(png: bytes) -> str:
    """iTerm2's inline images."""
    return f"\x1b]1337;File=inline=1;size={len(png)}:{base64.b64encode(png).decode('ascii')}\a"


def _sixel(sheet: np.ndarray) -> Iterator[str]:
    """Sixel graphics with 64 colours: bands of six rows, a line for each colour of the band."""
    import numpy as np
    from PIL import Image as PillowImage

    indexed = PillowImage.fromarray(sheet).quantize(64)
    palette = np.array(indexed.getpalette()).reshape(-1, 3)
    levels = np.asarray(indexed)
    height, width = levels.shape
    yield f'\x1bPq"1;1;{width};{height}'
    for index, colour in enumerate(palette[: int(levels.max()) + 1]):
        red, green, blue = (int(part) * 100 // 255 for part in colour)
        yield f"#{index};2;{red};{green};{blue}"
    for top in range(0, height, 6):
        band = levels[top : top + 6]
        weights = 1 << np.arange(len(band))
        for index in np.unique(band):
            bits = ((band == index) * weights[:, None]).sum(0)
            yield f"#{index}" + "".join(map(chr, (63 + bits).tolist())) + "$"
        yield "-"
    yield "\x1b\\"


def _blocks(sheet: np.ndarray, *, is_true: bool) -> Iterator[str]:
    """Two rows of pixels to a line: upper half blocks, the colour above before the one below."""
    import numpy as np

    if len(sheet) % 2:
        sheet = np.concatenate([sheet, np.zeros_like(sheet[:1])])
    code = _true_colour if is_true else _colour_of_256
    for upper, lower in zip(sheet[::2].tolist(), sheet[1::2].tolist(), strict=True):
        cells = (f"\x1b[38;{code(a)};48;{code(b)}m▀" for a, b in zip(upper, lower, strict=True))
        yield "".join(cells) + "\x1b[0m"


def _true_colour(colour: Sequence[int]) -> str:
    return f"2;{colour[0]};{colour[1]};{colour[2]}"


def _colour_of_256(colour: Sequence[int]) -> str:
    """The nearest of xterm's cube of 216 colours or of its 24 greys."""
    red, green, blue = colour
    if max(colour) - min(colour) < 12:
        grey = round((sum(colour) / 3 - 8) / 10)
        return f"5;{232 + min(23, max(0, grey))}"
    steps = [0 if part < 48 else min(5, (part - 35) // 40) for part in (red, green, blue)]
    return f"5;{16 + 36 * steps[0] + 6 * steps[1] + steps[2]}"


def _letters(sheet: np.ndarray) -> Iterator[str]:
    """Light as letters, for terminals without colour; a letter is about twice as high as wide."""
    for row in (sheet[::2].mean(2) * (len(_RAMP) - 1) / 255).round().astype(int).tolist():
        yield "".join(_RAMP[level] for level in row).rstrip()
