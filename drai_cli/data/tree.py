"""The files under a folder: which are images, which must not be touched. Decodes nothing.

Hidden names (`.DS_Store`, `._x.jpg`) and `__MACOSX` are no part of a set. Symbolic links are followed only to
files inside the tree; pipes, sockets and devices are never opened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from drai_cli.data.image_set import Batch, Entry, Stamp, in_batches
from drai_cli.errors import InputError
from drai_cli.io.dicom.file import SUFFIXES as DICOM_SUFFIXES
from drai_cli.io.dicom.file import is_dicom
from drai_cli.io.dicom.series import DICOMDIR
from drai_cli.io.image import Image
from drai_cli.io.nifti.read import SUFFIXES as NIFTI_SUFFIXES
from drai_cli.io.raster import SUFFIXES, decode_image, read_image

MAX_IMAGES = 5_000_000
MEDICAL_SUFFIXES = (*DICOM_SUFFIXES, *NIFTI_SUFFIXES)


@dataclass
class Tree:
    """What lies under a folder.

    Attributes:
        root: The folder.
        images: Image files, relative to the root with `/`, sorted.
        skipped: Image files and folders that may not be used, with the reason.
        others: Number of other files by suffix.
        folders: The folders directly under the root.
        dicom: DICOM files, by their suffix; those without one by how they begin.
        nifti: NIfTI files.
    """

    root: Path
    images: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    folders: list[str] = field(default_factory=list)
    dicom: list[str] = field(default_factory=list)
    nifti: list[str] = field(default_factory=list)


def walk(root: Path) -> Tree:
    """Lists the files under a folder.

    Raises:
        InputError: The root cannot be listed, or holds more than `MAX_IMAGES` images.
    """
    tree = Tree(root)
    real_root = root.resolve()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root / folder) as scan:
                found = sorted(scan, key=lambda item: item.name)
        except OSError as error:
            reason = f"cannot be listed ({(error.strerror or 'unknown').lower()})"
            if not folder:
                raise InputError(root, reason) from error
            tree.skipped.append((folder, reason))
            continue
        for item in found:
            if item.name.startswith(".") or item.name == "__MACOSX":
                continue
            name = f"{folder}/{item.name}" if folder else item.name
            _sort_in(tree, item, name, real_root, waiting)
        if len(tree.images) > MAX_IMAGES:
            raise InputError(root, f"expected at most {MAX_IMAGES} images, got more")
    for names in (tree.images, tree.dicom, tree.nifti):
        names.sort()
    return tree


def _sort_in(tree: Tree, item: os.DirEntry[str], name: str, real_root: Path, waiting: list[str]) -> None:
    """Puts one directory entry where it belongs."""
    suffix = PurePosixPath(item.name).suffix.lower()
    if item.is_symlink():
        refusal = _link_refusal(tree.root / name, real_root)
        if refusal is not None:
            if suffix in (*SUFFIXES, *MEDICAL_SUFFIXES) or refusal.endswith("folder"):
                tree.skipped.append((name, refusal))
            else:
                tree.others[suffix or "without suffix"] += 1
            return
    elif item.is_dir(follow_symlinks=False):
        if "/" not in name:
            tree.folders.append(name)
        waiting.append(name)
        return
    found = _list_for(tree, item, suffix)
    if found is None:
        tree.others[suffix or "without suffix"] += 1
    elif not item.is_file():
        tree.skipped.append((name, "not a regular file"))
    elif not _is_utf8(name):
        tree.skipped.append((name, "its name is not UTF-8"))
    else:
        found.append(name)


def _list_for(tree: Tree, item: os.DirEntry[str], suffix: str) -> list[str] | None:
    """Where a file belongs; None for one that is no image."""
    lower = item.name.lower()
    if suffix in SUFFIXES:
        return tree.images
    if lower.endswith(NIFTI_SUFFIXES):
        return tree.nifti
    if lower.endswith(DICOM_SUFFIXES):
        return tree.dicom
    # Scanners write no suffix, or the last number of a UID where one is due.
    is_bare = not suffix or suffix[1:].isdigit()
    if is_bare and lower != DICOMDIR.lower() and item.is_file() and is_dicom(Path(item.path)):
        return tree.dicom
    return None


def _link_refusal(path: Path, real_root: Path) -> str | None:
    """Why a symbolic link is not followed, or None."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return "a symbolic link to nothing"
    inside = target.is_relative_to(real_root)
    if target.is_dir():
        return "a symbolic link to a folder" if inside else "a symbolic link out of the set, to a folder"
    return None if inside else "a symbolic link out of the set"


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class FilePixels:
    """Images that are files under a root, as `walk` found them."""

    root: Path
    holds_interpreter = False

    def read(self, entry: Entry) -> Image:
        """Decodes one image; raises InputError if it cannot be read."""
        return read_image(self.root / entry.name)

    def file_of(self, entry: Entry) -> str:
        """The file that holds an image, relative to the set's root with `/`."""
        return entry.name

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """A few files at a time."""
        return in_batches((entry, partial(decode_image, self.root / entry.name)) for entry in entries)

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        """Names, sizes and times of the files; zeros for one that is gone (its reading will say so)."""
        for entry in entries:
            try:
                status = os.stat(self.root / entry.name)
            except OSError:
                yield Stamp(entry.name, 0, 0, 0)
            else:
                yield Stamp(entry.name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
