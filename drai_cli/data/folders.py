"""What the folders of a set are: parts of its split, masks beside images, numbering, or classes. Knows names alone.

One rule for every kind of file. Level by level from the top, the folders at one depth are

- the only folder there, with folders in it: a wrapper, as zips make it (`chest_xray/chest_xray/train/…`);
- `train`, `val` and `test` in any common spelling, nnU-Net's `imagesTr` and `imagesTs`: parts of the set's own split;
- numbering (`sub-01`, `ses-01`, `TCGA-02-0003`, `00003`) or structure (`images`, `anat`, `dicom`): no labels;
- else classes. Below classes only parts of a split are looked for (`melanoma/train/…`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from drai_cli.data.image_set import Part, part_named
from drai_cli.data.known_names import find_patient
from drai_cli.io.registry import stem_of

_SEPARATED = r"(?:^|[-_. ])"
_MASK_WORDS = (
    r"(?:masks?|segmentations?|segs?|annotations?|labels?(?:tr|ts)|ground[-_ ]?truths?|gts?|contours?|rois?)"
)
_MASK_FOLDER = re.compile(rf"{_SEPARATED}(?:{_MASK_WORDS}|labels?)$", re.IGNORECASE)
_SURE_MASK_FOLDER = re.compile(
    rf"{_SEPARATED}(?:masks?|segmentations?|labels?(?:tr|ts)|ground[-_ ]?truths?)$", re.IGNORECASE
)
_DERIVED = frozenset({"derivatives", "sourcedata"})  # of BIDS: not the images themselves
_IMAGE_FOLDER = re.compile(
    r"(?:^|[-_. ])(?:images?(?:tr|ts)?|imgs?|pictures?|photos?|scans?|volumes?|slices?|inputs?|raw|jpe?gs?|pngs?|"
    r"tiffs?|dicoms?|dcms?|niftis?|niis?|data|dataset)$",
    re.IGNORECASE,
)
_BIDS_FOLDERS = frozenset({"anat", "func", "dwi", "fmap", "perf", "pet", "eeg", "meg", "micr"})
_MASK_FILE = re.compile(
    r"^(?P<stem>.+?)[-_. ](?:masks?|segmentations?|seg|gt|ground[-_ ]?truth|labels?|roi)(?:[-_. ]?\d+)?$",
    re.IGNORECASE,
)
_NUMBERING = re.compile(
    r"(?:^|[-_. ])(?:sub|subj|subject|ses|session|patient|pat|pid|participant|case|study|series|scan|visit|exam|slide|"
    r"part|batch|shard|chunk|fold|folder|dir|page|vol|volume|tile|p|s|id)[-_. ]?\d+$"
    r"|^sub-[a-z0-9]+$|^ses-[a-z0-9]+$|^\d{3,}$",
    re.IGNORECASE,
)
_MANY = 20
"""Folders that all end in digits: more than classes are numbered."""
_NNUNET: Mapping[str, Part] = {"imagestr": "train", "imagests": "test", "imagesva": "validation"}


@dataclass(frozen=True)
class Folders:
    """What the folders of a set are.

    Attributes:
        parts: The part of each file that lies in one of a split, by its name; empty where folders hold no split.
        classes: The class of each file that lies in one, by its name.
        masks: Files that are masks or labels of images, not images themselves.
        beside_parts: Where folders of a split lie next to others: the first of both, else empty.
        top: The wrapper folders above everything else, with `/` at the end; empty where there is none.
        levels: What the levels are, for messages: the first folders of each that is no class.
    """

    parts: Mapping[str, Part] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    masks: frozenset[str] = frozenset()
    beside_parts: tuple[str, ...] = ()
    top: str = ""
    levels: tuple[str, ...] = ()

    @cached_property
    def class_names(self) -> list[str]:
        """All classes, sorted."""
        return sorted(set(self.classes.values()))


def read_folders(names: Sequence[str]) -> Folders:
    """What the folders of these files are; names are relative to the set's root, with `/`."""
    masks = find_masks(names)
    folders_of = {name: name.split("/")[:-1] for name in names if name not in masks}
    parts: dict[str, Part] = {}
    classes: dict[str, str] = {}
    beside: tuple[str, ...] = ()
    levels: list[str] = []
    top, depth = "", 0
    is_top = True
    while True:
        inside = {name: folders for name, folders in folders_of.items() if len(folders) > depth}
        level = sorted({folders[depth] for folders in inside.values()})
        if not level:
            break
        is_everything = len(inside) == len(folders_of)
        is_deeper = all(len(folders) > depth + 1 for folders in inside.values())
        named = {folder: part for folder in level if (part := _part(folder))}
        if not parts and len(named) == len(level) and len(set(named.values())) > 1:
            parts = {name: named[folders[depth]] for name, folders in inside.items()}
        elif classes:
            break
        elif len(level) == 1 and is_everything and (is_deeper or _is_structure(level[0]) or named):
            top = f"{top}{level[0]}/" if is_top else top
        elif (
            (all(map(_is_structure, level)) and (is_deeper or not any(map(_is_number, level))))
            or all(map(_is_numbered, level))
            or all(map(find_patient, level))
            or (len(level) >= _MANY and all(folder[-1].isdecimal() for folder in level))
        ):
            pass
        else:
            others = [folder for folder in level if folder not in named]
            if named and not parts and (len(named) > 1 or len(others) == 1):
                beside = (", ".join(list(named)[:3]), ", ".join(others[:3]))
            classes = {name: folders[depth].strip() for name, folders in inside.items()}
            is_top, depth = False, depth + 1
            continue
        is_top = is_top and len(level) == 1
        levels.append(", ".join(level[:3]))
        depth += 1
    return Folders(parts, classes, masks, beside, top, tuple(levels))


def _part(folder: str) -> Part | None:
    return part_named(folder) or _NNUNET.get(folder.lower())


def _is_structure(folder: str) -> bool:
    return folder.lower() in _BIDS_FOLDERS or _IMAGE_FOLDER.search(folder) is not None or _is_numbered(folder)


def _is_numbered(folder: str) -> bool:
    """Whether a folder numbers what is in it: a subject, a session, a shard."""
    return _NUMBERING.search(folder) is not None


def _is_number(folder: str) -> bool:
    return folder.isdecimal()


def find_masks(names: Sequence[str]) -> frozenset[str]:
    """Files that are masks or label maps of other images: in a folder called so beside images, or `x_mask` beside `x`.

    All files are images where the names would leave none.
    """
    children: defaultdict[str, set[str]] = defaultdict(set)
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        parent, _, _ = name.rpartition("/")
        files[parent].append(name)
    for folder in list(files):
        while folder:
            parent, _, last = folder.rpartition("/")
            if last in children[parent]:
                break
            children[parent].add(last)
            folder = parent
    found: set[str] = set()
    mask_folders = {
        f"{parent}/{child}/" if parent else f"{child}/"
        for parent, inside in children.items()
        for child in inside
        if _is_mask_folder(parent, child, inside, files)
    }
    for folder, inside in files.items():
        if any(f"{folder}/".startswith(mask) for mask in mask_folders):
            found.update(inside)
        else:
            found.update(_mask_files(inside))
    return frozenset(found) if len(found) < len(names) else frozenset()


def _is_mask_folder(
    parent: str, child: str, siblings: Iterable[str], files: Mapping[str, Sequence[str]]
) -> bool:
    others = [one for one in siblings if one != child]
    if child.lower() in _DERIVED and any(one.startswith("sub-") for one in others):
        return True
    if _MASK_FOLDER.search(child) is None:
        return False
    if any(_IMAGE_FOLDER.search(one) for one in others):
        return True
    if _SURE_MASK_FOLDER.search(child) is None:
        return False
    prefix = f"{parent}/" if parent else ""
    own = {_bare(name) for name in files.get(f"{prefix}{child}", ())}
    beside = {_bare(name) for name in files.get(parent, ())}
    if len(others) == 1:
        beside |= {_bare(name) for name in files.get(f"{prefix}{others[0]}", ())}
    return bool(own) and 2 * len(own & beside) >= len(own)


def _mask_files(names: Sequence[str]) -> Iterable[str]:
    """Files called `x_mask` where there is an `x`, or another `x_…` that is none, in the same folder."""
    stems = {name: stem_of(name.rpartition("/")[2]) for name in names}
    matches = {name: match["stem"] for name, stem in stems.items() if (match := _MASK_FILE.match(stem))}
    if not matches:
        return []
    images = {stem for name, stem in stems.items() if name not in matches}
    beginnings = {stem.rpartition(letter)[0] for stem in images for letter in "_-"}
    return [name for name, stem in matches.items() if stem in images or stem in beginnings]


def _bare(name: str) -> str:
    """A file's stem without what says that it is a mask."""
    stem = stem_of(name.rpartition("/")[2])
    match = _MASK_FILE.match(stem)
    return match["stem"] if match else stem


def find_doubled(names: Sequence[str]) -> dict[str, str]:
    """Files in a folder inside one of the same name that also lie one level up, as Kaggle's zips have them."""
    there = frozenset(names)
    doubled = {}
    for name in names:
        parts = name.split("/")
        for place in range(len(parts) - 2):
            if (
                parts[place] == parts[place + 1]
                and (outer := "/".join([*parts[:place], *parts[place + 1 :]])) in there
            ):
                doubled[name] = outer
                break
    return doubled
