"""Draws the README's figure from the bundled model: samples by label, a walk, and style swaps.

    python examples/readme_figure.py --out examples/figures/lesions-64.png
    python examples/readme_figure.py --real a.jpg --real b.jpg --real c.jpg --out mine.png

Without --real the swaps are between synthetic images, so the figure may be shared. With --real they are between
your images, at the model's size. Choose images that the model was not trained on, and consider whose images they are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from drai_cli import Drai

PANEL, GAP, CAPTION = 96, 6, 22
COLUMNS = 8
INK = "#141414"
MUTED = "#666666"


class Figure:
    """Rows of panels below one another, each with a heading."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.font, self.small = ImageFont.load_default(15), ImageFont.load_default(12)
        self.top = GAP

    def heading(self, text: str) -> None:
        self.draw.text((GAP, self.top), text, INK, self.font)
        self.top += CAPTION

    def row(self, images: list[np.ndarray | None], captions: list[str] | None = None) -> None:
        """One row of panels; None leaves a place empty."""
        for column, image in enumerate(images):
            left = GAP + column * (PANEL + GAP)
            if image is not None:
                self.image.paste(panel(image), (left, self.top))
            if captions:
                self.draw.text((left, self.top + PANEL + 1), captions[column], MUTED, self.small)
        self.top += PANEL + GAP + (16 if captions else 0)


def panel(image: np.ndarray) -> Image.Image:
    colour = np.repeat(image, 3, 2) if image.shape[2] == 1 else image
    return Image.fromarray(colour).resize((PANEL, PANEL), Image.Resampling.BICUBIC)


def draw(model: Drai, real: list[Path], seed: int) -> Image.Image:
    """The figure: a row of samples a label, a walk between two labels, and a grid of swaps."""
    labels = model.labels[:7]
    across = list(real) or [model.sample(label, 1, seed=seed + 1)[0] for label in labels]
    down = list(real) or [model.sample(label, 1, seed=seed + 2)[0] for label in ("nv", "mel", "vasc")]
    rows = 2 + 1 + 1 + len(down)
    width = GAP + COLUMNS * (PANEL + GAP)
    figure = Figure(width, rows * (PANEL + GAP) + 3 * (CAPTION + GAP) + 16 + GAP)

    figure.heading("Samples of each label: drai sample --per-class 2")
    samples = [model.sample(label, 2, seed=seed) for label in labels]
    figure.row([pair[0] for pair in samples])
    figure.row([pair[1] for pair in samples], list(labels))

    start, end = (model.encode(model.sample(label, 1, seed=seed)) for label in ("nv", "mel"))
    shares = np.linspace(0, 1, COLUMNS)[:, None]
    content = (1 - shares) * start.content + shares * end.content
    figure.heading("A walk of content from nv to mel, style held: drai interpolate --along content")
    figure.row(list(model.generate(content, np.repeat(start.style, COLUMNS, 0))))

    kind = "real images, at the model's size" if real else "synthetic images"
    figure.heading(f"Swaps of {kind}: content from above, style from the left: drai interpolate --grid")
    codes, styles = model.encode(across), model.encode(down)
    shown = model.generate(codes.content, codes.style) if real else across
    figure.row([None, *shown])
    for index, source in enumerate(model.generate(styles.content, styles.style) if real else down):
        swapped = model.generate(codes.content, np.repeat(styles.style[index : index + 1], len(across), 0))
        figure.row([source, *swapped])
    return figure.image


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", help="WEIGHTS of a lesion model (default: the bundled one)")
    parser.add_argument(
        "--real", type=Path, action="append", default=[], help="an image to swap (.png), at most 7"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if len(given.real) > 7:
        parser.error("at most 7 images with --real")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    marks = PngInfo()
    if not given.real:  # as every image that drai makes says of itself
        marks.add_text("synthetic", "yes")
    figure = draw(Drai.from_pretrained(given.weights), given.real, given.seed)
    figure.save(given.out, optimize=True, pnginfo=marks)
    print(given.out)


if __name__ == "__main__":
    main()
