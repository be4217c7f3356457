"""Sets of plain image files (PNG, JPEG, TIFF, …): in class folders, or described by tables."""

from __future__ import annotations

from collections import Counter

from drai_cli.conditions.attribute import is_missing
from drai_cli.data.folders import Folders
from drai_cli.data.image_set import FILE, LABEL, Entry, ImageSet, SetOptions
from drai_cli.data.items import count_frames, list_files
from drai_cli.data.label import FOLDER, SUBFOLDER, choose_label
from drai_cli.data.listing import list_set
from drai_cli.data.matching.find import SetTables
from drai_cli.data.tree import FilePixels, Tree
from drai_cli.data.unlabelled import refuse_unlabelled
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter


def find_raster_set(
    tree: Tree, folders: Folders, tables: SetTables | None, options: SetOptions, reporter: Reporter
) -> ImageSet:
    """The set of a folder's images, one for each frame of a file.

    With tables, a row describes each image, and rows without a label are left out. Without, the class folders are the
    labels.

    Raises:
        InputError: No images in class folders, or rows that do not fit the files: counted and named.
        UsageError: A missing column, or none given where one is needed.
    """
    items = list_files([name for name in tree.images if name not in folders.masks])
    if tables is None:
        _check_folders(tree, folders, options, reporter)
        items = [item for item in items if item.name in folders.classes]
    else:
        place = {name: place for place, name in enumerate(tables.described.rows)}
        items.sort(key=lambda item: place.get(item.name, len(place)))  # as the table lists them
    label = choose_label(tables, options, folders, reporter)
    listing = list_set(tree, items, folders, tables, label, options, reporter, noun="images")
    entries: list[Entry] = []
    frames: dict[str, tuple[str, int]] = {}
    for file in listing.files:
        name = file.item.name
        try:
            count = count_frames(tree.root, name)
        except InputError:
            count = 1  # decoding it will say what is wrong
        if count == 1:
            entries.append(Entry(name, file.values, file.group, file.part))
            continue
        for frame in range(count):
            frames[f"{name}#{frame}"] = name, frame
            entries.append(Entry(f"{name}#{frame}", file.values, file.group, file.part))
    if frames:
        files = len({file for file, _ in frames.values()})
        reporter.info(f"{files} files hold several frames: each of their {len(frames)} frames is an image")
    kind = "class-folders"
    if tables is not None:
        kind = "ham10000" if tables.is_ham10000 else "csv"
    return ImageSet(
        kind, tree.root, label, listing.conditions, listing.group or (FILE if frames else None), tuple(entries),
        FilePixels(tree.root), (*tree.skipped, *listing.skipped), findings=listing.findings,
    )  # fmt: skip


def _check_folders(tree: Tree, folders: Folders, options: SetOptions, reporter: Reporter) -> None:
    """Stops where folders are no classes, and says what is left out.

    Raises:
        InputError: No images in class folders, or folders of a split next to folders of classes.
        UsageError: Another label than the folder was asked for.
    """
    images = [name for name in tree.images if name not in folders.masks]
    if not folders.classes and not folders.beside_parts:
        refuse_unlabelled(tree, folders, images, "images", options.label_name)
    if options.label_name not in (None, LABEL, FOLDER, SUBFOLDER):
        raise UsageError(
            f"--label {options.label[0]}",
            "class folders have no columns",
            "name a table with --metadata FILE",
        )
    if folders.beside_parts:
        parts, others = folders.beside_parts
        raise InputError(
            tree.root,
            f"folders of a split ({parts}) lie next to others ({others})",
            "give the folder that holds only classes, or only train, validation and test",
        )
    unnamed = [name for name in folders.class_names if is_missing(name)]
    if unnamed and not options.missing:
        raise InputError(
            tree.root,
            f"folder {unnamed[0]!r} cannot be a label: in tables that word means a missing value",
            "rename the folder, or keep it as a class with --missing ''",
        )
    left_out = len(images) - len(folders.classes)
    if left_out:
        reporter.warn(f"{left_out} images lie in no class folder and are left out")
    if not folders.parts and not folders.levels:
        filled = Counter(folders.classes.values())
        empty = [folder for folder in tree.folders if folder not in filled]
        if empty:
            reporter.warn(f"{len(empty)} folders hold no image: {', '.join(empty[:5])}")
