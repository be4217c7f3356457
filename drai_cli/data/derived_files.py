"""Files of a set that are made of its other images, by their names: masks, label maps, overlays, thumbnails, copies."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from drai_cli.io.registry import stem_of

_SEPARATED = r"(?:^|[-_. ])"
_DRAWN = (
    r"masks?|segmentations?|ground[-_ ]?truths?|superpixels?|overlays?|heatmaps?|thumb(?:nail)?s?|previews?"
)
"""What is made of an image, whatever its folder is called."""
_MASK_FOLDER = re.compile(
    rf"{_SEPARATED}(?:{_DRAWN}|segs?|annotations?|labels?(?:tr|ts)?|gts?|contours?|rois?|manual)$",
    re.IGNORECASE,
)
_SURE_MASK_FOLDER = re.compile(rf"{_SEPARATED}(?:{_DRAWN}|labels?(?:tr|ts))$", re.IGNORECASE)
_DERIVED = frozenset({"derivatives", "sourcedata"})  # of BIDS: not the images themselves
_MASK_FILE = re.compile(
    rf"^(?P<stem>.+?)[-_. ](?:{_DRAWN}|seg|gt|labels?|roi|manual)(?:[-_. ]?\d+)?$", re.IGNORECASE
)
_MASK_ALONE = re.compile(rf"^(?:{_DRAWN}|seg|gt|labels?)$", re.IGNORECASE)
"""A whole name, as of KiTS: `case_00001/segmentation.nii.gz` beside `imaging.nii.gz`."""
IMAGE_FOLDER = re.compile(
    r"(?:^|[-_. ])(?:images?(?:tr|ts)?|imgs?|pictures?|photos?|scans?|volumes?|slices?|inputs?|raw|jpe?gs?|pngs?|"
    r"tiffs?|dicoms?|dcms?|niftis?|niis?|data|dataset)$",
    re.IGNORECASE,
)
"""Folders that say only that they hold images."""


def find_masks(names: Sequence[str]) -> frozenset[str]:
    """Files that are made of other images: in a folder called `masks` or so beside images, or `x_mask` beside `x`.

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
    mask_folders |= _twins(files, mask_folders)
    for folder, inside in files.items():
        if _lies_in(folder, mask_folders):
            found.update(inside)
        else:
            found.update(_mask_files(inside))
    return frozenset(found) if len(found) < len(names) else frozenset()


def _twins(files: Mapping[str, Sequence[str]], known: set[str]) -> set[str]:
    """Mask folders anywhere whose files repeat the ends of others' paths: `x/masks/a/1.bmp` of `images/a/1.jpg`."""
    own: defaultdict[str, set[str]] = defaultdict(set)
    others: list[str] = []
    for folder, inside in files.items():
        if _lies_in(folder, known):
            continue
        parts = folder.split("/")
        depth = next((place for place, part in enumerate(parts) if _SURE_MASK_FOLDER.search(part)), None)
        if depth is None:
            others += inside
            continue
        top = "/".join(parts[: depth + 1]) + "/"
        own[top].update(_tail(name[len(top) :]) for name in inside)
    depths = {tail.count("/") + 1 for tails in own.values() for tail in tails}
    ends = {_tail("/".join(name.split("/")[-depth:])) for name in others for depth in depths}
    return {folder for folder, tails in own.items() if 2 * len(tails & ends) >= len(tails)}


def _lies_in(folder: str, tops: set[str]) -> bool:
    """Whether a folder is one of others, each with `/` at its end, or lies below one."""
    place = -1
    path = f"{folder}/"
    while (place := path.find("/", place + 1)) >= 0:
        if path[: place + 1] in tops:
            return True
    return False


def _tail(path: str) -> str:
    """A path without suffix and without what says that it is a mask."""
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}{_bare(path)}"


def _is_mask_folder(
    parent: str, child: str, siblings: Iterable[str], files: Mapping[str, Sequence[str]]
) -> bool:
    others = [one for one in siblings if one != child]
    if child.lower() in _DERIVED and any(one.startswith("sub-") for one in others):
        return True
    spellings = (child, space_words(child))
    if not any(map(_MASK_FOLDER.search, spellings)):
        return False
    if any(IMAGE_FOLDER.search(one) for one in others):
        return True
    if not any(map(_SURE_MASK_FOLDER.search, spellings)):
        return False
    prefix = f"{parent}/" if parent else ""
    own = {_bare(name) for name in files.get(f"{prefix}{child}", ())}
    beside = {_bare(name) for name in files.get(parent, ())}
    if len(others) == 1:
        beside |= {_bare(name) for name in files.get(f"{prefix}{others[0]}", ())}
    return bool(own) and 2 * len(own & beside) >= len(own)


def _mask_files(names: Sequence[str]) -> Iterable[str]:
    """Files called `x_mask` where there is an `x`, or another `x_…` that is none, and `mask` beside others."""
    stems = {name: stem_of(name.rpartition("/")[2]) for name in names}
    matches = {name: match["stem"] for name, stem in stems.items() if (match := _MASK_FILE.match(stem))}
    alone = [name for name, stem in stems.items() if _MASK_ALONE.match(stem)]
    images = {stem for name, stem in stems.items() if name not in matches and name not in alone}
    beginnings = {stem.rpartition(letter)[0] for stem in images for letter in "_-"}
    return [
        *(name for name, stem in matches.items() if stem in images or stem in beginnings),
        *(alone if images else ()),
    ]


def space_words(folder: str) -> str:
    """A folder's name with its words apart: `ManualMask` as `Manual Mask`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", folder)


def _bare(name: str) -> str:
    """A file's stem without what says that it is a mask."""
    stem = stem_of(name.rpartition("/")[2])
    match = _MASK_FILE.match(stem)
    return match["stem"] if match else stem


def find_doubled(names: Sequence[str]) -> dict[str, str]:
    """Files that may lie twice, as in many zips, each with its place further up.

    That is in a folder inside one of the same name (`set/a/a/1.png` of `set/a/1.png`), or in the same folders below
    another one (`brain/yes/1.png` of `yes/1.png`). Whether they are equal is not looked at.
    """
    there = frozenset(names)
    doubled = {}
    for name in names:
        parts = name.split("/")
        shorter = [parts[place:] for place in range(1, len(parts) - 1)]
        shorter += [
            [*parts[:place], *parts[place + 1 :]]
            for place in range(1, len(parts) - 2)
            if parts[place] == parts[place + 1]
        ]
        outer = next((path for one in shorter if (path := "/".join(one)) in there), None)
        if outer is not None:
            doubled[name] = outer
    return doubled
