"""A folder of real images for the map: found, read at the model's size, at most some hundreds. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt

from drai_cli.data.image_set import Entry, ImageSet, SetOptions
from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import walk
from drai_cli.errors import InputError, UsageError
from drai_cli.inference.input_images import read_for_model, stack_pixels
from drai_cli.io.image import fit_to_square
from drai_cli.model_file.header import ModelHeader, model_fit
from drai_cli.progress import Reporter

MOST = 400
_MOST_NAMED = 3


@dataclass(frozen=True)
class RealImages:
    """Real images at the model's size.

    Attributes:
        names: Of each, relative to the folder.
        values: Label and attributes of each, as the data set has them; empty where nothing is known.
        pixels: `[images, size, size, channels]`.
    """

    names: tuple[str, ...]
    values: tuple[Mapping[str, str], ...]
    pixels: UInt[np.ndarray, "images height width channels"]


def load_real_images(path: Path, header: ModelHeader, reporter: Reporter) -> RealImages:
    """Reads a data set of any kind, or a folder of images without labels.

    Args:
        path: The folder or file.
        header: Of the model.
        reporter: Told how many are shown, and what cannot be read.

    Raises:
        InputError: There is no image that can be read.
    """
    try:
        conditions = tuple(attribute.name for attribute in header.schema.attributes[1:])
        image_set: ImageSet | None = find_image_set(
            path, SetOptions(conditions=conditions), reporter=reporter
        )
    except (InputError, UsageError):
        try:
            image_set = find_image_set(path, SetOptions(), reporter=reporter)
        except (InputError, UsageError) as error:
            image_set = None
            reporter.warn(f"{path}: taken as images without labels ({error.message})")
    entries = (
        [Entry(name, {}, name) for name in sorted(walk(path).names)]
        if image_set is None
        else list(image_set.entries)
    )
    # Spread over the set, which is in the order of labels or of names.
    rows = np.linspace(0, len(entries) - 1, min(MOST, len(entries))).round().astype(int)
    if len(entries) > MOST:
        reporter.info(f"the map shows {MOST} of {len(entries)} images of {path}, evenly over the set")
    names, values, pixels, unread = [], [], [], []
    with reporter.task("reading", len(rows), "images") as task:
        for row in rows:
            entry = entries[row]
            try:
                pixels.append(_read(path, entry, image_set, header))
            except InputError as error:
                unread.append(f"{entry.name}: {error.message}")
            else:
                names.append(entry.name)
                values.append(entry.values)
            task.advance()
    if unread:
        more = f" and {len(unread) - _MOST_NAMED} more" if len(unread) > _MOST_NAMED else ""
        reporter.warn(f"{len(unread)} images are left out: {'; '.join(unread[:_MOST_NAMED])}{more}")
    if not pixels:
        raise InputError(path, "expected images, got none that can be read", "drai inspect says why")
    return RealImages(tuple(names), tuple(values), stack_pixels(pixels))


def _read(path: Path, entry: Entry, image_set: ImageSet | None, header: ModelHeader) -> np.ndarray:
    fit, shape = model_fit(header), header.architecture
    file = (path if image_set is None else image_set.root) / entry.name
    if file.is_file():
        return read_for_model(file, header, fit).pixels
    if image_set is None:
        raise InputError(entry.name, "no such file")
    return fit_to_square(image_set.read(entry), shape.image_size, shape.image_channels, fit)
