"""Decoded and resized images on disk, memory-mapped, so that training decodes nothing.

A cache is a folder named by a key, the hash of all it was made from: names, sizes and times of the files, and the
options. Another input has another key, so a cache is never stale. It is built under a temporary name and renamed when
complete. If two processes build it at once, the second waits and uses the cache of the first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt

from drai_cli.data.image_set import Entry, ImageSet
from drai_cli.data.reading import Unreadable, hash_pixels, list_first, read_all
from drai_cli.errors import InputError
from drai_cli.io.durable import make_private_folders, sync_folder
from drai_cli.io.files import explain_os_error
from drai_cli.io.image import Fit, Image, fit_to_square, is_grey, to_channels
from drai_cli.io.locks import hold_lock, is_held, remove_left_lock
from drai_cli.io.room import check_room
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import Channels

MAX_UNREADABLE = 0.01
"""Share of a set's images that may be unreadable."""

_FORMAT = 2  # TIFF was turned and inverted otherwise in 1
_IMAGES, _INDEX = "images.raw", "index.json"
_OTHER_PLACE = "name a folder with free space by --cache-dir or $DRAI_CACHE"
_ABANDONED_S = 24 * 3600.0


@dataclass(frozen=True)
class ImageCache:
    """A set's images at one size.

    Attributes:
        images: uint8 or uint16, memory-mapped, read-only.
        entries: The image of each row.
        skipped: Images that could not be used, with the reason.
        digests: The sha256 of each row's pixels as decoded, before resizing.
        key: What it was made from.
        altered: What reading changed (alpha blended, depth reduced) to the names of the images.
    """

    images: UInt[np.ndarray, "images size size channels"]
    entries: tuple[Entry, ...]
    skipped: tuple[tuple[str, str], ...]
    digests: list[str]
    key: str
    altered: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """1 (grey) or 3 (RGB)."""
        return int(self.images.shape[-1])


def default_cache_dir() -> Path:
    """`$DRAI_CACHE`, else `$XDG_CACHE_HOME/drai`, else `~/.cache/drai`; InputError if there is no such folder."""
    if chosen := os.environ.get("DRAI_CACHE"):
        return Path(chosen)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "drai"
    try:
        return Path.home() / ".cache" / "drai"
    except RuntimeError as error:  # neither HOME nor an entry of this user
        raise InputError("the image cache", "this user has no home folder", _OTHER_PLACE) from error


def build_cache(
    image_set: ImageSet,
    *,
    size: int,
    channels: Channels = "auto",
    fit: Fit = "crop",
    cache_dir: Path | None = None,
    reporter: Reporter = SILENT,
) -> ImageCache:
    """The set's images at one size: built once, later only opened.

    Args:
        image_set: The set.
        size: Side in pixels.
        channels: 1, 3, or `auto`: 1 if every image is grey, else 3.
        fit: `crop` or `pad` to a square.
        cache_dir: Where caches are kept; `default_cache_dir()` if not given.
        reporter: Shown the progress and every image that is skipped.

    Raises:
        InputError: More than `MAX_UNREADABLE` of the images are unreadable, or the cache cannot be written.
    """
    cache_dir = default_cache_dir() if cache_dir is None else cache_dir
    key = _key(image_set, size, channels, fit)
    folder = cache_dir / f"images-{key[:32]}"
    lock = cache_dir / f".{folder.name}.lock"
    cache = _open(folder, image_set, key)
    if cache is not None:
        remove_left_lock(lock)  # of a process that was killed after its last rename
    else:
        try:
            make_private_folders(cache_dir)
            with hold_lock(lock, "drai", folder, lambda who: _wait(who, reporter)) as is_alone:
                if _open(folder, image_set, key) is None:
                    _remove_abandoned(folder, is_alone)
                    _build(folder, image_set, key, size, channels, fit, reporter)
        except OSError as error:
            raise InputError(
                cache_dir,
                f"the image cache cannot be written ({explain_os_error(error, cache_dir)})",
                _OTHER_PLACE,
            ) from error
        cache = _open(folder, image_set, key)
        if cache is None:
            raise InputError(folder, "the image cache is damaged", "remove this folder")
    _check_unreadable(image_set, cache.skipped)
    if cache.skipped:
        listed = "; ".join(f"{name}: {reason}" for name, reason in cache.skipped[:20])
        more = f"; and {len(cache.skipped) - 20} more" if len(cache.skipped) > 20 else ""
        reporter.warn(f"{len(cache.skipped)} images cannot be used and are skipped: {listed}{more}")
    for note, names in cache.altered.items():
        reporter.warn(f"{len(names)} images: {note} ({list_first(names, 3)})")
    if channels == "auto":
        what = (
            "1 channel: every image is grey" if cache.channels == 1 else "3 channels: not every image is grey"
        )
        reporter.info(f"images: {size} × {size}, {what}")
    return cache


def _key(image_set: ImageSet, size: int, channels: Channels, fit: Fit) -> str:
    digest = hashlib.sha256(
        json.dumps([_FORMAT, image_set.kind, size, channels, fit, image_set.settings]).encode()
    )
    for name, reason in image_set.skipped:
        digest.update(f"{name}\0{reason}\0".encode("utf-8", "surrogateescape"))
    for stamp in image_set.pixels.stamps(image_set.entries):
        line = f"{stamp.name}\0{stamp.size_bytes}\0{stamp.modified_ns}\0{stamp.changed_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _open(folder: Path, image_set: ImageSet, key: str) -> ImageCache | None:
    """The cache in a folder, or None where there is none or it is damaged."""
    try:
        index = json.loads((folder / _INDEX).read_text("utf-8"))
        shape, dtype = tuple(index["shape"]), np.dtype(index["dtype"])
        if index["key"] != key or dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
            return None
        if (folder / _IMAGES).stat().st_size != dtype.itemsize * int(np.prod(shape)):
            return None
        images = np.memmap(folder / _IMAGES, dtype, "r", shape=shape)
        by_name = {entry.name: entry for entry in image_set.entries}
        entries = tuple(by_name[name] for name in index["names"])
        skipped = tuple((str(name), str(reason)) for name, reason in index["skipped"])
        digests = [str(digest) for digest in index["digests"]]
        altered = {str(note): [str(name) for name in names] for note, names in index["altered"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    cache = ImageCache(images, entries, skipped, digests, key, altered)
    return cache if len(entries) == len(images) == len(digests) else None


def _build(
    folder: Path, image_set: ImageSet, key: str, size: int, channels: Channels, fit: Fit, reporter: Reporter
) -> None:
    """Decodes the set into a temporary folder and gives it its name."""
    least = len(image_set.entries) * size * size * (1 if channels == "auto" else channels)
    check_room(
        folder.parent, "the image cache", (1 - MAX_UNREADABLE) * least, least * (6 if channels == "auto" else 2),
        _OTHER_PLACE, reporter,
    )  # fmt: skip
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    temporary.mkdir(mode=0o700)
    try:
        names: list[str] = []
        digests: list[str] = []
        skipped = list(image_set.skipped)
        altered: dict[str, list[str]] = {}
        task = f"decoding to {size} px"
        readings = read_all(image_set, _Shrink(size, channels, fit), task=task, reporter=reporter)
        with closing(readings), open(temporary / _IMAGES, "xb+") as file:
            rows = _Rows(file, size, channels)
            for reading in readings:
                name = reading.entry.name
                if isinstance(reading.result, Unreadable):
                    skipped.append((name, reading.result.reason))
                    continue
                shrunk, digest, notes = reading.result
                rows.append(shrunk)
                names.append(name)
                digests.append(digest)
                for note in notes:
                    altered.setdefault(note, []).append(name)
            file.flush()
            os.fsync(file.fileno())
        _check_unreadable(image_set, skipped)
        index = {
            "key": key,
            "shape": rows.shape,
            "dtype": rows.dtype.name,
            "names": names,
            "skipped": skipped,
            "digests": digests,
            "altered": altered,
        }
        with open(temporary / _INDEX, "x", encoding="utf-8") as file_:
            json.dump(index, file_)
            file_.flush()
            os.fsync(file_.fileno())
        sync_folder(temporary)
        _publish(temporary, folder, image_set, key)
        for place in (folder.parent, folder.parent.parent):  # the second, where the first was made for it
            sync_folder(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _publish(temporary: Path, folder: Path, image_set: ImageSet, key: str) -> None:
    """Renames the finished folder unless a complete one has that name by now; a damaged one is replaced."""
    for _ in range(3):
        with contextlib.suppress(OSError):
            os.rename(temporary, folder)
            return
        if _open(folder, image_set, key) is not None:
            return
        damaged = folder.with_name(f".{folder.name}.damaged-{os.urandom(4).hex()}.tmp")
        with contextlib.suppress(FileNotFoundError):
            os.rename(folder, damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    os.rename(temporary, folder)


def _wait(who: str, reporter: Reporter) -> None:
    reporter.info(f"waiting for {who}, which decodes the same images")


def _remove_abandoned(folder: Path, is_alone: bool) -> None:
    """Removes what killed builds left: of this cache at once if no other process can build it, of any after a day."""
    for path in folder.parent.glob(".images-*.tmp"):
        with contextlib.suppress(OSError):
            is_ours = is_alone and path.name.startswith(f".{folder.name}.")
            lock = path.with_name(f"{path.name.rsplit('.', 2)[0]}.lock")  # a clock may jump, a lock does not
            is_old = time.time() - path.stat().st_mtime > _ABANDONED_S
            if is_ours or (is_old and not is_held(lock)):
                shutil.rmtree(path, ignore_errors=True)


Shrunk = tuple[np.ndarray, str, tuple[str, ...]]


@dataclass(frozen=True)
class _Shrink:
    """Makes of each image its row of the cache, its digest, and what reading changed."""

    size: int
    channels: Channels
    fit: Fit

    def __call__(self, image: Image) -> Shrunk:
        wanted = image.channels if self.channels == "auto" else self.channels
        shrunk = fit_to_square(image, self.size, wanted, self.fit)
        if self.channels == "auto" and is_grey(shrunk):
            shrunk = shrunk[..., :1]
        return shrunk, hash_pixels(image), image.notes


class _Rows:
    """A growing file of images of one type; all are rewritten at the first colour or 16-bit image."""

    def __init__(self, file: IO[bytes], size: int, channels: Channels) -> None:
        self._file = file
        self.shape: tuple[int, ...] = (0, size, size, 1 if channels == "auto" else channels)
        self.dtype: np.dtype[np.generic] = np.dtype(np.uint8)

    def append(self, image: UInt[np.ndarray, "size size channels"]) -> None:
        channels = max(self.shape[-1], image.shape[-1])
        dtype = max(self.dtype, image.dtype, key=lambda dtype: dtype.itemsize)
        if channels != self.shape[-1] or dtype != self.dtype:
            self._widen(channels, dtype)
        self._file.write(_widen_image(image, channels, dtype).tobytes())
        self.shape = (self.shape[0] + 1, *self.shape[1:])

    def _widen(self, channels: int, dtype: np.dtype[np.generic]) -> None:
        """Rewrites the images from the last to the first: each new position is at or after its old one."""
        old_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        new_shape = (self.shape[0], *self.shape[1:3], channels)
        new_bytes = int(np.prod(new_shape[1:])) * dtype.itemsize
        for row in reversed(range(self.shape[0])):
            self._file.seek(row * old_bytes)
            old = np.frombuffer(self._file.read(old_bytes), self.dtype).reshape(self.shape[1:])
            self._file.seek(row * new_bytes)
            self._file.write(_widen_image(old, channels, dtype).tobytes())
        self._file.seek(self.shape[0] * new_bytes)
        self.shape, self.dtype = new_shape, dtype


def _widen_image(image: np.ndarray, channels: int, dtype: np.dtype[np.generic]) -> np.ndarray:
    image = to_channels(image, channels)
    if image.dtype == dtype:
        return image
    return image.astype(np.uint16) * np.uint16(257)  # 255 becomes 65535


def _check_unreadable(image_set: ImageSet, skipped: Sequence[tuple[str, str]]) -> None:
    """Stops if too much of the set cannot be used."""
    total = len(image_set.entries) + len(image_set.skipped)
    if len(skipped) <= MAX_UNREADABLE * total:
        return
    listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:10])
    raise InputError(
        image_set.root,
        f"{len(skipped)} of {total} images cannot be used, more than {MAX_UNREADABLE:.0%}: "
        f"{listed}{'; …' if len(skipped) > 10 else ''}",
        f"repair or remove them; drai inspect {image_set.root} lists them all",
    )
