"""Finds the data set at a path; decodes nothing.

A mixture or an ambiguous case is never guessed: it is an error that names the option which decides it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from drai_cli.data.archive import is_archive, unpack_archive
from drai_cli.data.folders import Folders
from drai_cli.data.grey_window import with_grey_window
from drai_cli.data.image_set import ImageSet, SetOptions, count_classes
from drai_cli.data.items import list_files
from drai_cli.data.label import FOLDER
from drai_cli.data.matching.find import find_tables
from drai_cli.data.matching.lookup import OUTSIDE
from drai_cli.data.matching.nearby import refuse_loose
from drai_cli.data.medical_sets import find_dicom_set, find_volume_set
from drai_cli.data.medmnist import find_medmnist
from drai_cli.data.name_groups import group_by_name
from drai_cli.data.not_used import folders_of, hint_for, refuse_pixel_columns, say_not_used
from drai_cli.data.raster_sets import find_raster_set
from drai_cli.data.tree import Tree, walk
from drai_cli.errors import InputError, UsageError
from drai_cli.io import registry
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.registry import format_by_suffix, medical_formats
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import KIND_NAMES
from drai_cli.tables.table import is_table


def find_image_set(
    path: Path | str, options: SetOptions | None = None, *, reporter: Reporter = SILENT, **more: Any
) -> ImageSet:
    """Finds the data set at a path.

    Args:
        path: A folder, a zip or tar file of one, an npz file, or a table (whose folder is then the set's).
        options: How the set is to be understood. A relative `metadata` is looked up from here, then from the set's
            folder.
        reporter: Shown the kind found and everything that is left out.
        **more: Fields of `options` by name.

    Raises:
        InputError: Nothing usable there, or an ambiguous case.
        UsageError: Options that do not go with what is there.
    """
    with reporter.stage("listing the images and what describes them", None, ""):
        return _find(Path(path), replace(options or SetOptions(), **more), reporter)


def _find(path: Path, options: SetOptions, reporter: Reporter) -> ImageSet:
    _check_options(options)
    if path.is_file() and is_table(path.name) and not options.metadata:
        path, options = path.parent, replace(options, metadata=(path,))
    if not path.exists():
        raise InputError(path, "no such file or folder", "check the path given to --data")
    given = path
    if is_archive(path):
        path = unpack_archive(path, options.cache_dir, reporter)
    if not path.is_dir():
        image_set = _find_in_file(path, options.kind, reporter)
        _refuse_columns(image_set, options)
    else:
        tree = walk(path)
        say_not_used(tree, reporter)
        image_set = _find_in_tree(tree, options, reporter)
    _refuse_unused(image_set.kind, options)
    image_set = with_grey_window(image_set, options.window, options.hu_offset, reporter)
    if not image_set.entries:
        raise InputError(
            path, f"expected labelled images, got 0{_of_skipped(image_set)}", _way_out(image_set)
        )
    if options.group_pattern is not None:
        image_set = group_by_name(image_set, options.group_pattern, reporter)
    has_split = any(entry.part is not None for entry in image_set.entries)
    if options.split == "own" and not has_split:
        raise UsageError("--split own", "the set has no split of its own", "name its column: --split-column")
    if options.split == "new" and has_split:
        entries = tuple(replace(entry, part=None) for entry in image_set.entries)
        image_set = replace(image_set, entries=entries)
    findings = image_set.findings
    count = len(findings.names if findings else count_classes(image_set.entries, image_set.label))
    of = f"with {count} findings" if findings else f"of {count} classes"
    reporter.info(f"data: {image_set.kind}, {len(image_set.entries)} images {of} in {given}")
    return image_set


def _check_options(options: SetOptions) -> None:
    """Stops at a kind that there is none of, and at two ways to group."""
    known = tuple(dict.fromkeys((*KIND_NAMES, *medical_formats())))
    if options.kind is not None and options.kind not in known:
        raise UsageError(f"--kind {options.kind}", "no such kind of data set", f"one of: {', '.join(known)}")
    if options.group is not None and options.group_pattern is not None:
        raise UsageError(
            f"--group-pattern {options.group_pattern}", "contradicts --group", "leave one of the two out"
        )
    if options.split == "new" and options.split_column is not None:
        raise UsageError(
            f"--split-column {options.split_column}", "contradicts --split new", "leave one of the two out"
        )


def _find_in_tree(tree: Tree, options: SetOptions, reporter: Reporter) -> ImageSet:
    if options.kind is None and not options.metadata and not (tree.images or any(tree.medical.values())):
        archives = _list_archives(tree)
        if len(archives) == 1:  # a table next to it is of its rows
            options = replace(options, kind="medmnist")
    medical = _medical_kind(tree, options.kind)
    names = tree.images if medical is None else tree.medical[medical]
    folders = folders_of(tree, names, reporter)
    if options.label_name == FOLDER and not folders.classes and medical != DICOM.name:
        folders = replace(folders, classes=folders.numbers)
    if medical is not None:
        image_set = (
            find_dicom_set(tree, folders, options, reporter)
            if medical == DICOM.name
            else find_volume_set(tree, medical, folders, options, reporter)
        )
        return image_set
    if tree.skipped and not tree.images and not _list_archives(tree):
        _refuse_empty(tree)  # before a table is blamed for naming none of its images
    items = list_files([name for name in names if name not in folders.masks])
    tables = find_tables(tree, items, folders, False, options, reporter)
    if tables is not None:
        return find_raster_set(tree, folders, tables, options, reporter)
    image_set = _find_without_table(tree, folders, options, reporter)
    _refuse_columns(image_set, replace(options, label=()))
    return image_set


def _find_in_file(path: Path, kind: str | None, reporter: Reporter) -> ImageSet:
    if path.suffix.lower() == ".npz" and kind in (None, "medmnist"):
        return find_medmnist(path, reporter)
    format = format_by_suffix(path.name)
    if format is not None and format.is_medical:
        raise InputError(path, f"expected a data set, got one {format.title} file", "give its folder")
    what = "a file" if format is None else "one image"
    raise InputError(
        path,
        f"expected a data set{f' of kind {kind}' if kind else ''}, got {what}",
        registry.hint_for(path.name) or "give a folder, a zip of one, or an npz file in MedMNIST's layout",
    )


def _medical_kind(tree: Tree, kind: str | None) -> str | None:
    """The medical format that the tree holds alone, or that `--kind` names; None for other kinds of sets.

    Raises:
        InputError: A mixture, and no `--kind` that decides.
    """
    counts = {name: len(tree.medical[name]) for name in medical_formats()}
    if kind is not None:
        if kind in counts and not counts[kind]:
            raise InputError(tree.root, f"expected {kind} files, got 0")
        return kind if kind in counts else None
    there = [name for name, count in counts.items() if count]
    if not there:
        return None
    if tree.images or len(there) > 1:
        listed = " and ".join(f"{counts[name]} {name}" for name in there)
        others = f" lie next to {len(tree.images)} images" if tree.images else " lie there"
        choices = " or ".join(f"--kind {name}" for name in there)
        images = ", or the image files with --kind class-folders or --kind csv" if tree.images else ""
        raise InputError(tree.root, f"{listed} files{others}", f"choose one kind with {choices}{images}")
    return there[0]


def _refuse_unused(kind: str, options: SetOptions) -> None:
    """Stops at options that do not go with the kind found."""
    names = {
        "medmnist": ("group-pattern", "axis", "slices"),  # one file, in which images have no names
        **dict.fromkeys(medical_formats(), ("hu-offset",)),
        DICOM.name: ("hu-offset", "axis", "slices"),
    }.get(kind, ("axis", "slices"))
    for name in names:
        if (value := getattr(options, name.replace("-", "_"))) is not None:
            raise UsageError(
                f"--{name} {value}", f"does not apply to a data set of kind {kind}", "leave it out"
            )


def _find_without_table(tree: Tree, folders: Folders, options: SetOptions, reporter: Reporter) -> ImageSet:
    kind = options.kind
    archives = _list_archives(tree)
    if kind != "class-folders" and archives and not tree.images:
        if len(archives) == 1:
            return find_medmnist(archives[0], reporter)
        raise InputError(
            tree.root,
            f"{len(archives)} npz files lie there: {', '.join(path.name for path in archives[:5])}",
            "give one of them as the path",
        )
    if kind == "medmnist":
        raise InputError(
            tree.root, f"expected one npz file alone, got {len(archives)}", "give it as the path"
        )
    if kind is None:
        if archives:
            raise InputError(
                tree.root,
                f"{len(archives)} npz files lie next to {len(tree.images)} images",
                f"give {archives[0]} as the path, or take folders as labels: --kind class-folders",
            )
        loose = sum("/" not in name for name in tree.images)
        if 0 < loose < len(tree.images):
            raise InputError(
                tree.root,
                f"{loose} images lie next to folders with {len(tree.images) - loose}",
                "--kind class-folders takes the folders as classes and leaves those images out; "
                "or name a table with --metadata FILE",
            )
    if not tree.images:
        _refuse_empty(tree)
    refuse_loose(tree)
    return find_raster_set(tree, folders, None, options, reporter)


def _refuse_empty(tree: Tree) -> NoReturn:
    """Raises InputError: there is no image that may be read."""
    refuse_pixel_columns(tree)
    others = ", ".join(f"{count} {suffix}" for suffix, count in tree.others.most_common(4))
    skipped = f", and {len(tree.skipped)} that may not be read ({_names(tree)})" if tree.skipped else ""
    raise InputError(
        tree.root,
        f"expected images, got 0 (other files: {others or 'none'}){skipped}",
        hint_for(tree)
        or _hint_for_links(tree)
        or f"{registry.describe_formats()}, in one folder a class or with a table",
    )


def _hint_for_links(tree: Tree) -> str:
    """What to do where images are links to elsewhere; empty where none is."""
    is_linked = any("out of the set" in reason for _, reason in tree.skipped)
    return "copy the images into the folder, or give the folder that holds them" if is_linked else ""


def _is_inside(path: Path, root: Path) -> bool:
    return not path.name.startswith(".") and path.is_file() and path.resolve().is_relative_to(root.resolve())


def _list_archives(tree: Tree) -> list[Path]:
    return [path for path in sorted(tree.root.glob("*.npz")) if _is_inside(path, tree.root)]


def _refuse_columns(image_set: ImageSet, options: SetOptions) -> None:
    """Stops where columns are named and there is no table."""
    asked = {
        "--image-column": options.image_column,
        "--label": None if options.label_name in (None, image_set.label) else options.label[0],
        "--group": options.group,
        "--split-column": options.split_column,
        "--metadata": next(iter(options.metadata), None),
        "--condition": next(iter(options.conditions), None),
    }
    for option, value in asked.items():
        if value is not None:
            raise UsageError(
                f"{option} {value}",
                f"a set of kind {image_set.kind} has no table",
                "name one with --metadata FILE, or leave the option out"
                + ("; --group-pattern REGEX groups images by their names" if option == "--group" else ""),
            )


def _names(tree: Tree) -> str:
    return ", ".join(f"{name}: {reason}" for name, reason in tree.skipped[:3])


def _of_skipped(image_set: ImageSet) -> str:
    if not image_set.skipped:
        return ""
    name, reason = image_set.skipped[0]
    return f" ({len(image_set.skipped)} cannot be used, such as {name}: {reason})"


def _way_out(image_set: ImageSet) -> str:
    """What to do about a set whose images all are left out."""
    if any(reason == OUTSIDE for _, reason in image_set.skipped):
        return "the table's paths lead out of the set, or are of another machine: give the folder where their ends lie"
    return f"check column {image_set.label!r}, or name another with --label"
