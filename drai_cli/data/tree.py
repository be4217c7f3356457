"""The files under a folder: which are images, which must not be touched. Decodes nothing.

Hidden names (`.DS_Store`, `._x.jpg`) and what systems leave in folders (`__MACOSX`, `Thumbs.db`) are ignored.
Symbolic links are followed only to files inside the tree; pipes, sockets and devices are never opened.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from drai_cli.data.image_set import Batch, Entry, Read, Stamp, group_reads
from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.io.format import Format
from drai_cli.io.read import decode_image
from drai_cli.io.registry import format_by_suffix
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
        others: Number of other files by suffix.
        folders: The folders directly under the root.
    """

    root: Path
    images: list[str] = field(default_factory=list)
    medical: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    skipped: list[tuple[str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
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
            if item.name.startswith(".") or item.name.lower() in _LEFT_BY_SYSTEMS:
                continue
            name = f"{folder}/{item.name}" if folder else item.name
            _sort_in(tree, item, name, real_root, waiting)
        if len(tree.images) > MAX_IMAGES:
            raise InputError(root, f"expected at most {MAX_IMAGES} images, got more")
    for names in (tree.images, *tree.medical.values(), tree.tables, tree.lists):
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
    format = format or _format_of_bare_file(item)
    if format is None:
        tree.count_other(name)
        if _is_utf8(name) and item.is_file():
            if is_table(item.name):
                tree.tables.append(name)
            if item.name.lower().endswith(_LIST_SUFFIXES):
                tree.lists.append(name)
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
    """Images that are files under a root, as `walk` found them.

    Attributes:
        root: The set's folder.
        frames: File and frame of each entry that is one of several in its file, by the entry's name.
    """

    root: Path
    frames: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    holds_interpreter = False

    def file_of(self, entry: Entry) -> str:
        """The file that holds an image, relative to the set's root with `/`."""
        return self.frames[entry.name][0] if entry.name in self.frames else entry.name

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """A few files at a time."""
        return group_reads((entry, self._read(entry)) for entry in entries)

    def _read(self, entry: Entry) -> Read:
        file, frame = self.frames.get(entry.name, (entry.name, None))
        return partial(decode_image, self.root / file, frame=frame)

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        """Names, sizes and times of the files."""
        return stamp_files(self.root, ((entry.name, self.file_of(entry)) for entry in entries))


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
