"""Finds out what a path holds; decodes nothing.

A mixture or a doubtful case is never guessed: it is an error that names the option which decides it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from drai_cli.data.class_folders import find_class_folders
from drai_cli.data.csv_set import HAM10000_COLUMNS, IMAGEFOLDER_COLUMN, find_csv_set
from drai_cli.data.image_set import ImageSet, class_counts
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
        table = _find_table(tree, metadata, kind)
        if table is None:
            found = _find_without_table(tree, kind, label, reporter)
            _refuse_columns(found, image_column, None, conditions, group, metadata)
        else:
            _refuse_medical(tree)
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
        raise InputError(shown(path), "DICOM and NIfTI are not read yet", "convert it to PNG first")
    what = "one image" if is_raster(path) else "a file"
    raise InputError(
        shown(path),
        f"expected a data set{f' of kind {kind}' if kind else ''}, got {what}",
        "give a folder, or an npz file in MedMNIST's layout",
    )


def _find_table(tree: Tree, metadata: Path | str | None, kind: str | None) -> tuple[Path, str] | None:
    """The table to use and the kind it makes, or None where the set has none."""
    if metadata is not None:
        table_path = Path(metadata)
        if not table_path.exists() and not table_path.is_absolute() and (tree.root / table_path).exists():
            table_path = tree.root / table_path
        if kind not in (None, "csv", "ham10000"):
            raise UsageError(f"--kind {kind}", "takes no --metadata", "leave one of the two out")
        is_ham = set(read_header(table_path)) >= HAM10000_COLUMNS
        return table_path, kind or ("ham10000" if is_ham else "csv")
    if kind in ("class-folders", "medmnist"):
        return None
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
        _refuse_medical(tree)
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


def _refuse_medical(tree: Tree) -> None:
    if tree.medical:
        what = f"{tree.medical} DICOM or NIfTI files"
        raise InputError(
            shown(tree.root),
            f"{what} lie beside {len(tree.images)} images"
            if tree.images
            else f"{what} are not read as a data set yet",
            "take the image files alone with --kind class-folders"
            if tree.images
            else "convert them to PNG first",
        )


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
