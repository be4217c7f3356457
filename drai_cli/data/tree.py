"""The files under a folder: which are images, which must not be touched. Decodes nothing.

Hidden names (`.DS_Store`, `._x.jpg`) and what systems leave in folders (`__MACOSX`, `Thumbs.db`) are ignored.
Symbolic links are followed only to files inside the tree; pipes, sockets and devices are never opened.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from drai_cli.data.archive import SUFFIXES as ARCHIVE_SUFFIXES
from drai_cli.data.image_set import BATCH, Batch, Entry, Read, Stamp
from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.io.format import Format
from drai_cli.io.grey import GreyWindow, is_deep
from drai_cli.io.image import Image
from drai_cli.io.raster import may_be_deep_grey
from drai_cli.io.read import decode_frame, decode_image, decode_stack
from drai_cli.io.registry import format_by_suffix
from drai_cli.io.stack import Stack, blend_over_black
from drai_cli.io.window import frame_image
from drai_cli.tables.table import is_table

MAX_IMAGES = 5_000_000
_LEFT_BY_SYSTEMS = frozenset(
    {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "ehthumbs.db"}
)
_LIST_SUFFIXES = (".txt", ".lst", ".list", ".csv", ".tsv")


@dataclass
class Tree:
    """What lies under a folder.

    Attributes:
        root: The folder.
        images: Plain image files, relative to the root with `/`, sorted.
        medical: Files of each medical format, by its name: by their suffix, and those without one by their content.
        skipped: Image files and folders that may not be used, with the reason.
        tables: Files whose names are those of tables, sorted.
        lists: Files that may list names, sorted.
        archives: Zip and tar files, sorted.
        others: Number of other files by suffix.
        folders: The folders directly under the root.
    """

    root: Path
    images: list[str] = field(default_factory=list)
    medical: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    skipped: list[tuple[str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    folders: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Image files of all formats."""
        return [*self.images, *(name for names in self.medical.values() for name in names)]

    def count_other(self, name: str) -> None:
        """Counts a file that is no image."""
        self.others[PurePosixPath(name).suffix.lower() or "without suffix"] += 1


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
                items = sorted(scan, key=lambda item: item.name)
        except OSError as error:
            reason = f"cannot be listed ({(error.strerror or 'unknown').lower()})"
            if not folder:
                raise InputError(root, reason) from error
            tree.skipped.append((folder, reason))
            continue
        for item in items:
            if item.name.startswith((".", "~$")) or item.name.lower() in _LEFT_BY_SYSTEMS:
                continue
            name = f"{folder}/{item.name}" if folder else item.name
            _sort_in(tree, item, name, real_root, waiting)
        if len(tree.images) > MAX_IMAGES:
            raise InputError(root, f"expected at most {MAX_IMAGES} images, got more")
    for names in (tree.images, *tree.medical.values(), tree.tables, tree.lists, tree.archives):
        names.sort()
    return tree


def _sort_in(tree: Tree, item: os.DirEntry[str], name: str, real_root: Path, waiting: list[str]) -> None:
    """Puts one directory entry where it belongs."""
    format = format_by_suffix(item.name)
    if item.is_symlink():
        refusal = _link_refusal(tree.root / name, real_root)
        if refusal is not None:
            if format is not None or refusal.endswith("folder"):
                tree.skipped.append((name, refusal))
            else:
                tree.count_other(name)
            return
    elif item.is_dir(follow_symlinks=False):
        if "/" not in name:
            tree.folders.append(name)
        waiting.append(name)
        return
    if format is not None and format.is_shared_suffix and format.is_content is not None:
        format = format if item.is_file() and format.is_content(Path(item.path)) else None
    format = format or _format_of_bare_file(item)
    if format is None:
        tree.count_other(name)
        if _is_utf8(name) and item.is_file():
            if is_table(item.name):
                tree.tables.append(name)
            if item.name.lower().endswith(_LIST_SUFFIXES):
                tree.lists.append(name)
            if item.name.lower().endswith(ARCHIVE_SUFFIXES):
                tree.archives.append(name)
    elif not item.is_file():
        tree.skipped.append((name, "not a regular file"))
    elif not _is_utf8(name):
        tree.skipped.append((name, "its name is not UTF-8"))
    elif format.is_medical:
        tree.medical[format.name].append(name)
    else:
        tree.images.append(name)


def _format_of_bare_file(item: os.DirEntry[str]) -> Format | None:
    """The format of a file with no suffix, or with digits in its place; None for one that is no image."""
    suffix = PurePosixPath(item.name).suffix
    if (suffix and not suffix[1:].isdigit()) or not item.is_file():
        return None
    path = Path(item.path)
    return next((one for one in registry.FORMATS if one.is_bare_file and one.is_bare_file(path)), None)


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
    """Images that are files under a root, as `walk` found them, or frames of such files: `scan.tif#2`, from 0.

    Attributes:
        root: The set's folder.
        grey: How grey becomes levels; None: 8 and 16 bits are levels.
    """

    root: Path
    grey: GreyWindow | None = None
    holds_interpreter = False

    def file_of(self, entry: Entry) -> str:
        """The file that holds an image, relative to the set's root with `/`."""
        return split_frame(entry.name)[0]

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """A few files at a time; all frames of a file that follow one another."""
        batch: list[tuple[Entry, Read]] = []
        last, frames = "", None
        for entry in entries:
            file, frame = split_frame(entry.name)
            if frame is None or file != last:
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
                last, frames = file, None if frame is None else _Frames(self.root / file)
            if frames is None or frame is None:
                batch.append((entry, partial(self._image, self.root / file)))
            else:
                batch.append((entry, partial(self._frame, frames, frame)))
        if batch:
            yield batch

    def deep_grey(self, entries: Iterable[Entry]) -> Iterator[Stack]:
        """Those of the images that are grey of more than 8 bits, their numbers as stored; unreadable ones left out."""
        for entry in entries:
            file, frame = split_frame(entry.name)
            with suppress(InputError):
                if may_be_deep_grey(self.root / file) and is_deep(
                    stack := decode_frame(self.root / file, frame)
                ):
                    yield stack

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        """Names, sizes and times of the files."""
        return stamp_files(self.root, ((entry.name, self.file_of(entry)) for entry in entries))

    def _image(self, path: Path) -> Image:
        return decode_image(path) if self.grey is None else self.grey.image(decode_frame(path))

    def _frame(self, frames: _Frames, frame: int) -> Image:
        stack = frames.stack(frame)
        return frame_image(stack, 0) if self.grey is None else self.grey.image(stack)


@dataclass
class _Frames:
    """A file of several frames that is decoded when its first one is read."""

    path: Path
    _found: Stack | InputError | None = None

    def stack(self, frame: int) -> Stack:
        if self._found is None:
            try:
                self._found = blend_over_black(decode_stack(self.path))
            except InputError as error:
                self._found = error
        if isinstance(self._found, InputError):
            raise self._found
        count = len(self._found.array)
        if not 0 <= frame < count:
            raise InputError(self._found.source, f"expected a frame from 0 to {count - 1}, got {frame}")
        return self._found.frame(frame)


def split_frame(name: str) -> tuple[str, int | None]:
    """File and frame of an image's name: `scan.tif#2` is frame 2 of `scan.tif`; None: the file's only one."""
    file, mark, frame = name.rpartition("#")
    if mark and frame.isdecimal() and format_by_suffix(file) is not None:
        return file, int(frame)
    return name, None


def stamp_files(root: Path, files: Iterable[tuple[str, str]]) -> Iterator[Stamp]:
    """Sizes and times of files, zeros for one that is gone (its reading will say so), each under a name.

    Args:
        root: Their folder.
        files: Name of the stamp, and file relative to the root.
    """
    for name, file in files:
        try:
            status = os.stat(root / file)
        except OSError:
            yield Stamp(name, 0, 0, 0)
        else:
            yield Stamp(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
