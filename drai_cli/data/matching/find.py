"""Which tables describe a set: those that are named, or those in its folder that name its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from drai_cli.data.groups import find_group_columns
from drai_cli.data.image_set import SetOptions
from drai_cli.data.items import Item
from drai_cli.data.matching.labels import find_one_hot, with_one_hot_label
from drai_cli.data.matching.lookup import Lookup
from drai_cli.data.matching.match import (
    Described,
    Row,
    describe,
    find_keys,
    join,
    join_by_column,
)
from drai_cli.data.matching.stacked import read_imagefolder, refuse_several, stack
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError, UsageError
from drai_cli.io.registry import strip_suffix
from drai_cli.progress import SILENT, Reporter
from drai_cli.tables.table import Table, is_table, list_columns, read_header, read_table

HAM10000_COLUMNS = frozenset({"image_id", "dx", "lesion_id", "age", "sex", "localization"})
_MOST_COLUMNS = 2000
_PROBED_ROWS = 50


@dataclass(frozen=True)
class SetTables:
    """The tables of a set, joined.

    Attributes:
        described: What they say of the files.
        is_ham10000: Whether their columns are HAM10000's.
    """

    described: Described
    is_ham10000: bool = False


def find_tables(
    tree: Tree, items: Sequence[Item], top: str, is_medical: bool, options: SetOptions, reporter: Reporter
) -> SetTables | None:
    """The tables to use, or None where the set has none.

    Args:
        tree: What lies in the set's folder.
        items: The set's files.
        top: The wrapper folders in which everything lies, as `Folders.top`.
        is_medical: Whether the files are of a medical format; tables that name none of them are then ignored.
        options: How the set is to be understood.
        reporter: Shown which tables are used.

    Raises:
        InputError: Tables that cannot be read, contradict each other, or several of which one has to be chosen.
        UsageError: Columns that are not there.
    """
    lookup = Lookup(items, tree.root)
    context = _Context(tree, lookup, options, reporter)
    if options.metadata:
        tables = [context.read(_resolve(tree.root, Path(path))) for path in options.metadata]
        return context.with_groups_nearby(context.joined(tables), _near(tree, top))
    if options.kind in ("class-folders", "medmnist"):
        return None
    headers = {path: frozenset(read_header(path)) for path in _near(tree, top)}
    if not is_medical:
        ham = [path for path, columns in headers.items() if columns >= HAM10000_COLUMNS]
        if len(ham) > 1:
            refuse_several(tree, ham)
        if ham:
            return context.joined([context.read(ham[0])])
        if options.kind == "ham10000":
            raise InputError(
                tree.root, "expected a table of kind ham10000, got none", "name it with --metadata FILE"
            )
    if parts := read_imagefolder(tree, reporter):
        return context.joined([parts])
    matching = context.matching(list(headers))
    if matching:
        return context.joined(matching)
    if options.kind == "csv":
        raise InputError(tree.root, "expected a table of kind csv, got none", "name it with --metadata FILE")
    unknown = {
        path: columns for path, columns in headers.items() if columns and path.suffix.lower() != ".json"
    }
    if unknown and items and not is_medical:
        _refuse_unknown_columns(tree, unknown)
    return None


@dataclass(frozen=True)
class _Context:
    tree: Tree
    lookup: Lookup
    options: SetOptions
    reporter: Reporter

    def read(self, path: Path) -> Table:
        """A table, with a remark where it is unusual.

        Raises:
            InputError: It cannot be read, or its first line names an image although it should hold column names.
        """
        has_header = self.options.header is not False
        table = read_table(path, has_header=has_header)
        if table.note:
            self.reporter.info(f"{path.name} {table.note}")
        if has_header and (named := [name for name in table.columns if self._is_file(name, table)]):
            raise InputError(
                path,
                f"expected column names in the first line, got the name of an image ({named[0]})",
                "if the table has no column names, add --no-header: columns are then 'column 1', 'column 2', …",
            )
        return table

    def _is_file(self, name: str, table: Table) -> bool:
        """Whether a column's name is that of an image: by its suffix, or as the values below it are."""
        if not self.lookup.find(name):
            return False
        below = [row[name] for row in table.rows[:_PROBED_ROWS]]
        return strip_suffix(name) != name or 2 * sum(map(bool, map(self.lookup.find, below))) > len(below)

    def joined(self, tables: Sequence[Table]) -> SetTables:
        """Several tables as one: rows of tables with the same columns together, others joined by what they name."""
        tables = stack(self.tree, tables)
        is_ham = self.options.kind in (None, "ham10000") and any(
            set(table.columns) >= HAM10000_COLUMNS for table in tables
        )
        if not self.options.label and not is_ham and not any("label" in table.columns for table in tables):
            one_hot = [table for table in tables if find_one_hot(table)]
            if len(one_hot) == 1:
                tables = [
                    with_one_hot_label(table, self.reporter) if table is one_hot[0] else table
                    for table in tables
                ]
        column = self.options.image_column or ("image_id" if is_ham else None)
        described: Described | None = None
        later: list[Table] = []
        for table in tables:
            own = column if column in table.columns or len(tables) == 1 else None
            if described is not None or len(tables) > 1:
                columns = [own] if own else table.columns
                if not find_keys(table, columns, self.lookup):
                    later.append(table)
                    continue
            one = self.describe(table, own)
            described = one if described is None else join(described, one, self.reporter)
        for table in later:
            described = self._joined_by_column(described, table, tables)
        assert described is not None
        return SetTables(described, is_ham)

    def describe(self, table: Table, column: str | None) -> Described:
        return describe(table, column, self.lookup, dict(self.tree.skipped), self.tree.root, self.reporter)

    def _joined_by_column(
        self, described: Described | None, table: Table, tables: Sequence[Table]
    ) -> Described:
        """A table that names no image, joined by a column that it shares with those that do."""
        if described is None:
            return self.describe(tables[0], self.options.image_column)  # which says what is missing
        longer = join_by_column(described.table, table)
        if longer is None:
            raise InputError(
                table.path,
                f"names no image, and shares no column with {described.table.path.name} whose values agree",
                f"it has: {list_columns(table.columns)}; leave it out, or correct it",
            )
        by_row = {id(row): new for row, new in zip(described.table.rows, longer.rows, strict=True)}
        rows = {name: [by_row[id(row)] for row in several] for name, several in described.rows.items()}
        return replace(described, table=longer, rows=rows)

    def with_groups_nearby(self, tables: SetTables, paths: Sequence[Path]) -> SetTables:
        """The tables with patients or lesions from another in the set's folder, where they have none themselves."""
        described = tables.described
        is_asked = self.options.group is not None or self.options.group_pattern is not None
        if is_asked or find_group_columns(described, (), SILENT):
            return tables
        for path in paths:
            with suppress(DraiError):
                other = describe(
                    read_table(path), None, self.lookup, dict(self.tree.skipped), self.tree.root, SILENT
                )
                columns = find_group_columns(other, (), SILENT)
                if columns and other.rows.keys() & described.rows.keys():
                    self.reporter.info(
                        f"{path.name} in the set's folder says which images belong together: {list_columns(columns)}"
                    )
                    kept = replace(other.table, columns=(other.key_column, *columns))
                    other = replace(other, table=kept, rows=_only(other.rows, columns), skipped=())
                    return replace(tables, described=join(described, other, self.reporter, adds_files=False))
        return tables

    def matching(self, paths: Sequence[Path]) -> list[Table]:
        """The tables whose rows name files of the set; what cannot be read is said."""
        found = []
        for path in paths:
            try:
                table = self.read(path)
            except InputError as error:
                if path.suffix.lower() == ".json":
                    continue  # most JSON files are no tables
                if "--no-header" in error.hint:
                    raise
                self.reporter.warn(f"{path.name} is not read: {error.message}")
                continue
            except UsageError as error:
                self.reporter.warn(f"{path.name} is not read: {error.message} ({error.hint})")
                continue
            columns = table.columns
            if self.options.image_column in columns:
                columns = (self.options.image_column,)
            if len(columns) > _MOST_COLUMNS:
                continue
            if any(fit[1] >= 0.5 for fit in find_keys(table, columns, self.lookup).values()):
                found.append(table)
        if len(found) > 1:
            self.reporter.info(
                f"tables that name its images: {', '.join(table.path.name for table in found)}"
            )
        return found


def _only(rows: Mapping[str, Sequence[Row]], columns: Sequence[str]) -> dict[str, list[Row]]:
    return {
        name: [{column: row[column] for column in columns} for row in several]
        for name, several in rows.items()
    }


def _near(tree: Tree, top: str) -> list[Path]:
    """The tables directly in the set's folder, or else in the first wrapper folder that has any."""
    folders = [""]
    for folder in top.rstrip("/").split("/"):
        folders.append(f"{folders[-1]}{folder}/")
    for folder in folders:
        found = [
            tree.root / name
            for name in tree.tables
            if name.startswith(folder) and "/" not in name[len(folder) :]
        ]
        if found:
            return found
    return []


def _resolve(root: Path, path: Path) -> Path:
    """A named table: looked up from here, then from the set's folder."""
    return root / path if not path.exists() and not path.is_absolute() and (root / path).exists() else path


def _refuse_unknown_columns(tree: Tree, headers: Mapping[Path, frozenset[str]]) -> None:
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
        tables = [
            path for path in sorted(parent.iterdir()) if is_table(path.name) and _is_inside(path, parent)
        ]
    if tables:
        first, *others = tables[:5]
        raise InputError(
            tree.root,
            f"expected class folders with images, got {len(tree.images)} images in none",
            f"if a table next to that folder describes them, name it: --metadata {first} --label COLUMN"
            + (f" (there are also {', '.join(map(str, others))})" if others else ""),
        )


def _is_inside(path: Path, root: Path) -> bool:
    """Whether it is a file of the set: a link out of it is followed only where the user names it."""
    return not path.name.startswith(".") and path.is_file() and path.resolve().is_relative_to(root.resolve())
