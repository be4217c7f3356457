"""Sets whose folder names are the labels: `lesions/melanoma/*.png`, or already split: `train/melanoma/*.png`."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from drai_cli.data.condition import is_missing
from drai_cli.data.image_set import LABEL, Entry, ImageSet, count_classes, part_named
from drai_cli.data.tree import FilePixels, Tree
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter


def find_class_folders(tree: Tree, label: str | None, reporter: Reporter) -> ImageSet:
    """The set whose labels are the names of the folders directly under the root.

    Where all those folders are named after the parts of a split (train, val, test), that split is kept and the folders
    below them are the labels.

    Raises:
        InputError: No images in folders, or folders of a split next to folders of classes.
        UsageError: Another label column than `label` was asked for.
    """
    if label not in (None, LABEL):
        raise UsageError(
            f"--label {label}", "class folders have no columns", "name a table with --metadata FILE"
        )
    folders = sorted({name.split("/", 1)[0] for name in tree.images if "/" in name})
    parts = [folder for folder in folders if part_named(folder)]
    if parts and len(parts) < len(folders):
        others = [folder for folder in folders if folder not in parts]
        raise InputError(
            tree.root,
            f"folders of a split ({', '.join(parts[:3])}) lie next to others ({', '.join(others[:3])})",
            "give the folder that holds only classes, or only train, validation and test",
        )
    has_split = len(parts) > 1
    depth = 1 if has_split else 0
    entries, left_out = [], 0
    for name in tree.images:
        folders_of = PurePosixPath(name).parts[:-1]
        if len(folders_of) <= depth:
            left_out += 1
            continue
        part = part_named(folders_of[0]) if has_split else None
        entries.append(Entry(name, {LABEL: folders_of[depth].strip()}, name, part))
    if not entries:
        raise InputError(
            tree.root,
            f"expected class folders with images, got {len(tree.images)} images in none",
            "sort them into one folder a class, or name a table with --metadata FILE",
        )
    unnamed = sorted({entry.values[LABEL] for entry in entries if is_missing(entry.values[LABEL])})
    if unnamed:
        raise InputError(
            tree.root,
            f"folder {unnamed[0]!r} cannot be a label: in tables that word means a missing value",
            "rename the folder",
        )
    if left_out:
        reporter.warn(f"{left_out} images lie in no class folder and are left out")
    _report(tree, entries, has_split, reporter)
    pixels = FilePixels(tree.root)
    return ImageSet("class-folders", tree.root, LABEL, (), None, tuple(entries), pixels, tuple(tree.skipped))


def _report(tree: Tree, entries: list[Entry], has_split: bool, reporter: Reporter) -> None:
    """Says which split is kept, or which folders are empty."""
    if has_split:
        counts = Counter(str(entry.part) for entry in entries)
        reporter.info(
            f"the set's own split is kept: {', '.join(f'{n} {part}' for part, n in counts.items())}"
        )
    else:
        filled = set(count_classes(entries, LABEL))
        empty = [folder for folder in tree.folders if folder not in filled]
        if empty:
            reporter.warn(f"{len(empty)} folders hold no image: {', '.join(empty[:5])}")
