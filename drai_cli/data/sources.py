"""Finds out what a path holds; decodes nothing.

A mixture or a doubtful case is never guessed: it is an error that names the option which decides it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from drai_cli.data.class_folders import find_class_folders
from drai_cli.data.csv_set import HAM10000_COLUMNS, IMAGEFOLDER_COLUMN, find_csv_set
from drai_cli.data.image_set import ImageSet, class_counts
from drai_cli.data.medical_sets import find_dicom_set, find_nifti_set
from drai_cli.data.medmnist import find_medmnist
from drai_cli.data.options import KIND_NAMES
from drai_cli.data.table import list_columns, read_header, read_table
from drai_cli.data.tree import MEDICAL_SUFFIXES, Tree, walk
from drai_cli.errors import InputError, UsageError
from drai_cli.io.files import shown
from drai_cli.io.raster import is_raster
from drai_cli.progress import SILENT, Reporter

_TABLE_SUFFIXES = (".csv", ".tsv", ".tab")


def find_image_set(
    path: Path | str,
    *,
    metadata: Path | str | None = None,
    image_column: str | None = None,
    label: str | None = None,
    conditions: Sequence[str] = (),
    group: str | None = None,
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
    if kind is not None and kind not in KIND_NAMES:
        raise UsageError(f"--kind {kind}", "no such kind of data set", f"one of: {', '.join(KIND_NAMES)}")
    if path.is_file() and path.suffix.lower() in _TABLE_SUFFIXES and metadata is None:
        path, metadata = path.parent, path
    if not path.exists():
        raise InputError(shown(path), "no such file or folder", "look at the path given to --data")
    if not path.is_dir():
        found = _find_in_file(path, kind, reporter)
        _refuse_columns(found, image_column, label, conditions, group, metadata)
    else:
        tree = walk(path)
        _tell_others(tree, reporter)
        medical = _medical_kind(tree, kind)
        table = _find_table(tree, metadata, kind, medical)
        if medical is not None:
            found = _find_medical(
                tree, medical, table and table[0], image_column=image_column, label=label,
                conditions=conditions, group=group, window=window, axis=axis, slices=slices, reporter=reporter,
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
                reporter=reporter,
            )
    unused = {"--window": window, "--axis": axis, "--slices": slices}
    if found.kind not in ("dicom", "nifti"):
        _refuse_unused(found.kind, unused)
    elif found.kind == "dicom":
        _refuse_unused(found.kind, {"--axis": axis, "--slices": slices})
    if not found.entries:
        raise InputError(
            shown(path), f"expected labelled images, got 0{_of_skipped(found)}", "look at the label column"
        )
    classes = class_counts(found.entries, found.label)
    reporter.info(
        f"data: {found.kind}, {len(found.entries)} images of {len(classes)} classes in {shown(path)}"
    )
    return found


def _tell_others(tree: Tree, reporter: Reporter) -> None:
    """Says how many files are neither images nor of a kind that is looked at."""
    others = {suffix: n for suffix, n in tree.others.items() if suffix not in (*_TABLE_SUFFIXES, ".npz")}
    if others and tree.images:
        listed = ", ".join(f"{shown(suffix)} {count}" for suffix, count in Counter(others).most_common(4))
        reporter.info(f"{sum(others.values())} other files are passed over ({listed})")


def _find_in_file(path: Path, kind: str | None, reporter: Reporter) -> ImageSet:
    if path.suffix.lower() == ".npz" and kind in (None, "medmnist"):
        return find_medmnist(path, reporter=reporter)
    if path.name.lower().endswith(MEDICAL_SUFFIXES):
        raise InputError(shown(path), "expected a data set, got one DICOM or NIfTI file", "give its folder")
    what = "one image" if is_raster(path) else "a file"
    raise InputError(
        shown(path),
        f"expected a data set{f' of kind {kind}' if kind else ''}, got {what}",
        "give a folder, or an npz file in MedMNIST's layout",
    )


def _medical_kind(tree: Tree, kind: str | None) -> str | None:
    """`dicom` or `nifti` where the tree holds that, and nothing else that could be meant; None for other kinds.

    Raises:
        InputError: A mixture, and no `--kind` that decides.
    """
    counts = {"dicom": len(tree.dicom), "nifti": len(tree.nifti)}
    if kind is not None:
        if kind in counts and not counts[kind]:
            raise InputError(shown(tree.root), f"expected {kind} files, got 0")
        return kind if kind in counts else None
    there = [name for name, count in counts.items() if count]
    if not there:
        return None
    if tree.images or len(there) > 1:
        listed = " and ".join(f"{counts[name]} {name}" for name in there)
        beside = f" lie beside {len(tree.images)} images" if tree.images else " lie there"
        choices = " or ".join(f"--kind {name}" for name in there)
        images = ", or the image files with --kind class-folders or --kind csv" if tree.images else ""
        raise InputError(shown(tree.root), f"{listed} files{beside}", f"take one sort with {choices}{images}")
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
    window: str | None,
    axis: Literal["axial", "coronal", "sagittal"] | None,
    slices: str | None,
    reporter: Reporter,
) -> ImageSet:
    table = None if table_path is None else read_table(table_path)
    if table is None and image_column is not None:
        raise UsageError(
            f"--image-column {shown(image_column)}", "there is no table", "name one with --metadata FILE"
        )
    if kind == "dicom":
        return find_dicom_set(
            tree, table, image_column=image_column, label=label, conditions=conditions, group=group,
            window=window, reporter=reporter,
        )  # fmt: skip
    return find_nifti_set(
        tree, table, image_column=image_column, label=label, conditions=conditions, group=group,
        window=window, axis=axis, slices=slices, reporter=reporter,
    )  # fmt: skip


def _refuse_unused(kind: str, options: Mapping[str, str | None]) -> None:
    """Stops at options that do not go with the kind found."""
    for option, value in options.items():
        if value is not None:
            raise UsageError(
                f"{option} {shown(value)}", f"does not go with a set of kind {kind}", "leave it out"
            )


def _find_table(
    tree: Tree, metadata: Path | str | None, kind: str | None, medical: str | None
) -> tuple[Path, str] | None:
    """The table to use and the kind it makes, or None where the set has none."""
    if metadata is not None:
        table_path = Path(metadata)
        if not table_path.exists() and not table_path.is_absolute() and (tree.root / table_path).exists():
            table_path = tree.root / table_path
        if kind not in (None, "csv", "ham10000", "dicom", "nifti"):
            raise UsageError(f"--kind {kind}", "takes no --metadata", "leave one of the two out")
        is_ham = set(read_header(table_path)) >= HAM10000_COLUMNS
        return table_path, kind or ("ham10000" if is_ham else "csv")
    if kind in ("class-folders", "medmnist"):
        return None
    if medical is not None:
        return _table_beside(tree, medical)
    headers = {path: frozenset(read_header(path)) for path in _tables(tree.root)}
    recognised = [(path, "ham10000") for path, columns in headers.items() if columns >= HAM10000_COLUMNS]
    if kind != "ham10000":
        recognised += [
            (path, "csv")
            for path, columns in headers.items()
            if path.name.lower() == "metadata.csv" and {IMAGEFOLDER_COLUMN, "label"} <= columns
        ]
    if len(recognised) == 1:
        return recognised[0]
    if len(recognised) > 1:
        names = ", ".join(shown(path.name) for path, _ in recognised[:5])
        raise InputError(
            shown(tree.root),
            f"{len(recognised)} tables could be the set's: {names}",
            "name one with --metadata FILE",
        )
    if kind is not None:
        raise InputError(
            shown(tree.root), f"expected a table of kind {kind}, got none", "name it with --metadata FILE"
        )
    if headers and tree.images:
        _doubtful(tree, headers)
    return None


def _table_beside(tree: Tree, medical: str) -> tuple[Path, str] | None:
    """A `metadata.csv` with a label beside medical files; any other table has to be named."""
    for path in _tables(tree.root):
        if path.name.lower() == "metadata.csv" and {IMAGEFOLDER_COLUMN, "label"} <= set(read_header(path)):
            return path, medical
    return None


def _doubtful(tree: Tree, headers: dict[Path, frozenset[str]]) -> None:
    """Stops: images with a table whose columns are not known, and perhaps class folders as well."""
    path = next(iter(headers))
    columns = list_columns(sorted(headers[path]))
    folders = {name.split("/", 1)[0] for name in tree.images if "/" in name}
    or_folders = "; or take the folders as classes with --kind class-folders" if len(folders) > 1 else ""
    raise InputError(
        shown(tree.root),
        f"a table with unknown columns ({shown(path.name)}) lies beside {len(tree.images)} images",
        f"--metadata {shown(path)} --image-column COLUMN --label COLUMN (it has: {columns}){or_folders}",
    )


def _tables(root: Path) -> list[Path]:
    """The tables directly in a folder; what is no file, or a link out of it, is passed over."""
    found = []
    for path in sorted(root.iterdir()):
        is_named_so = path.suffix.lower() in _TABLE_SUFFIXES or path.name == "HAM10000_metadata"
        if is_named_so and _is_inside(path, root):
            found.append(path)
    return found


def _is_inside(path: Path, root: Path) -> bool:
    """Whether it is a file of the set: a link out of it is followed only where the user names it."""
    return not path.name.startswith(".") and path.is_file() and path.resolve().is_relative_to(root.resolve())


def _find_without_table(tree: Tree, kind: str | None, label: str | None, reporter: Reporter) -> ImageSet:
    archives = [path for path in sorted(tree.root.glob("*.npz")) if _is_inside(path, tree.root)]
    if kind != "class-folders" and archives and not tree.images:
        if len(archives) == 1:
            return find_medmnist(archives[0], reporter=reporter)
        raise InputError(
            shown(tree.root),
            f"{len(archives)} npz files lie there: {', '.join(shown(path.name) for path in archives[:5])}",
            "give one of them as the path",
        )
    if kind == "medmnist":
        raise InputError(
            shown(tree.root), f"expected one npz file alone, got {len(archives)}", "give it as the path"
        )
    if kind is None:
        if archives:
            raise InputError(
                shown(tree.root),
                f"{len(archives)} npz files lie beside {len(tree.images)} images",
                f"give {shown(archives[0])} as the path, or take folders as labels: --kind class-folders",
            )
        loose = sum("/" not in name for name in tree.images)
        if 0 < loose < len(tree.images):
            raise InputError(
                shown(tree.root),
                f"{loose} images lie beside folders with {len(tree.images) - loose}",
                "take the folders as classes and leave those out with --kind class-folders, "
                "or name a table with --metadata FILE",
            )
    if not tree.images:
        others = ", ".join(f"{count} {shown(suffix)}" for suffix, count in tree.others.most_common(4))
        skipped = f", and {len(tree.skipped)} that may not be read ({_names(tree)})" if tree.skipped else ""
        raise InputError(
            shown(tree.root),
            f"expected images, got 0 (other files: {others or 'none'}){skipped}",
            "images are PNG, JPEG, TIFF, BMP or GIF files, in one folder a class or with a table",
        )
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
                f"{option} {shown(value)}",
                f"a set of kind {found.kind} has no table",
                "name one with --metadata FILE, or leave the option out",
            )


def _names(tree: Tree) -> str:
    return ", ".join(f"{name}: {reason}" for name, reason in tree.skipped[:3])


def _of_skipped(found: ImageSet) -> str:
    if not found.skipped:
        return ""
    name, reason = found.skipped[0]
    return f" ({len(found.skipped)} cannot be used, such as {name}: {reason})"
