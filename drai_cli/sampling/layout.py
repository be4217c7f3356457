"""Names of the images of a job: files in folders, or rows and members of larger files. Touches no file.

A name depends on the whole job, never on the shard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from drai_cli.output.mask_file import MASKS
from drai_cli.settings.image_options import IMAGE_SUFFIXES, SampleLayout

MOST_IN_A_FOLDER = 10_000
"""A label with more images has numbered folders of so many images in its own."""

NPZ = "images.npz"
"""The one file of `--format npz`; a part of a job writes `images-<i>-of-<n>.npz`."""

TABLES: dict[str, tuple[str, ...]] = {
    "folders": (),
    "flat": (),
    "isic": ("ground_truth.csv",),
    "bids": ("dataset_description.json", "participants.tsv", "participants.json", "README", ".bidsignore"),
}
"""What a layout has besides the images, metadata.csv and manifest.json."""

_TAR = re.compile(r"images-(\d{6,})\.tar")
_CONTAINER = re.compile(r"images-\d{6,}\.tar|images(-\d+-of-\d+)?\.npz")
_FILE = re.compile(r"(.+)_(\d{6,})(\.[a-z.]+)", re.DOTALL)
# Earlier versions wrote an npz file for each image.
_SUFFIX = "|".join(map(re.escape, (*(one for all_ in IMAGE_SUFFIXES.values() for one in all_), ".npz")))
_ONE_FOLDER = "images"
_BIDS_FOLDER = "anat"
_BIDS_NAME = "desc-synthetic_image"

# Folders that a layout makes, and files that it makes in them: only these are removed for --overwrite.
_MADE: dict[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    name: (re.compile(folder, re.DOTALL), re.compile(file, re.DOTALL))
    for name, folder, file in (
        (
            "folders",
            r"[^/]+(/\d{3,})?",
            rf"([^/]+)/(\d{{3,}}/)?\1_\d{{6,}}({_SUFFIX})|{_ONE_FOLDER}/\d{{7,}}({_SUFFIX})",
        ),
        ("flat", _ONE_FOLDER, rf"{_ONE_FOLDER}/([^/]+_\d{{6,}}|\d{{7,}})({_SUFFIX})"),
        ("isic", _ONE_FOLDER, rf"{_ONE_FOLDER}/DRAI_\d{{7,}}({_SUFFIX})"),
        (
            "bids",
            rf"sub-\d{{6,}}(/{_BIDS_FOLDER})?",
            rf"(sub-\d{{6,}})/{_BIDS_FOLDER}/\1_{_BIDS_NAME}({_SUFFIX})",
        ),
    )
}


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
class Flat:
    """`images/<label>_<index>.<ext>`: all images in one folder. Attributes as `Folders`."""

    names: Mapping[str, str]
    counts: Mapping[str, int]
    suffixes: tuple[str, ...]
    unit: int = 1
    folders: Sequence[str] = (_ONE_FOLDER,)

    def stem(self, position: int, label: str, index: int) -> str:
        """As `Folders.stem`."""
        return f"{_ONE_FOLDER}/{self.names[label]}_{index:06d}"

    def makes(self, name: str) -> bool:
        """Whether one of the job's files on disk has this name."""
        match = _FILE.fullmatch(name.removeprefix(f"{_ONE_FOLDER}/"))
        label = None if match is None else self._labels.get(match[1])
        if match is None or label is None or match[3] not in self.suffixes:
            return False
        return int(match[2]) < self.counts[label] and name == self.stem(0, label, int(match[2])) + match[3]

    @cached_property
    def _labels(self) -> dict[str, str]:
        return {self.names[label]: label for label in self.counts}


@dataclass(frozen=True)
class Numbered:
    """Images by their position in the job, whatever their label: the layouts `isic` and `bids`, and sets of findings.

    `images/DRAI_<position, seven digits>.<ext>`, an identifier that no image of the ISIC archive has; or
    `sub-<number from 1>/anat/sub-<number>_desc-synthetic_image.<ext>`, where each image is a participant of its own; or
    `images/<position>.<ext>`, where labels are sets of findings (`flat`).

    Attributes:
        kind: Which of the three.
        total: Images in the job.
        suffixes: Of each image's files.
        unit: As in `Folders`.
    """

    kind: SampleLayout
    total: int
    suffixes: tuple[str, ...]
    unit: int = 1

    @property
    def folders(self) -> Sequence[str]:
        """The folders to make, outer ones first."""
        if self.kind != "bids":
            return (_ONE_FOLDER,)
        subjects = map(participant, range(self.total))
        return [name for subject in subjects for name in (subject, f"{subject}/{_BIDS_FOLDER}")]

    def stem(self, position: int, label: str, index: int) -> str:
        """As `Folders.stem`."""
        if self.kind == "flat":
            return f"{_ONE_FOLDER}/{position:07d}"
        if self.kind == "isic":
            return f"{_ONE_FOLDER}/DRAI_{position:07d}"
        return f"{participant(position)}/{_BIDS_FOLDER}/{participant(position)}_{_BIDS_NAME}"

    def makes(self, name: str) -> bool:
        """Whether one of the job's files on disk has this name."""
        number = re.search(r"\d{6,}", name)
        if number is None or not _MADE[self.kind][1].fullmatch(name):
            return False
        position = int(number[0]) - (self.kind == "bids")
        if not 0 <= position < self.total:
            return False
        return any(name == self.stem(position, "", 0) + suffix for suffix in self.suffixes)


@dataclass(frozen=True)
class Tars:
    """`images-<number>.tar`, each of `unit` images except the last, with members `<label>_<index>.<ext>`.

    Attributes:
        names: Label to its name in keys, without dots: for readers, a key ends at its first dot. None: keys are
            positions.
        total: Images in the job.
        unit: Images in each; they stay together.
        folders: None to make.
    """

    names: Mapping[str, str] | None
    total: int
    unit: int
    folders: Sequence[str] = ()

    def stem(self, position: int, label: str, index: int) -> str:
        """As `Folders.stem`, with the tar file in place of the folder."""
        key = f"{position:07d}" if self.names is None else f"{self.names[label]}_{index:06d}"
        return f"{tar_name(position // self.unit)}/{key}"

    def makes(self, name: str) -> bool:
        """Whether one of the job's tar files has this name."""
        match = _TAR.fullmatch(name)
        return (
            match is not None and int(match[1]) * self.unit < self.total and name == tar_name(int(match[1]))
        )

    def ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """First position and one after the last of each tar file of a part."""
        return ((first, min(first + self.unit, stop)) for first in range(start, stop, self.unit))


@dataclass(frozen=True)
class Rows:
    """`images.npz`, whose rows are the images in the order of the job. Attributes as `Tars`."""

    names: Mapping[str, str]
    unit: int = 1
    folders: Sequence[str] = ()

    def stem(self, position: int, label: str, index: int) -> str:
        """As `Folders.stem`, with the npz file in place of the folder."""
        return f"{NPZ}/{self.names[label]}_{index:06d}"

    def makes(self, name: str) -> bool:
        """Whether the job's npz file, or that of one of its parts, has this name."""
        return name.endswith(".npz") and is_container_name(name)


@dataclass(frozen=True)
class WithMasks:
    """Images with their masks, which lie in folders of their own as the images do.

    `masks/<label>/<label>_<index>.<ext>` for one mask, `masks/<mask>/<label>/<label>_<index>.<ext>` for several.

    Attributes:
        images: How the images lie.
        tops: The folder of each mask, with `/` at its end.
    """

    images: Folders | Flat | Numbered
    tops: tuple[str, ...]
    unit: int = 1

    @property
    def folders(self) -> Sequence[str]:
        """The folders to make, outer ones first."""
        outer = [MASKS, *(top[:-1] for top in self.tops if top.count("/") > 1)]
        inside = [f"{top}{folder}" for top in self.tops for folder in self.images.folders]
        return (*self.images.folders, *outer, *inside)

    def stem(self, position: int, label: str, index: int) -> str:
        """As `Folders.stem`."""
        return self.images.stem(position, label, index)

    def makes(self, name: str) -> bool:
        """Whether one of the job's files on disk has this name."""
        top = next((top for top in self.tops if name.startswith(top)), "")
        is_first = not top or name.endswith(self.images.suffixes[0])
        return is_first and self.images.makes(name[len(top) :])


Layout = Folders | Flat | Numbered | WithMasks | Tars | Rows


def tar_name(number: int) -> str:
    """The name of a job's tar file, by its number from 0."""
    return f"images-{number:06d}.tar"


def participant(position: int) -> str:
    """The participant that the image at a position is in the layout `bids`."""
    return f"sub-{position + 1:06d}"


def container_of(name: str) -> str:
    """The tar or npz file that holds an image of this name; empty for an image in files of its own."""
    outer = name.partition("/")[0]
    return outer if "/" in name and is_container_name(outer) else ""


def is_container_name(name: str) -> bool:
    """Whether a tar or npz file of some job or part has this name."""
    return _CONTAINER.fullmatch(name) is not None


def is_part_of_npz(name: str) -> bool:
    """Whether the npz file of a part of some job has this name."""
    return name != NPZ and name.endswith(".npz") and is_container_name(name)


def made_patterns(layout: str, has_masks: bool = False) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The folders and the files that some job of a layout makes, as paths in OUT with `/`."""
    folders, files = _MADE.get(layout, _MADE["folders"])
    if not has_masks:
        return folders, files
    top = rf"(?:{MASKS}/(?:[^/]+/)?)?"
    of_folders = rf"{MASKS}(?:/[^/]+)?|{top}(?:{folders.pattern})"
    return re.compile(of_folders, re.DOTALL), re.compile(rf"{top}(?:{files.pattern})", re.DOTALL)
