"""Masks as arrays: decoded, joined over readers, and made to fit as their images are. Kept in the cache of images.

Each mask of each image is cached as one grey image, so it is cropped, resized and kept exactly as images are. At an
edge the level is the share of the pixel that lies inside.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from drai_cli.data.cache import build_cache
from drai_cli.data.image_set import Batch, Entry, ImageSet, Stamp
from drai_cli.data.mask_files import MaskFiles
from drai_cli.data.tree import stamp_files
from drai_cli.errors import InputError
from drai_cli.io.image import Fit, Image
from drai_cli.io.read import decode_frame
from drai_cli.progress import SILENT, Reporter

_GREY_FROM = 16
"""A mask with more values than this, up to 255, is a grey picture: lossy files blur the edge."""
GREY = "masks that hold grey values, as lossy files do, were cut at half of white"
EMPTY = "empty masks"


def load_masks(
    masks: MaskFiles,
    entries: Sequence[Entry],
    *,
    size: int,
    fit: Fit = "crop",
    cache_dir: Path | None = None,
    reporter: Reporter = SILENT,
) -> UInt8[np.ndarray, "images size size masks"]:
    """The masks of images at one size, memory-mapped, 0 outside and 255 inside.

    Args:
        masks: Where they are.
        entries: The images.
        size: Side in pixels.
        fit: How images are made square.
        cache_dir: Where caches are kept.
        reporter: Shown the progress, and what reading changed.

    Raises:
        InputError: A mask that cannot be used, or one with a value that no name has.
    """
    by_entry = {
        _name(entry, name): (entry, place) for entry in entries for place, name in enumerate(masks.names)
    }
    listed = tuple(Entry(name, {}, name) for name in by_entry)
    foreground = _foreground(masks, entries)
    settings = json.dumps([masks.names, masks.values, masks.is_bits, masks.readers, foreground])
    pixels = MaskPixels(masks, by_entry, foreground)
    as_set = ImageSet("masks", masks.root, "", (), None, listed, pixels, settings=settings)
    hint = "repair it, or move it away: --missing-masks then decides about its image"
    try:
        cache = build_cache(as_set, size=size, channels=1, fit=fit, cache_dir=cache_dir, reporter=reporter)
    except InputError as error:
        if error.subject == str(masks.root):
            raise InputError(error.subject, error.message, hint) from error
        raise
    if cache.skipped:
        name, reason = cache.skipped[0]
        raise InputError(
            masks.root, f"{len(cache.skipped)} masks cannot be used, such as {name}: {reason}", hint
        )
    by_image = cache.images.reshape(len(entries), len(masks.names), size, size)
    return by_image.transpose(0, 2, 3, 1)


def _name(entry: Entry, mask: str) -> str:
    return f"{entry.name}: {mask}"


def _foreground(masks: MaskFiles, entries: Sequence[Entry]) -> int:
    """The one value beside 0 that masks without names of values hold: that of the first that is not empty."""
    if masks.values or masks.is_bits:
        return 0
    for name in (name for entry in entries for one in masks.files[entry.name] for name in one):
        try:
            values = np.unique(_read(masks.root / name))
        except InputError:
            continue  # decoding says why
        if values[-1] and len(values) <= _GREY_FROM:
            return int(values[-1])
    return 255


@dataclass(frozen=True)
class MaskPixels:
    """Decodes masks as the images of a set; see `image_set.Pixels`.

    Attributes:
        masks: Where they are.
        places: Image, and number of the mask, by the name of an entry.
        foreground: The value beside 0 that is inside.
    """

    masks: MaskFiles
    places: dict[str, tuple[Entry, int]]
    foreground: int

    @property
    def holds_interpreter(self) -> bool:
        return False

    def file_of(self, entry: Entry) -> str:
        return next(iter(self._files(entry)), "")

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """The masks of one image after the other, so that a file is decoded once."""
        batch: list[tuple[Entry, partial[Image]]] = []
        last, decoded = "", _Decoded(self.masks.root)
        for entry in entries:
            image, place = self.places[entry.name]
            if image.name != last and batch:
                yield batch
                batch, decoded = [], _Decoded(self.masks.root)
            last = image.name
            batch.append((entry, partial(self._region, entry, place, decoded)))
        if batch:
            yield batch

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        for entry in entries:
            files = self._files(entry)
            if not files:
                yield Stamp(entry.name, 0, 0, 0)
            yield from stamp_files(self.masks.root, ((f"{entry.name}\0{name}", name) for name in files))

    def _files(self, entry: Entry) -> tuple[str, ...]:
        image, place = self.places[entry.name]
        files = self.masks.files[image.name]
        return files[place] if len(files) > 1 else files[0]

    def _region(self, entry: Entry, place: int, decoded: _Decoded) -> Image:
        """One mask of one image as a grey image, 0 outside and 255 inside."""
        files = self._files(entry)
        if not files:
            return Image(np.zeros((1, 1), np.uint8), source=entry.name, notes=(EMPTY,))
        outlines: list[Bool[np.ndarray, "height width"]] = []
        notes: list[str] = []
        for name in files:
            array = decoded.read(name)
            if outlines and array.shape != outlines[0].shape:
                raise InputError(name, "another file of this mask has another size")
            if self.masks.is_bits:
                drawn = np.bitwise_or.reduce(array, axis=None)
                readers = [bit for bit in range(16) if drawn >> bit & 1]
                outlines += [array >> bit & 1 > 0 for bit in readers] or [array > 0]
            elif self.masks.values:
                self._check_values(name, array)
                outlines.append(np.isin(array, self.masks.values[place]))
            else:
                outlines.append(self._is_inside(name, array, notes))
        region = join_readers(outlines, self.masks.readers)
        if not region.any():
            notes.append(EMPTY)
        return Image(
            region.astype(np.uint8) * np.uint8(255), source=entry.name, notes=tuple(dict.fromkeys(notes))
        )

    def _check_values(self, name: str, array: np.ndarray) -> None:
        named = {value for values in self.masks.values for value in values}
        unknown = sorted(set(np.unique(array).tolist()) - named - {0})
        if unknown:
            raise InputError(
                name,
                f"value {unknown[0]} has no name (--mask-names {unknown[0]}=NAME gives it one, and "
                f"--mask-names {unknown[0]}= leaves it out)",
            )

    def _is_inside(self, name: str, array: np.ndarray, notes: list[str]) -> Bool[np.ndarray, "height width"]:
        values = np.unique(array)
        if len(values) > _GREY_FROM and values[-1] <= 255:
            notes.append(GREY)
            return np.asarray(array >= 128)
        others = sorted(set(values.tolist()) - {0, self.foreground})
        if others:
            raise InputError(
                name,
                f"value {others[0]} besides 0 and {self.foreground}: several regions are told apart by "
                f"--mask-names {others[0]}=NAME, and readers that share a file by --mask-bits",
            )
        return np.asarray(array > 0)


@dataclass
class _Decoded:
    """The files of one image's masks, each decoded once."""

    root: Path
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def read(self, name: str) -> Integer[np.ndarray, "height width"]:
        if name not in self.arrays:
            self.arrays[name] = _read(self.root / name)
        return self.arrays[name]


def _read(path: Path) -> Integer[np.ndarray, "height width"]:
    """The values of a mask file.

    Raises:
        InputError: It cannot be read, or holds colours or fractions.
    """
    array = decode_frame(path).array[0]
    if array.ndim == 3:
        if not (
            np.array_equal(array[..., 0], array[..., 1]) and np.array_equal(array[..., 0], array[..., 2])
        ):
            raise InputError(
                path,
                "expected one value per pixel, got colours",
                "save label values as grey levels, without a palette",
            )
        array = array[..., 0]
    whole = array.astype(np.int64) if array.dtype != np.bool_ else array * np.int64(255)
    if not np.array_equal(whole, array) and array.dtype != np.bool_:
        raise InputError(path, "expected whole numbers, got fractions")
    if whole.min() < 0 or whole.max() > 65535:
        raise InputError(path, f"expected values from 0 to 65535, got {whole.min()} to {whole.max()}")
    return np.asarray(whole)


def join_readers(
    outlines: Sequence[Bool[np.ndarray, "height width"]], how: str
) -> Bool[np.ndarray, "height width"]:
    """One region of several readers' outlines.

    Args:
        outlines: At least one.
        how: `majority` (at least half of them, as LIDC's consensus of 50 %), `any` or `all`.
    """
    votes = np.sum(np.stack(outlines), axis=0)
    least = {"majority": (len(outlines) + 1) // 2, "any": 1, "all": len(outlines)}[how]
    return np.asarray(votes >= least)
