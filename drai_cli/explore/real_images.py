"""A folder of real images for the map: found, read at the model's size, at most some hundreds. Imports no torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt

from drai_cli.data.image_set import Entry, ImageSet, Read, SetOptions
from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import walk
from drai_cli.errors import InputError, UsageError
from drai_cli.inference.input_images import read_for_model, stack_pixels
from drai_cli.io.image import fit_to_square
from drai_cli.machine.memory import raise_if_short
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


def load_real_images(
    path: Path, header: ModelHeader, reporter: Reporter, options: SetOptions | None = None
) -> RealImages:
    """Reads a data set of any kind, or a folder of images without labels.

    Args:
        path: The folder or file.
        header: Of the model.
        reporter: Told how many are shown, and what cannot be read.
        options: How the set is to be understood; with any of them it has to be a set.

    Raises:
        InputError: There is no image that can be read, or no set as the options say.
        UsageError: Options that do not go with what is there.
    """
    options = options or SetOptions()
    conditions = tuple(attribute.name for attribute in header.schema.attributes[1:])
    image_set: ImageSet | None = None
    try:
        image_set = find_image_set(path, replace(options, conditions=conditions), reporter=reporter)
    except (InputError, UsageError):
        try:
            image_set = find_image_set(path, options, reporter=reporter)
        except (InputError, UsageError) as error:
            if options != SetOptions():
                raise
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
    chosen = [entries[row] for row in rows]
    names, values, pixels, unread = [], [], [], []
    with reporter.task("reading", len(chosen), "images") as task:
        for entry, read in _reads(path, chosen, image_set, header):
            try:
                pixels.append(read())
            except InputError as error:
                raise_if_short(error, entry.name)
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


def _reads(
    path: Path, entries: Sequence[Entry], image_set: ImageSet | None, header: ModelHeader
) -> Iterator[tuple[Entry, Callable[[], np.ndarray]]]:
    """Entries, each with what reads its pixels: files as any image for a model, all else as the set decodes it."""
    fit, shape = model_fit(header), header.architecture
    root = path if image_set is None else image_set.root
    others = []
    for entry in entries:
        file = root / entry.name
        if image_set is None or file.is_file():
            yield entry, lambda file=file: read_for_model(file, header, fit).pixels  # type: ignore[misc]
        else:
            others.append(entry)
    if image_set is None or not others:
        return
    for batch in image_set.pixels.batches(others):
        for entry, read in batch:

            def fitted(read: Read = read) -> np.ndarray:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return fit_to_square(read(), shape.image_size, shape.image_channels, fit)

            yield entry, fitted
