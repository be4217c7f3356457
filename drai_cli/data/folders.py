"""What the folders of a set are: parts of its split, masks beside images, numbering, or classes. Knows names alone.

One rule for every kind of file. Level by level from the top, the folders at one depth are

- the only folder there, with folders in it: a wrapper, as zips make it (`chest_xray/chest_xray/train/…`);
- `train`, `val` and `test` in any common spelling, nnU-Net's `imagesTr` and `imagesTs`: parts of the set's own split;
- numbering (`sub-01`, `ses-01`, `TCGA-02-0003`, `00003`) or structure (`images`, `anat`, `dicom`): no labels;
- else classes. Below classes only parts of a split (`melanoma/train/…`) and further classes (`lung/adenoma/…`) are
  looked for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from drai_cli.data.derived_files import IMAGE_FOLDER, find_masks, space_words
from drai_cli.data.image_set import Part, part_in_name, part_named
from drai_cli.data.known_names import find_patient

_BIDS_FOLDERS = frozenset({"anat", "func", "dwi", "fmap", "perf", "pet", "eeg", "meg", "micr"})
_NUMBERING = re.compile(
    r"(?:^|[-_. ])(?:sub|subj|subject|ses|session|patient|pat|pid|participant|case|study|series|scan|visit|exam|slide|"
    r"part|batch|shard|chunk|fold|folder|dir|page|vol|volume|tile|images?|imgs?|p|s|id)[-_. ]?\d+$"
    r"|^sub-[a-z0-9]+$|^ses-[a-z0-9]+$|^(?:pa|st|se|im)\d{4,}$|^\d{3,}$",
    re.IGNORECASE,
)
_UNLABELLED = re.compile(
    r"(?:^|[-_ ])(?:pred(?:ict)?(?:ions?)?|inference|unlabell?ed|submission)$", re.IGNORECASE
)
_PART_FIRST = re.compile(r"(?P<part>[A-Za-z]+)[-_. ]+(?P<rest>.*\w.*)")
_PART_LAST = re.compile(r"(?P<rest>.*\w.*?)[-_. ]+(?P<part>[A-Za-z]+)$")
_MANY = 20
"""Folders that all end in digits: more than classes are numbered."""
_MOST_SUBCLASSES = 30
_VERSION = re.compile(r"augmented|original|images|data|[-_. ]")
_FOLD = re.compile(r"^(?:cv[-_ ]?)?folds?[-_. ]?\d+$", re.IGNORECASE)
_NNUNET: Mapping[str, Part] = {"imagestr": "train", "imagests": "test", "imagesva": "validation"}


@dataclass(frozen=True)
class Folders:
    """What the folders of a set are.

    Attributes:
        parts: The part of each file that lies in one of a split, by its name; empty where folders hold no split.
        classes: The class of each file that lies in one, by its name.
        masks: Files that are masks or labels of images, not images themselves.
        beside_parts: Where folders of a split lie next to others: the first of both, else empty.
        set_aside: Folders next to several classes that are none: one of a split, such as `Test cases`, or of images
            without labels, such as `pred`; their files have no class.
        subclasses: The class below the class, where class folders hold further ones, by the file's name.
        are_shared: Whether several classes have such folders of the same names: either level may then be the label.
        folds: Folders that are folds of a cross-validation.
        top: The wrapper folders above everything else, with `/` at the end; empty where there is none.
        levels: What the levels are, for messages: the first folders of each that is no class.
        numbers: The folder of each file at the first level of numbers alone (`000`, `001`), by its name: taken for
            numbering, though they may be classes.
    """

    parts: Mapping[str, Part] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    masks: frozenset[str] = frozenset()
    beside_parts: tuple[str, ...] = ()
    set_aside: str = ""
    subclasses: Mapping[str, str] = field(default_factory=dict)
    are_shared: bool = False
    folds: tuple[str, ...] = ()
    top: str = ""
    levels: tuple[str, ...] = ()
    numbers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def class_names(self) -> list[str]:
        """All classes, sorted."""
        return sorted(set(self.classes.values()))

    @cached_property
    def subclass_names(self) -> list[str]:
        """All classes below others, sorted."""
        return sorted(set(self.subclasses.values()))


def read_folders(names: Sequence[str]) -> Folders:
    """What the folders of these files are; names are relative to the set's root, with `/`."""
    masks = find_masks(names)
    folders_of = {name: name.split("/")[:-1] for name in names if name not in masks}
    parts: dict[str, Part] = {}
    classes: dict[str, str] = {}
    subclasses: dict[str, str] = {}
    beside: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    levels: list[str] = []
    numbers: dict[str, str] = {}
    top, set_aside, depth, class_depth = "", "", 0, 0
    is_top = True
    while True:
        inside = {name: folders for name, folders in folders_of.items() if len(folders) > depth}
        level = sorted({folders[depth] for folders in inside.values()})
        unlabelled = [folder for folder in level if _UNLABELLED.search(folder)]
        if not classes and 2 <= len(level) - len(unlabelled) < len(level):
            set_aside = ", ".join(unlabelled)
            folders_of = {
                name: one for name, one in folders_of.items() if not {*one[depth : depth + 1]} & {*unlabelled}
            }
            continue
        if not level:
            break
        is_everything = len(inside) == len(folders_of)
        is_deeper = all(len(folders) > depth + 1 for folders in inside.values())
        named = _parts_of(level)
        if len(level) > 1 and all(map(_FOLD.match, level)):
            folds = tuple(level)
        if not parts and len(named) == len(level) and len(set(named.values())) > 1:
            parts = {name: named[folders[depth]] for name, folders in inside.items()}
        elif len(level) == 1 and is_everything and (is_deeper or _is_structure(level[0]) or named):
            top = f"{top}{level[0]}/" if is_top else top
        elif (
            (_are_structure(level) and (is_deeper or not any(map(_is_number, level))))
            or all(map(_is_numbered, level))
            or all(map(find_patient, level))
            or (parts and len(named) == len(level))
            or (len(level) >= _MANY and all(folder[-1].isdecimal() for folder in level))
        ):
            pass
        elif classes:
            is_below = depth == class_depth + 1
            is_of_series = not is_below and any(map(_is_number, level))  # below folders of patients
            if not named and 1 < len(level) <= _MOST_SUBCLASSES and not is_of_series:
                subclasses = {name: folders[depth].strip() for name, folders in inside.items()}
            if named or len(level) > 1:
                break
        else:
            others = [folder for folder in level if folder not in named]
            both = _parts_and_classes(level) if not parts else {}
            if both:
                parts = {name: both[folders[depth]][0] for name, folders in inside.items()}
            if named and not parts and (len(named) > 1 or len(others) == 1 or "train" in named.values()):
                beside = (", ".join(list(named)[:3]), ", ".join(others[:3]))
            elif named and not parts:
                (set_aside,) = named
            classes = {
                name: both[folders[depth]][1] if both else folders[depth].strip()
                for name, folders in inside.items()
                if folders[depth] != set_aside
            }
            is_top, class_depth, depth = False, depth, depth + 1
            continue
        is_top = is_top and len(level) == 1
        if not classes:
            levels.append(", ".join(level[:3]))
            if not numbers and len(level) > 1 and all(map(_is_number, level)):
                numbers = {name: folders[depth] for name, folders in inside.items()}
        depth += 1
    pairs = {(classes.get(name), without_version(sub)) for name, sub in subclasses.items()}
    shared = Counter(sub for _, sub in pairs)
    return Folders(
        parts, classes, masks, beside, set_aside, subclasses, sum(count > 1 for count in shared.values()) > 1,
        folds, top, tuple(levels), numbers,
    )  # fmt: skip


def _parts_of(level: Sequence[str]) -> dict[str, Part]:
    """The parts of a split that folders at one depth name; also by words in their names, if there is one for each."""
    named = {folder: part for folder in level if (part := part_named(folder) or _NNUNET.get(folder.lower()))}
    by_word = {folder: part for folder in level if (part := part_in_name(folder))}
    is_split = 1 < len(level) == len(by_word) == len(set(by_word.values()))
    return by_word if is_split and len(named) < len(level) else named


def _parts_and_classes(level: Sequence[str]) -> dict[str, tuple[Part, str]]:
    """Part and class of folders that name both, such as `train_benign` and `test_benign`; empty where not all do."""
    both: dict[str, tuple[Part, str]] = {}
    for folder in level:
        for pattern in (_PART_FIRST, _PART_LAST):
            match = pattern.match(folder)
            part = part_named(match["part"]) if match else None
            if match and part is not None:
                both.setdefault(folder, (part, match["rest"].strip()))
    of_train = {rest for part, rest in both.values() if part == "train"}
    others = {rest for part, rest in both.values() if part != "train"}
    return both if len(both) == len(level) and len(of_train) > 1 and others and others <= of_train else {}


def without_version(folder: str) -> str:
    """A folder's name without what says that its images are changed: `MonkeyPox_augmented` is `Monkey Pox`."""
    return _VERSION.sub("", folder.lower())


def _is_structure(folder: str) -> bool:
    is_for_images = IMAGE_FOLDER.search(space_words(folder)) is not None
    return folder.lower() in _BIDS_FOLDERS or is_for_images or _is_numbered(folder)


def _are_structure(level: Sequence[str]) -> bool:
    """Whether folders are only structure: `images` and `anat` are, `Acne Photos` beside `Eczema Photos` not."""
    named = [space_words(folder) for folder in level if not _is_numbered(folder)]
    kinds = {IMAGE_FOLDER.sub("", folder).strip("-_. ") for folder in named}
    return all(map(_is_structure, level)) and len(kinds - {"", *_BIDS_FOLDERS}) < 2


def _is_numbered(folder: str) -> bool:
    """Whether a folder numbers what is in it: a subject, a session, a shard."""
    return _NUMBERING.search(folder) is not None


def _is_number(folder: str) -> bool:
    return folder.isdecimal()
