"""Finds out what a path holds; decodes nothing.

A mixture or a doubtful case is never guessed: it is an error that names the option which decides it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from drai_cli.data.class_folders import find_class_folders
from drai_cli.data.csv_set import find_csv_set
from drai_cli.data.image_set import ImageSet, class_counts
from drai_cli.data.medical_sets import find_dicom_set, find_volume_set
from drai_cli.data.medmnist import find_medmnist
from drai_cli.data.name_groups import group_by_name
from drai_cli.data.set_tables import TABLE_SUFFIXES, find_table, is_inside, refuse_loose
from drai_cli.data.table import read_table
from drai_cli.data.tree import Tree, walk
from drai_cli.errors import InputError, UsageError
from drai_cli.io import registry
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.registry import format_by_suffix, list_titles, medical_formats
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import KIND_NAMES


def find_image_set(
    path: Path | str,
    *,
    metadata: Path | str | None = None,
    image_column: str | None = None,
    label: str | None = None,
    conditions: Sequence[str] = (),
    group: str | None = None,
    group_pattern: str | None = None,
    kind: str | None = None,
    window: str | None = None,
    axis: Literal["axial", "coronal", "sagittal"] | None = None,
    slices: str | None = None,
    reporter: Reporter = SILENT,
) -> ImageSet:
    """Finds the data set at a path.

    Args:
        path: A folder, an npz file, or a table (whose folder is then the set's).
        metadata: The table, where it is not recognised by itself; a relative path is looked up from here,
            then from the set's folder.
        image_column: The table's column that names the images.
        label: The table's column that holds the label.
        conditions: Further columns to condition on.
        group: Column whose value keeps images together in a split.
        group_pattern: In its place a regular expression for the images' names; see `group_by_name`.
        kind: One of `KIND_NAMES`, where two are possible.
        window: Of DICOM and NIfTI, which values become black and white.
        axis: Of NIfTI, across which axis slices are cut.
        slices: Of NIfTI, which slices.
        reporter: Told the kind found and everything that is left out.

    Raises:
        InputError: Nothing usable there, or a doubtful case.
        UsageError: Options that do not go with what is there.
    """
    path = Path(path)
    known = tuple(dict.fromkeys((*KIND_NAMES, *medical_formats())))
    if kind is not None and kind not in known:
        raise UsageError(f"--kind {kind}", "no such kind of data set", f"one of: {', '.join(known)}")
    if group is not None and group_pattern is not None:
        raise UsageError(
            f"--group-pattern {group_pattern}", "contradicts --group", "leave one of the two out"
        )
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES and metadata is None:
        path, metadata = path.parent, path
    if not path.exists():
        raise InputError(path, "no such file or folder", "look at the path given to --data")
    if not path.is_dir():
        found = _find_in_file(path, kind, reporter)
        _refuse_columns(found, image_column, label, conditions, group, metadata)
    else:
        tree = walk(path)
        _tell_others(tree, reporter)
        medical = _medical_kind(tree, kind)
        table = find_table(tree, metadata, kind, medical)
        if medical is not None:
            found = _find_medical(
                tree, medical, table and table[0], image_column=image_column, label=label,
                conditions=conditions, group=group, has_group_pattern=group_pattern is not None,
                window=window, axis=axis, slices=slices, reporter=reporter,
            )  # fmt: skip
        elif table is None:
            found = _find_without_table(tree, kind, label, reporter)
            _refuse_columns(found, image_column, None, conditions, group, metadata)
        else:
            table_path, table_kind = table
            found = find_csv_set(
                tree,
                read_table(table_path),
                kind=table_kind,
                image_column=image_column,
                label=label,
                conditions=conditions,
                group=group,
                has_group_pattern=group_pattern is not None,
                reporter=reporter,
            )
    unused = {"--window": window, "--axis": axis, "--slices": slices}
    if found.kind == "medmnist":  # one file, in which images have no names
        _refuse_unused(found.kind, {"--group-pattern": group_pattern})
    if found.kind not in medical_formats():
        _refuse_unused(found.kind, unused)
    elif found.kind == DICOM.name:
        _refuse_unused(found.kind, {"--axis": axis, "--slices": slices})
    if not found.entries:
        raise InputError(
            path, f"expected labelled images, got 0{_of_skipped(found)}", "look at the label column"
        )
    if group_pattern is not None:
        found = group_by_name(found, group_pattern, reporter)
    classes = class_counts(found.entries, found.label)
    reporter.info(f"data: {found.kind}, {len(found.entries)} images of {len(classes)} classes in {path}")
    return found


def _tell_others(tree: Tree, reporter: Reporter) -> None:
    """Says how many files are neither images nor of a kind that is looked at."""
    others = {suffix: n for suffix, n in tree.others.items() if suffix not in (*TABLE_SUFFIXES, ".npz")}
    if others and tree.images:
        listed = ", ".join(f"{suffix} {count}" for suffix, count in Counter(others).most_common(4))
        reporter.info(f"{sum(others.values())} other files are passed over ({listed})")


def _find_in_file(path: Path, kind: str | None, reporter: Reporter) -> ImageSet:
    if path.suffix.lower() == ".npz" and kind in (None, "medmnist"):
        return find_medmnist(path, reporter=reporter)
    format = format_by_suffix(path)
    if format is not None and format.is_medical:
        raise InputError(path, f"expected a data set, got one {format.title} file", "give its folder")
    what = "a file" if format is None else "one image"
    raise InputError(
        path,
        f"expected a data set{f' of kind {kind}' if kind else ''}, got {what}",
        "give a folder, or an npz file in MedMNIST's layout",
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
        beside = f" lie beside {len(tree.images)} images" if tree.images else " lie there"
        choices = " or ".join(f"--kind {name}" for name in there)
        images = ", or the image files with --kind class-folders or --kind csv" if tree.images else ""
        raise InputError(tree.root, f"{listed} files{beside}", f"take one sort with {choices}{images}")
    return there[0]


def _find_medical(
    tree: Tree,
    kind: str,
    table_path: Path | None,
    *,
    image_column: str | None,
    label: str | None,
    conditions: Sequence[str],
    group: str | None,
    has_group_pattern: bool,
    window: str | None,
    axis: Literal["axial", "coronal", "sagittal"] | None,
    slices: str | None,
    reporter: Reporter,
) -> ImageSet:
    table = None if table_path is None else read_table(table_path)
    if table is None and image_column is not None:
        raise UsageError(
            f"--image-column {image_column}", "there is no table", "name one with --metadata FILE"
        )
    if kind == DICOM.name:
        return find_dicom_set(
            tree, table, image_column=image_column, label=label, conditions=conditions, group=group,
            has_group_pattern=has_group_pattern, window=window, reporter=reporter,
        )  # fmt: skip
    return find_volume_set(
        tree, kind, table, image_column=image_column, label=label, conditions=conditions, group=group,
        window=window, axis=axis, slices=slices, reporter=reporter,
    )  # fmt: skip


def _refuse_unused(kind: str, options: Mapping[str, str | None]) -> None:
    """Stops at options that do not go with the kind found."""
    for option, value in options.items():
        if value is not None:
            raise UsageError(f"{option} {value}", f"does not go with a set of kind {kind}", "leave it out")


def _find_without_table(tree: Tree, kind: str | None, label: str | None, reporter: Reporter) -> ImageSet:
    archives = [path for path in sorted(tree.root.glob("*.npz")) if is_inside(path, tree.root)]
    if kind != "class-folders" and archives and not tree.images:
        if len(archives) == 1:
            return find_medmnist(archives[0], reporter=reporter)
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
                f"{len(archives)} npz files lie beside {len(tree.images)} images",
                f"give {archives[0]} as the path, or take folders as labels: --kind class-folders",
            )
        loose = sum("/" not in name for name in tree.images)
        if 0 < loose < len(tree.images):
            raise InputError(
                tree.root,
                f"{loose} images lie beside folders with {len(tree.images) - loose}",
                "take the folders as classes and leave those out with --kind class-folders, "
                "or name a table with --metadata FILE",
            )
    if not tree.images:
        plain = [one for one in registry.FORMATS if not one.is_medical]
        others = ", ".join(f"{count} {suffix}" for suffix, count in tree.others.most_common(4))
        skipped = f", and {len(tree.skipped)} that may not be read ({_names(tree)})" if tree.skipped else ""
        raise InputError(
            tree.root,
            f"expected images, got 0 (other files: {others or 'none'}){skipped}",
            f"images are {list_titles(plain, 'or')} files, in one folder a class or with a table",
        )
    refuse_loose(tree)
    return find_class_folders(tree, label=label, reporter=reporter)


def _refuse_columns(
    found: ImageSet,
    image_column: str | None,
    label: str | None,
    conditions: Sequence[str],
    group: str | None,
    metadata: Path | str | None,
) -> None:
    """Stops where columns are named and there is no table."""
    if label == found.label:
        label = None
    asked = {"--image-column": image_column, "--label": label, "--group": group, "--metadata": metadata}
    asked["--condition"] = conditions[0] if conditions else None
    for option, value in asked.items():
        if value is not None:
            raise UsageError(
                f"{option} {value}",
                f"a set of kind {found.kind} has no table",
                "name one with --metadata FILE, or leave the option out"
                + ("; --group-pattern REGEX groups images by their names" if option == "--group" else ""),
            )


def _names(tree: Tree) -> str:
    return ", ".join(f"{name}: {reason}" for name, reason in tree.skipped[:3])


def _of_skipped(found: ImageSet) -> str:
    if not found.skipped:
        return ""
    name, reason = found.skipped[0]
    return f" ({len(found.skipped)} cannot be used, such as {name}: {reason})"
