"""Finds the table that describes a set's images: one that is named, or one in their folder with known columns."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from drai_cli.data.csv_set import HAM10000_COLUMNS, IMAGEFOLDER_COLUMN
from drai_cli.data.table import list_columns, read_header
from drai_cli.data.tree import Tree
from drai_cli.errors import InputError, UsageError
from drai_cli.io.registry import medical_formats

TABLE_SUFFIXES = (".csv", ".tsv", ".tab")


def find_table(
    tree: Tree, metadata: Path | str | None, kind: str | None, medical: str | None
) -> tuple[Path, str] | None:
    """The table to use and the kind it makes, or None where the set has none."""
    if metadata is not None:
        table_path = Path(metadata)
        if not table_path.exists() and not table_path.is_absolute() and (tree.root / table_path).exists():
            table_path = tree.root / table_path
        if kind not in (None, "csv", "ham10000", *medical_formats()):
            raise UsageError(f"--kind {kind}", "takes no --metadata", "leave one of the two out")
        is_ham = set(read_header(table_path)) >= HAM10000_COLUMNS
        return table_path, kind or ("ham10000" if is_ham else "csv")
    if kind in ("class-folders", "medmnist"):
        return None
    if medical is not None:
        return _table_of_medical(tree, medical)
    headers = {path: frozenset(read_header(path)) for path in tables_in(tree.root)}
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
        names = ", ".join(path.name for path, _ in recognised[:5])
        raise InputError(
            tree.root,
            f"{len(recognised)} tables could be the set's: {names}",
            "name one with --metadata FILE",
        )
    if kind is not None:
        raise InputError(
            tree.root, f"expected a table of kind {kind}, got none", "name it with --metadata FILE"
        )
    if headers and tree.images:
        _refuse_unknown_columns(tree, headers)
    return None


def refuse_loose(tree: Tree) -> None:
    """Stops at images in no class folder where a table lies next to their folder; only its name is read.

    Raises:
        InputError: Naming the table.
    """
    if not tree.images or any("/" in name for name in tree.images):
        return
    parent = tree.root / ".." if tree.root.name in ("", "..") else tree.root.parent
    tables: list[Path] = []
    with suppress(OSError):  # this user may not be allowed to list it
        tables = tables_in(parent)
    if tables:
        first, *others = tables[:5]
        raise InputError(
            tree.root,
            f"expected class folders with images, got {len(tree.images)} images in none",
            f"if a table next to that folder describes them, name it: --metadata {first} --label COLUMN"
            + (f" (there are also {', '.join(map(str, others))})" if others else ""),
        )


def _table_of_medical(tree: Tree, medical: str) -> tuple[Path, str] | None:
    """A `metadata.csv` with a label next to medical files; any other table has to be named."""
    for path in tables_in(tree.root):
        if path.name.lower() == "metadata.csv" and {IMAGEFOLDER_COLUMN, "label"} <= set(read_header(path)):
            return path, medical
    return None


def _refuse_unknown_columns(tree: Tree, headers: dict[Path, frozenset[str]]) -> None:
    """Raises: images with a table whose columns are unknown, and perhaps class folders as well."""
    path = next(iter(headers))
    columns = list_columns(sorted(headers[path]))
    folders = {name.split("/", 1)[0] for name in tree.images if "/" in name}
    or_folders = "; or take the folders as classes with --kind class-folders" if len(folders) > 1 else ""
    raise InputError(
        tree.root,
        f"a table with unknown columns ({path.name}) lies next to {len(tree.images)} images",
        f"--metadata {path} --image-column COLUMN --label COLUMN (it has: {columns}){or_folders}",
    )


def tables_in(root: Path) -> list[Path]:
    """The tables directly in a folder, without links that lead out of it."""
    return [
        path
        for path in sorted(root.iterdir())
        if (path.suffix.lower() in TABLE_SUFFIXES or path.name == "HAM10000_metadata")
        and is_inside(path, root)
    ]


def is_inside(path: Path, root: Path) -> bool:
    """Whether it is a file of the set: a link out of it is followed only where the user names it."""
    return not path.name.startswith(".") and path.is_file() and path.resolve().is_relative_to(root.resolve())
