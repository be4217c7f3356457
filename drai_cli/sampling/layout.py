"""Where the images of a job lie in its folder, by name: files in a folder a label, or tar files. Touches none of them.

What a name is depends on the whole job, never on the shard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from drai_cli.settings.image_options import SAMPLE_SUFFIXES

MOST_IN_A_FOLDER = 10_000
"""A label with more images has them in folders of so many inside its own."""

_TAR = re.compile(r"images-(\d{6,})\.tar")
_FILE = re.compile(r"(.+)_(\d{6,})(\.[a-z.]+)", re.DOTALL)
_ANY_SUFFIX = "|".join(re.escape(suffix) for suffixes in SAMPLE_SUFFIXES.values() for suffix in suffixes)


class Layout(Protocol):
    """Names of a job's files, relative to its folder, with `/`."""

    @property
    def unit(self) -> int:
        """Images that stay together: parts of a job are cut between units."""

    @property
    def folders(self) -> Sequence[str]:
        """The folders to make, outer ones first."""

    def stem(self, position: int, label: str, index: int) -> str:
        """An image's name without suffix: the one at a position of the job, which is a label's image `index`."""

    def makes(self, name: str) -> bool:
        """Whether this is the name of one of the job's files on the disk."""


@dataclass(frozen=True)
class Folders:
    """`<label>/<label>_<index>.<ext>`, or `<label>/<index / 10,000>/<label>_<index>.<ext>` of a label with more.

    Attributes:
        names: Label to folder.
        counts: Images of each label in the job.
        suffixes: Of each image's files.
    """

    names: Mapping[str, str]
    counts: Mapping[str, int]
    suffixes: tuple[str, ...]
    unit: int = 1

    @property
    def folders(self) -> Sequence[str]:
        found = []
        for label, count in self.counts.items():
            found.append(self.names[label])
            if count > MOST_IN_A_FOLDER:
                found += [self._folder(label, index) for index in range(0, count, MOST_IN_A_FOLDER)]
        return found

    def stem(self, position: int, label: str, index: int) -> str:
        return f"{self._folder(label, index)}/{self.names[label]}_{index:06d}"

    def makes(self, name: str) -> bool:
        folder, _, rest = name.partition("/")
        match = _FILE.fullmatch(rest.rpartition("/")[2])
        label = self._labels.get(folder)
        if label is None or match is None or match[3] not in self.suffixes:
            return False
        index = int(match[2])
        return index < self.counts[label] and name == self.stem(0, label, index) + match[3]

    @cached_property
    def _labels(self) -> dict[str, str]:
        """By folder; a lookup, since there may be thousands."""
        return {self.names[label]: label for label in self.counts}

    def _folder(self, label: str, index: int) -> str:
        if self.counts[label] <= MOST_IN_A_FOLDER:
            return self.names[label]
        return f"{self.names[label]}/{index // MOST_IN_A_FOLDER:03d}"


@dataclass(frozen=True)
class Tars:
    """`images-<number>.tar`, each of `unit` images but for the last, and in them `<label>_<index>.<ext>`.

    Attributes:
        names: Label to its name in keys: readers take a key to end at its first dot, so there is none in it.
        total: Images in the job.
        unit: Images in each.
    """

    names: Mapping[str, str]
    total: int
    unit: int
    folders: Sequence[str] = ()

    def stem(self, position: int, label: str, index: int) -> str:
        return f"{tar_name(position // self.unit)}/{self.names[label]}_{index:06d}"

    def makes(self, name: str) -> bool:
        match = _TAR.fullmatch(name)
        return (
            match is not None and int(match[1]) * self.unit < self.total and name == tar_name(int(match[1]))
        )

    def ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The positions of each tar of a part: the first, and one after the last."""
        return ((first, min(first + self.unit, stop)) for first in range(start, stop, self.unit))


def tar_name(number: int) -> str:
    """The name of a job's tar file, by its number from 0."""
    return f"images-{number:06d}.tar"


def tar_of(name: str) -> str:
    """The tar file that an image of this name is in; empty for one that is a file by itself."""
    outer = name.partition("/")[0]
    return outer if "/" in name and _TAR.fullmatch(outer) else ""


def is_tar_name(name: str) -> bool:
    """Whether some job would call a tar file so."""
    return _TAR.fullmatch(name) is not None


def image_names(folder: str) -> re.Pattern[str]:
    """The file names that some job would give to images in the folder of a label."""
    return re.compile(rf"{re.escape(folder)}_\d{{6,}}({_ANY_SUFFIX})", re.DOTALL)
