"""Which mask files belong to which image of a set, by their names and sizes. Decodes nothing.

A mask is called as its image, with or without a word that says what it is: `ISIC_1_segmentation.png` of `ISIC_1.jpg`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drai_cli.data.image_set import Entry, ImageSet
from drai_cli.data.reading import list_first
from drai_cli.data.tree import walk
from drai_cli.errors import InputError, UsageError
from drai_cli.io import registry
from drai_cli.io.channels import check_mask_names
from drai_cli.io.raster import measure_raster
from drai_cli.progress import Reporter
from drai_cli.settings.data_options import DataOptions

MASK_WORDS = ("mask", "segmentation", "seg", "ground truth", "gt", "label", "annotation", "roi", "manual")
"""What may follow the image's name in that of its mask, after `_`, `-`, `.` or a space; then a reader's number."""
_WORDS = "|".join(f"{word.replace(' ', '[-_ ]?')}s?" for word in MASK_WORDS)
_WITH_WORD = re.compile(
    rf"^(?P<stem>.+?)[-_. ](?:{_WORDS})(?:[-_. ]?(?:r|reader|rater)?[-_. ]?\d+)?$", re.IGNORECASE
)
_NO_MASK = re.compile(r"overlay|superpixel|heatmap|thumb|preview", re.IGNORECASE)
_KINDS = ("class-folders", "csv", "ham10000")
_DEPTHS = 6


@dataclass(frozen=True)
class MaskFiles:
    """The masks of a set's images, found and not yet decoded.

    Attributes:
        root: Their folder.
        names: Of the masks, in the order of their channels.
        files: For each image of the set the files of its masks: of all masks, or, where each mask has a folder of its
            own, of one after the other. No file: the mask is empty.
        values: Label values of each mask; empty where a mask is what is not 0.
        is_bits: Whether bit r of a value is the outline of reader r.
        readers: How outlines of several readers become one mask: `majority`, `any` or `all`.
    """

    root: Path
    names: tuple[str, ...]
    files: Mapping[str, tuple[tuple[str, ...], ...]]
    values: tuple[tuple[int, ...], ...] = ()
    is_bits: bool = False
    readers: str = "majority"


def find_mask_files(
    image_set: ImageSet, options: DataOptions, reporter: Reporter
) -> tuple[ImageSet, MaskFiles | None]:
    """The set without the images that lack a mask, if `--missing-masks` leaves them out, and its masks.

    Raises:
        InputError: No mask belongs to an image, or one has other proportions than its image.
        UsageError: Options that contradict each other or the kind of set.
    """
    names, values = parse_mask_names(options)
    if options.masks is None:
        return image_set, None
    if image_set.kind not in _KINDS or any("#" in entry.name for entry in image_set.entries):
        raise UsageError(
            f"--masks {options.masks}",
            f"expected a set of plain images with one frame each, got one of kind {image_set.kind}",
            "drai convert makes PNG files of volumes and of their label maps",
        )
    if not options.masks.is_dir():
        raise InputError(options.masks, "expected a folder of masks", "name the folder with --masks DIR")
    image_set = _without_masks(image_set, options.masks, reporter)
    root, shared = image_set.root.resolve(), options.masks.resolve()
    images = {(root / image_set.pixels.file_of(entry)).as_posix() for entry in image_set.entries}
    tree = walk(options.masks)
    usable = [name for name in tree.names if (shared / name).as_posix() not in images]
    found = _find(options.masks, usable, names if not values and len(names) > 1 else ("",))
    files, unused = _match(image_set.entries, found, options.masks)
    _check_sizes(image_set, options.masks, files)
    _say(image_set, options, names, files, unused, reporter)
    kept = tuple(entry for entry in image_set.entries if entry.name in files)
    if len(kept) < len(image_set.entries):
        missing = [entry.name for entry in image_set.entries if entry.name not in files]
        few = f"{len(missing)} of {len(image_set.entries)} images have no mask ({list_first(missing, 3)})"
        if options.missing_masks == "empty":
            reporter.warn(f"{few}: they get an empty mask (--missing-masks empty)")
            files = {**dict.fromkeys(missing, ((),) * len(found)), **files}
        else:
            reporter.warn(f"{few} and are left out; --missing-masks empty keeps them with an empty mask")
            image_set = replace(image_set, entries=kept)
    masks = MaskFiles(options.masks, names, files, values, options.mask_bits, options.mask_readers)
    return image_set, masks


def parse_mask_names(options: DataOptions) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Names of the masks, and the label values of each; no values where `--mask-names` gives none.

    Raises:
        UsageError: An option without `--masks`, or names that contradict each other.
    """
    given = {
        "--mask-names": bool(options.mask_names),
        "--mask-bits": options.mask_bits,
        "--mask-readers": options.mask_readers != "majority",
        "--missing-masks": options.missing_masks != "leave-out",
    }
    if options.masks is None:
        for option, is_given in given.items():
            if is_given:
                raise UsageError(option, "applies to masks, and --masks is not given", "add --masks DIR")
        return (), ()
    names, numbered = [], {}
    for text in options.mask_names:
        value, sign, name = text.rpartition("=")
        if not sign:
            names.append(text)
        elif value.isdecimal() and len(value) <= 5 and int(value):
            numbered[int(value)] = name
        else:
            raise UsageError(
                f"--mask-names {text}", "expected VALUE=NAME with a value from 1", "for example 1=lesion"
            )
    if names and numbered:
        raise UsageError(
            "--mask-names", "names some masks by value and some without", "give one of the two forms"
        )
    if numbered and options.mask_bits:
        raise UsageError("--mask-bits", "contradicts --mask-names VALUE=NAME", "give one of them")
    if not numbered:
        check_mask_names("--mask-names", names)
        return tuple(names) or ("mask",), ()
    names = list(dict.fromkeys(name for name in numbered.values() if name))
    if not names:
        raise UsageError("--mask-names", "expected at least one value with a name", "for example 1=lesion")
    check_mask_names("--mask-names", names)
    ignored = tuple(value for value, name in numbered.items() if not name)
    of_names = tuple(tuple(v for v, name in numbered.items() if name == one) for one in names)
    return tuple(names), (*of_names, ignored)


def _without_masks(image_set: ImageSet, masks: Path, reporter: Reporter) -> ImageSet:
    """The set without files below the folder of masks, where that lies in it and is not called as masks are."""
    root, folder = image_set.root.resolve(), masks.resolve()
    if root == folder or not folder.is_relative_to(root):
        return image_set
    inside = folder.relative_to(root).as_posix() + "/"
    kept = tuple(entry for entry in image_set.entries if not entry.name.startswith(inside))
    if len(kept) == len(image_set.entries):
        return image_set
    reporter.info(
        f"{len(image_set.entries) - len(kept)} files in {inside} are masks and no images of the set"
    )
    return replace(image_set, entries=kept)


def _find(root: Path, names: Sequence[str], folders: Sequence[str]) -> list[list[str]]:
    """The mask files below each folder (empty: all below the root), relative to the root.

    Args:
        root: The folder of masks.
        names: Of the files in it that are no images of the set.
        folders: Where to look.

    Raises:
        InputError: A folder has none.
    """
    files = [name for name in names if not _NO_MASK.search(name.rpartition("/")[2])]
    found = [[name for name in files if not folder or name.startswith(f"{folder}/")] for folder in folders]
    for folder, inside in zip(folders, found, strict=True):
        if not inside:
            raise InputError(
                root / folder,
                "expected mask files, got none",
                "several --mask-names without values are folders in --masks; of label values say 1=NAME",
            )
    return found


def _match(
    entries: Sequence[Entry], found: Sequence[Sequence[str]], root: Path
) -> tuple[dict[str, tuple[tuple[str, ...], ...]], list[str]]:
    """The files of each image that has any, and those that belong to no image.

    Names are compared without their folders where that is enough to tell the images apart, else with as many as needed.
    """
    paths = [registry.strip_suffix(entry.name).split("/") for entry in entries]
    depth = next(
        (depth for depth in range(1, _DEPTHS) if len({tuple(path[-depth:]) for path in paths}) == len(paths)),
        _DEPTHS,
    )
    images: dict[tuple[str, ...], str] = {}
    for path, entry in zip(paths, entries, strict=True):
        images[tuple(path[-depth:])] = entry.name
    files: dict[str, list[list[str]]] = {}
    unused = []
    for place, inside in enumerate(found):
        for name in inside:
            image = _image_of(name, images, depth)
            if image is None:
                unused.append(name)
            else:
                files.setdefault(image, [[] for _ in found])[place].append(name)
    if not files:
        raise InputError(
            root,
            f"none of {len(unused)} mask files belongs to an image: their names are like {list_first(unused, 2)}, "
            f"images {list_first([entry.name for entry in entries], 2)}",
            "a mask file needs the name of its image, with or without one of: "
            f"{', '.join('_' + w for w in MASK_WORDS)}",
        )
    return {image: tuple(map(tuple, lists)) for image, lists in files.items()}, unused


def _image_of(name: str, images: Mapping[tuple[str, ...], str], depth: int) -> str | None:
    *folders, last = registry.strip_suffix(name).split("/")
    for stem in (last, match["stem"] if (match := _WITH_WORD.match(last)) else last):
        key = (*folders, stem)[-depth:]
        if key in images:
            return images[key]
    return None


def _check_sizes(image_set: ImageSet, root: Path, files: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
    """Stops at masks of other proportions than their image's; a mask of another size is scaled with it."""
    wrong = []
    for entry in image_set.entries:
        for name in (name for one in files.get(entry.name, ()) for name in one):
            image = _extent(image_set.root / image_set.pixels.file_of(entry))
            mask = _extent(root / name)
            if image is None or mask is None:
                continue  # decoding says why
            (rows, columns), (mask_rows, mask_columns) = image, mask
            if abs(mask_rows * columns / mask_columns - rows) > 1:
                wrong.append(f"{name} ({mask_columns} × {mask_rows} for {columns} × {rows})")
    if wrong:
        raise InputError(
            root,
            f"{len(wrong)} masks have other proportions than their image: {list_first(wrong, 5)}",
            "scale them to the image's size, or move them out of the folder: their images then have no mask",
        )


def _extent(path: Path) -> tuple[int, int] | None:
    """Rows and columns by a file's header; None where they cannot be read."""
    try:
        _, _, rows, columns = measure_raster(path).extents
    except InputError:
        return None
    return rows, columns


def _say(
    image_set: ImageSet,
    options: DataOptions,
    names: Sequence[str],
    files: Mapping[str, tuple[tuple[str, ...], ...]],
    unused: Sequence[str],
    reporter: Reporter,
) -> None:
    reporter.info(f"masks: {len(files)} of {len(image_set.entries)} images have one ({', '.join(names)})")
    if unused:
        reporter.info(f"{len(unused)} mask files belong to no image of the set, such as {unused[0]}")
    several = Counter(len(one) for lists in files.values() for one in lists if len(one) > 1)
    if several:
        how = {
            "majority": "what at least half of them outline counts; --mask-readers any or all decides otherwise",
            "any": "what any of them outlines counts", "all": "what all of them outline counts",
        }[options.mask_readers]  # fmt: skip
        reporter.warn(
            f"{several.total()} images have several files of one mask, at most {max(several)}: they are taken as "
            f"several readers, and {how}"
        )
