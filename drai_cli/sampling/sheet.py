"""The contact sheet of a `sample` job: its first images of each label, drawn again from the model. Reads no image."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from drai_cli import __version__
from drai_cli.errors import OverwriteError, UsageError
from drai_cli.inference.sampler import Sampler
from drai_cli.io.files import atomic_writer, open_regular
from drai_cli.io.png import encode_png
from drai_cli.output.figure import draw_figure
from drai_cli.output.folder import check_file, make_parent
from drai_cli.output.marks import synthetic_marks
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.job import PixelOptions
from drai_cli.sampling.plan import Item, Plan
from drai_cli.settings.image_options import SampleOptions

_COLUMNS = 8
_FEWEST_ROWS = 4
_MOST_LABELS = 24
_SIDE = 96


def check_sheet(options: SampleOptions) -> None:
    """Checks before the work that the sheet may be written.

    Raises:
        UsageError: It is no `.png`, or lies in the output, which holds nothing but what its tables list.
        OverwriteError: It exists, and the output does not.
        InputError: Its folder neither exists nor can be made.
    """
    sheet = options.sheet
    if sheet is None:
        return
    if sheet.suffix.lower() != ".png":
        raise UsageError(f"--sheet {sheet}", "expected a name that ends in .png", "--sheet sheet.png")
    if sheet.resolve().is_relative_to(options.out.resolve()):
        raise UsageError(f"--sheet {sheet}", "expected a file outside of --out", f"--sheet {sheet.name}")
    # The same command again makes the same sheet.
    check_file(sheet, options.overwrite or options.out.exists(), "--sheet")


def write_sheet(
    path: Path,
    sampler: Sampler,
    plan: Plan,
    pixels: PixelOptions,
    style: np.ndarray | None,
    rejected: Collection[str],
    *,
    overwrite: bool,
) -> None:
    """Draws and writes the sheet: rows of labels, each named.

    Args:
        path: Where to.
        sampler: The model.
        plan: All images of the job.
        pixels: What decides them.
        style: One style for all images; None: a random style for each.
        rejected: Names of the images that were left out.
        overwrite: Whether another file of that name is replaced.

    Raises:
        OverwriteError: Another file has the name.
        InputError: It cannot be written.
    """
    labels = list(plan.counts)[:_MOST_LABELS]
    rows = max(1, _FEWEST_ROWS // len(labels))
    chosen = _choose(plan, labels, rows * _COLUMNS, rejected)
    items = [item for label in labels for item in chosen[label]]
    columns = min(_COLUMNS, max(map(len, chosen.values())))
    panels, names, position = [], [], 0
    if items:
        images, _, _ = draw_images(sampler, items, pixels.seed, pixels.truncation, style)
        blank = np.full_like(images[0], np.iinfo(images.dtype).max)
        for label in labels:
            count = len(chosen[label])
            shown = list(images[position : position + count])
            shown += [blank] * (-count % columns)
            panels += [("", image) for image in shown]
            names += [label, *[""] * (len(shown) // columns - 1)][: len(shown) // columns]
            position += count
    else:
        size, channels = sampler.header.architecture.image_size, sampler.header.architecture.image_channels
        panels, names = [("", np.full((size, size, channels), 255, np.uint8))], ["no images"]
    figure = draw_figure(
        panels, max(1, columns), _SIDE, row_names=names, note=_note(plan, len(labels), pixels.seed)
    )
    data = encode_png(
        figure, synthetic_marks(sampler.sha256, made_by="sample", seed=str(pixels.seed)), level=9
    )
    if path.exists() and not overwrite:
        with open_regular(path) as file:
            if file.read(len(data) + 1) != data:
                raise OverwriteError(
                    path, "another file has this name", "choose another --sheet, or --overwrite"
                )
        return
    make_parent(path)
    with atomic_writer(path) as file:
        file.write(data)


def _choose(plan: Plan, labels: list[str], most: int, rejected: Collection[str]) -> dict[str, list[Item]]:
    """The first images of each label that were not left out."""
    chosen: dict[str, list[Item]] = {label: [] for label in labels}
    unfinished = set(labels)
    for item in plan.items(0, plan.total):
        if not unfinished:
            break
        if item.label in unfinished and plan.file_name(item) not in rejected:
            chosen[item.label].append(item)
            if len(chosen[item.label]) == min(most, plan.counts[item.label]):
                unfinished.remove(item.label)
    return {label: sorted(items, key=lambda item: item.index) for label, items in chosen.items()}


def _note(plan: Plan, shown: int, seed: int) -> str:
    others = len(plan.counts) - shown
    further = f" {others} further labels are not shown." if others else ""
    return f"The first of {plan.total} synthetic images, made by drai {__version__}, seed {seed}.{further}"
