"""Finds the images that a cell of a table names: by path, name, folder, or what DICOM headers say. Opens no file."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from drai_cli.data.image_set import FILE, part_named
from drai_cli.data.items import HEADER_KEYS, Item
from drai_cli.io.registry import strip_suffix

IN_FOLDER, BEGINNING = "folder", "beginning of the name"
"""Keys that mean all files below a folder (`sub-01`), or all whose name begins so (`sub-01_T1w.nii.gz`)."""
NUMBER = "number, with other zeros"
"""A key that means the file whose name is the same number: `7` and `7.0` mean `007.png`, as spreadsheets have it."""
_WHOLE = re.compile(r"\d{1,15}(?:[.,]\d{1,6})?(?:[eE]\+?\d{1,2})?")
_LONG_NUMBER = 4
_URL_END = re.compile(r"[?#].*$")
OUTSIDE = "its name leads out of the set"


class Lookup:
    """The files of a set by what tables may name them by."""

    def __init__(self, items: Sequence[Item], root: Path) -> None:
        self._items = items
        self._root = root
        self._names = frozenset(item.name for item in items)
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._names:
            last = _folded(name.rpartition("/")[2])
            stem = strip_suffix(last)
            self._by_name[last].append(name)
            if stem != last:
                self._by_name[stem].append(name)

    @property
    def count(self) -> int:
        """Files in all."""
        return len(self._names)

    def find(self, written: str) -> list[str]:
        """The files that a path or name in a cell may mean, by its longest end that fits: none, one or several.

        Letters' case, their Unicode form and the suffix of an image count only where more than one file fits. What
        stands before the end that fits may be another machine's folders.
        """
        return self.find_end(written)[0]

    def find_end(self, written: str) -> tuple[list[str], bool]:
        """`find`, and whether one of the two paths fits whole: folders that differ are no more than a likely match."""
        path = inside(written, self._root)
        if path is None:
            return [], False
        if path in self._names:
            return [path], True
        wanted = path.split("/")
        last = _folded(wanted[-1])
        candidates = self._by_name.get(last) or self._by_name.get(strip_suffix(last)) if last else None
        if candidates is None and "_" in last:
            return self._in_folder_joined(path)
        if len(wanted) == 1 and candidates is not None and len(candidates) == 1:
            return list(candidates), True
        ranked = [
            (rank, name) for name in candidates or [] if (rank := _rank(wanted, name.split("/"))) is not None
        ]
        best = max((rank for rank, _ in ranked), default=(0, 0))
        return sorted(name for rank, name in ranked if rank == best), bool(best[1])

    def _in_folder_joined(self, path: str) -> tuple[list[str], bool]:
        """Files whose folder and name a cell joins by `_`, as DeepLesion's `000001_01_01_109.png` does."""
        folder, _, last = path.rpartition("_")
        wanted = [*folder.split("/"), last]
        names = self._by_name.get(_folded(last), ()) if folder else ()
        found = [name for name in names if (rank := _rank(wanted, name.split("/"))) and rank[0]]
        return sorted(found), len(found) == 1

    def find_by(self, key: str, written: str) -> list[str]:
        """The files that a cell means under one of `keys`."""
        if key == FILE:
            return self.find(written)
        if key == IN_FOLDER:
            return self._find_folder(written)
        if key == BEGINNING:
            return self._beginnings.get(_folded(written), [])
        if key == NUMBER:
            return self._numbers.get(_number(written), [])
        return self._headers[key].get(written, [])

    @property
    def keys(self) -> tuple[str, ...]:
        """What files can be named by, the finest first."""
        headers = tuple(key for key in HEADER_KEYS if self._headers.get(key))
        return (FILE, *headers, IN_FOLDER, BEGINNING, NUMBER)

    @cached_property
    def _headers(self) -> Mapping[str, Mapping[str, list[str]]]:
        found: dict[str, defaultdict[str, list[str]]] = {key: defaultdict(list) for key in HEADER_KEYS}
        for item in self._items:
            for key in HEADER_KEYS:
                if value := item.values.get(key):
                    found[key][value].append(item.name)
        return {key: dict(values) for key, values in found.items()}

    @cached_property
    def _folders(self) -> Mapping[str, list[str]]:
        """Files below each folder, by its path."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for item in self._items:
            parts = item.name.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                found["/".join(parts[:depth])].append(item.name)
        return dict(found)

    @cached_property
    def _folders_by_name(self) -> Mapping[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for folder in self._folders:
            found[_folded(folder.rpartition("/")[2])].append(folder)
        return dict(found)

    def _find_folder(self, written: str) -> list[str]:
        """Files below the folders that a cell names by their path's end, `01` also meaning `sub-01`."""
        path = inside(written, self._root)
        if not path:
            return []
        wanted = path.rstrip("/").split("/")
        last = _folded(wanted[-1])
        candidates = self._folders_by_name.get(last) or self._folders_by_name.get(f"sub-{last}", [])
        ranked = [(rank, name) for name in candidates if (rank := _rank(wanted, name.split("/"))) is not None]
        best = max((rank for rank, _ in ranked), default=None)
        found = dict.fromkeys(
            file for rank, folder in ranked if rank == best for file in self._folders[folder]
        )
        return list(found)

    @cached_property
    def _beginnings(self) -> Mapping[str, list[str]]:
        """Files by each beginning of their name that ends before `_` or `-`, or before the letter after a number."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for item in self._items:
            stem = _folded(strip_suffix(item.name.rpartition("/")[2]))
            for place, letter in enumerate(stem):
                is_side = (
                    letter.isalpha() and place >= _LONG_NUMBER and stem[:place].isdecimal()
                )  # 9000099L.png
                if (letter in "_-" and place) or is_side:
                    found[stem[:place]].append(item.name)
        return dict(found)

    @cached_property
    def _numbers(self) -> Mapping[int | None, list[str]]:
        found: defaultdict[int | None, list[str]] = defaultdict(list)
        for item in self._items:
            number = _number(strip_suffix(item.name.rpartition("/")[2]))
            if number is not None:
                found[number].append(item.name)
        return dict(found)


def _number(written: str) -> int | None:
    """A whole number, however spreadsheets write it: `007`, `7.0`, `7,00`, `1.2E+05`; None for anything else."""
    if not _WHOLE.fullmatch(written):
        return None
    number = float(written.replace(",", "."))
    return int(number) if number.is_integer() and number < 1 << 53 else None


def inside(written: str, root: Path) -> str | None:
    """A cell as a path with `/`, relative to the set where it lies in it; None for one that leads out by `..`."""
    written = _URL_END.sub("", written) if "://" in written else written
    written = written.replace("\\", "/")
    if "/" not in written and written not in (".", "..") and "\0" not in written:
        return written
    path = PurePosixPath(written)
    if ".." in path.parts or "\0" in written:
        return None
    if path.is_absolute():
        for base in (root.absolute(), root.resolve()):
            if path.is_relative_to(base.as_posix()):
                return path.relative_to(base.as_posix()).as_posix()
    return "/".join(part for part in path.parts if part != "/")


def is_absolute(written: str) -> bool:
    r"""Whether a cell is a whole path of some machine: `/home/…`, `C:\\…`."""
    return written.startswith(("/", "\\")) or written[1:3] in (":\\", ":/")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _rank(wanted: Sequence[str], candidate: Sequence[str]) -> tuple[int, ...] | None:
    """How well a path fits what is written, compared from the end; None where it does not.

    Where folders differ before one of the two paths has ended, it fits only if neither names a part of a split there:
    `train/1.png` never means `test/1.png`.
    """
    common = 0
    exact = 0
    for one, other in zip(reversed(wanted[:-1]), reversed(candidate[:-1]), strict=False):
        if _folded(one) != _folded(other):
            break
        common += 1
        exact += one == other
    is_whole = common == min(len(wanted), len(candidate)) - 1
    if not is_whole:
        differing = (*wanted[: len(wanted) - 1 - common], *candidate[: len(candidate) - 1 - common])
        if any(part_named(folder) for folder in differing):
            return None
    last, file = wanted[-1], candidate[-1]
    same_name = file == last or strip_suffix(file) == last
    same_form = unicodedata.normalize("NFC", strip_suffix(file)) == unicodedata.normalize(
        "NFC", strip_suffix(last)
    )
    same_suffix = _folded(file) in (_folded(last), _folded(strip_suffix(file))) or strip_suffix(last) == last
    return (common, is_whole, same_suffix, same_form, same_name, exact)
