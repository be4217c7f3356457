"""Names of the images of a job: files in a folder per label, or tar files. Touches no file.

A name depends on the whole job, never on the shard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from drai_cli.settings.image_options import SAMPLE_SUFFIXES

MOST_IN_A_FOLDER = 10_000
"""A label with more images has numbered folders of so many images in its own."""

_TAR = re.compile(r"images-(\d{6,})\.tar")
_FILE = re.compile(r"(.+)_(\d{6,})(\.[a-z.]+)", re.DOTALL)
_ANY_SUFFIX = "|".join(re.escape(suffix) for suffixes in SAMPLE_SUFFIXES.values() for suffix in suffixes)


@dataclass(frozen=True)
class Folders:
    """`<label>/<label>_<index>.<ext>`, or `<label>/<index // 10,000>/<label>_<index>.<ext>` for a label with more.

    Attributes:
        names: Label to folder.
        counts: Images of each label in the job.
        suffixes: Of each image's files.
        unit: Images that stay together: a job is cut into parts between units.
    """

    names: Mapping[str, str]
    counts: Mapping[str, int]
    suffixes: tuple[str, ...]
    unit: int = 1

    @property
    def folders(self) -> Sequence[str]:
        """The folders to make, outer ones first."""
        folders = []
        for label, count in self.counts.items():
            folders.append(self.names[label])
            if count > MOST_IN_A_FOLDER:
                folders += [self._folder(label, index) for index in range(0, count, MOST_IN_A_FOLDER)]
        return folders

    def stem(self, position: int, label: str, index: int) -> str:
        """The name, without suffix, of image `index` of a label, at a position of the job; relative, with `/`."""
        return f"{self._folder(label, index)}/{self.names[label]}_{index:06d}"

    def makes(self, name: str) -> bool:
        """Whether one of the job's files on disk has this name."""
        folder, _, rest = name.partition("/")
        match = _FILE.fullmatch(rest.rpartition("/")[2])
        label = self._labels.get(folder)
        if label is None or match is None or match[3] not in self.suffixes:
            return False
        index = int(match[2])
        return index < self.counts[label] and name == self.stem(0, label, index) + match[3]

    @cached_property
    def _labels(self) -> dict[str, str]:
        """Folder to label: there may be thousands of labels."""
        return {self.names[label]: label for label in self.counts}

    def _folder(self, label: str, index: int) -> str:
        if self.counts[label] <= MOST_IN_A_FOLDER:
            return self.names[label]
        return f"{self.names[label]}/{index // MOST_IN_A_FOLDER:03d}"


@dataclass(frozen=True)
class Tars:
    """`images-<number>.tar`, each of `unit` images except the last, with members `<label>_<index>.<ext>`.

    Attributes:
        names: Label to its name in keys, without dots: for readers, a key ends at its first dot.
        total: Images in the job.
        unit: Images in each; they stay together.
        folders: None to make.
    """

    names: Mapping[str, str]
    total: int
    unit: int
    folders: Sequence[str] = ()

    def stem(self, position: int, label: str, index: int) -> str:
        """As `Folders.stem`, with the tar file in place of the folder."""
        return f"{tar_name(position // self.unit)}/{self.names[label]}_{index:06d}"

    def makes(self, name: str) -> bool:
        """Whether one of the job's tar files has this name."""
        match = _TAR.fullmatch(name)
        return (
            match is not None and int(match[1]) * self.unit < self.total and name == tar_name(int(match[1]))
        )

    def ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """First position and one after the last of each tar file of a part."""
        return ((first, min(first + self.unit, stop)) for first in range(start, stop, self.unit))


def tar_name(number: int) -> str:
    """The name of a job's tar file, by its number from 0."""
    return f"images-{number:06d}.tar"


def tar_of(name: str) -> str:
    """The tar file that holds an image of this name; empty for an image in files of its own."""
    outer = name.partition("/")[0]
    return outer if "/" in name and _TAR.fullmatch(outer) else ""


def is_tar_name(name: str) -> bool:
    """Whether a tar file of some job has this name."""
    return _TAR.fullmatch(name) is not None


def image_names(folder: str) -> re.Pattern[str]:
    """The file names that images of some job have in the folder of a label."""
    return re.compile(rf"{re.escape(folder)}_\d{{6,}}({_ANY_SUFFIX})", re.DOTALL)
