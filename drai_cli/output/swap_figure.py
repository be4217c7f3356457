"""The figure of a swap of two images: each image, its reconstruction and its content in the other's style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt

from drai_cli.inference.changed_labels import Contents
from drai_cli.inference.input_images import EncodedImages
from drai_cli.io.png import encode_png
from drai_cli.output.derived_images import DerivedImages
from drai_cli.output.figure import draw_figure, label_column
from drai_cli.output.swaps import Swap

FIGURE = "figure.png"
_NOTE = (
    "Content is what the model links to the label{column}. Style is all else that it varies: colour, brightness, "
    "place and direction, and also shape where shape does not tell the labels apart. A reconstruction is made from "
    "the codes of its own image: what is lost there is lost in the swap too, and is no effect of style."
)


def write_figure(
    stage: Path,
    swaps: Sequence[Swap],
    contents: Contents,
    encoded: EncodedImages,
    made: Sequence[UInt[np.ndarray, "size size channels"]],
    derived: DerivedImages,
    judge: Callable[[np.ndarray], Sequence[str]] | None,
) -> None:
    """Writes the figure: with the labels of the judge, if there is one, and with the masks, if the model makes any.

    Args:
        stage: Where to.
        swaps: a's content in b's style, and b's in a's.
        contents: Of both.
        encoded: The images given.
        made: The swaps' levels, with those of their masks after the intensities.
        derived: How images are written.
        judge: The label that a classifier of real images assigns to each image.
    """
    inference = derived.inference
    header = inference.header
    count = header.architecture.image_channels
    again = inference.generate(
        contents, encoded.codes.style[[swap.content for swap in swaps]], with_masks=True
    )
    panels = []
    for letter, other, swap, reconstructed, swapped in zip("ab", "ba", swaps, again, made, strict=True):
        real = encoded.images[swap.content]
        panels += [
            (f"{letter}: {real.name}", real.pixels),
            (f"{letter}, reconstructed (synthetic)", reconstructed[..., :count]),
            (f"content of {letter}{_as_label(swap)}, style of {other} (synthetic)", swapped[..., :count]),
        ]
    note = _NOTE.format(column=label_column(header.schema.label.name))
    if judge is not None:
        labels = judge(np.stack([pixels for _, pixels in panels]))
        panels = [
            (f"{text}, judged {label}", pixels) for (text, pixels), label in zip(panels, labels, strict=True)
        ]
        note += " Judged: the label that the run's classifier of real images assigns."
    columns = 3
    if header.mask_names:
        note += f" Masks ({', '.join(header.mask_names)}): made with the synthetic image on their left."
        panels = [
            panel
            for row, levels in enumerate(zip(again, made, strict=True))
            for panel in _with_masks(panels[3 * row : 3 * row + 3], levels, count)
        ]
        columns = 5
    figure = draw_figure(panels, columns, note=note)
    (stage / FIGURE).write_bytes(encode_png(figure, derived.figure_marks, level=6))


Panel = tuple[str, np.ndarray]


def _with_masks(row: Sequence[Panel], levels: Sequence[np.ndarray], count: int) -> list[Panel]:
    """A row of the figure with the masks of both synthetic images on their right."""
    again, swapped = (draw_masks(one, count) for one in levels)
    return [row[0], row[1], ("its masks", again), row[2], ("its masks", swapped)]


def draw_masks(
    levels: UInt[np.ndarray, "height width channels"], count: int
) -> UInt[np.ndarray, "height width intensities"]:
    """The masks after `count` intensities as one picture: outside black, of several masks the later the brighter."""
    top = np.iinfo(levels.dtype).max
    inside = levels[..., count:] > top // 2
    shades = np.arange(1, inside.shape[2] + 1) * top // inside.shape[2]
    picture = (inside * shades).max(2).astype(levels.dtype)
    return np.repeat(picture[..., None], count, 2)


def _as_label(swap: Swap) -> str:
    """The changed label, for a caption; empty if no label is changed."""
    return f" as {swap.label_after}" if swap.change else ""
