"""Which tables describe a set: those that are named, or those in its folder that name its images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from drai_cli.data.folders import Folders
from drai_cli.data.groups import find_group_columns
from drai_cli.data.image_set import SetOptions
from drai_cli.data.items import Item
from drai_cli.data.matching.keys import ROW, find_keys, spread
from drai_cli.data.matching.labels import find_one_hot, with_one_hot_label
from drai_cli.data.matching.lookup import IN_FOLDER, Lookup
from drai_cli.data.matching.match import Described, Row, describe, join, join_by_column
from drai_cli.data.matching.nearby import SUBMISSION, list_candidates, refuse_unknown_columns
from drai_cli.data.matching.stacked import read_imagefolder, refuse_several, stack
from drai_cli.data.tree import Tree
from drai_cli.errors import DraiError, InputError, UsageError
from drai_cli.io.registry import strip_suffix
from drai_cli.progress import SILENT, Reporter
from drai_cli.tables.table import Table, list_columns, read_header, read_table

HAM10000_COLUMNS = frozenset({"image_id", "dx", "lesion_id", "age", "sex", "localization"})
_MOST_COLUMNS = 2000
_PROBED_ROWS = 50


@dataclass(frozen=True)
class SetTables:
    """The tables of a set, joined.

    Attributes:
        described: What they say of the files.
        is_ham10000: Whether their columns are HAM10000's.
        linked: Files that belong together, by the table that pairs them.
    """

    described: Described
    is_ham10000: bool = False
    linked: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


def find_tables(
    tree: Tree,
    items: Sequence[Item],
    folders: Folders,
    is_medical: bool,
    options: SetOptions,
    reporter: Reporter,
) -> SetTables | None:
    """The tables to use, or None where the set has none.

    Args:
        tree: What lies in the set's folder.
        items: The set's files.
        folders: What its folders are.
        is_medical: Whether the files are of a medical format; tables that name none of them are then ignored.
        options: How the set is to be understood.
        reporter: Shown which tables are used.

    Raises:
        InputError: Tables that cannot be read, contradict each other, or several of which one has to be chosen.
        UsageError: Columns that are not there.
    """
    lookup = Lookup(items, tree.root)
    context = _Context(tree, lookup, options, reporter)
    near, deeper = list_candidates(tree, folders.top, reporter)
    if options.metadata:
        tables = [context.read(_resolve(tree.root, Path(path))) for path in options.metadata]
        return context.with_groups_nearby(context.join(tables), near)
    if options.kind in ("class-folders", "medmnist"):
        return None
    headers = {path: frozenset(read_header(path)) for path in (*near, *deeper)}
    if not is_medical:
        ham = [path for path, columns in headers.items() if columns >= HAM10000_COLUMNS]
        if len(ham) > 1:
            refuse_several(tree, ham)
        if ham:
            return context.join([context.read(ham[0])])
        if options.kind == "ham10000":
            raise InputError(
                tree.root, "expected a table of kind ham10000, got none", "name it with --metadata FILE"
            )
    if parts := read_imagefolder(tree, reporter):
        return context.join([parts])
    found = context.matching(list(headers))
    if found.tables:
        if found.unused and not found.others:
            names = ", ".join(found.unused[:5])
            reporter.info(f"tables that name none of the set's files are not used: {names}")
        linked = {table.path.name: context.links(table) for table in found.pairs}
        joined = context.join(context.with_asked(found))
        return replace(joined, linked={**joined.linked, **linked})
    if options.kind == "csv":
        raise InputError(tree.root, "expected a table of kind csv, got none", "name it with --metadata FILE")
    if found.broken and items and len(folders.class_names) < 2 and not is_medical:
        raise found.broken[0]
    unknown = {path: headers[path] for path in near if headers[path] and path.suffix.lower() != ".json"}
    if unknown and items and not is_medical:
        if found.broken:
            raise found.broken[0]
        refuse_unknown_columns(tree, unknown)
    if unknown and items:
        reporter.warn(
            f"tables that name none of the set's files are not used: {', '.join(path.name for path in unknown)}; "
            "if they describe images, say how with --metadata FILE --image-column COLUMN"
        )
    return None


@dataclass(frozen=True)
class _Found:
    """Tables of a set's folder.

    Attributes:
        tables: Those that name its files.
        pairs: Those each of whose columns names files: they say which belong together.
        others: Those that name none, and have a column that is asked for.
        broken: Why the first that cannot be read cannot be.
        unused: Names of those that name none.
    """

    tables: list[Table] = field(default_factory=list)
    pairs: list[Table] = field(default_factory=list)
    others: list[Table] = field(default_factory=list)
    broken: list[InputError] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Context:
    tree: Tree
    lookup: Lookup
    options: SetOptions
    reporter: Reporter

    @property
    def asked(self) -> frozenset[str]:
        """The columns that the user names."""
        options = self.options
        group = [] if options.group is None else [options.group]
        return frozenset([*options.label, *options.conditions, *group])

    def read(self, path: Path) -> Table:
        """A table, with a remark where it is unusual.

        Raises:
            InputError: It cannot be read, or its first line names an image although it should hold column names.
        """
        has_header = self.options.header is not False
        table = spread(read_table(path, has_header=has_header), self.options.image_column)
        if table.note:
            self.reporter.info(f"{path.name} {table.note}")
        self.check_header(table)
        return table

    def check_header(self, table: Table) -> None:
        """Raises InputError where the first line names an image although it should hold column names."""
        if table.has_header and (named := [name for name in table.columns if self._is_file(name, table)]):
            raise InputError(
                table.path,
                f"expected column names in the first line, got the name of an image ({named[0]})",
                "if the table has no column names, add --no-header: columns are then 'column 1', 'column 2', …",
            )

    def _is_file(self, name: str, table: Table) -> bool:
        """Whether a column's name is that of an image: by its suffix, or as the values below it are."""
        if "/" in name.strip("/") and self.lookup.find_by(IN_FOLDER, name):
            return True
        if not self.lookup.find(name):
            return False
        below = [row[name] for row in table.rows[:_PROBED_ROWS]]
        return strip_suffix(name) != name or 2 * sum(map(bool, map(self.lookup.find, below))) > len(below)

    def join(self, tables: Sequence[Table]) -> SetTables:
        """Several tables as one: rows of tables with the same columns together, others joined by what they name."""
        tables = stack(self.tree, tables, self.lookup, self.reporter)
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
            described = self._join_by_shared_column(described, table, tables)
        assert described is not None
        return SetTables(described, is_ham, _of_one_row(described))

    def describe(self, table: Table, column: str | None) -> Described:
        return describe(table, column, self.lookup, dict(self.tree.skipped), self.tree.root, self.reporter)

    def _join_by_shared_column(
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

    def matching(self, paths: Sequence[Path]) -> _Found:
        """The tables whose rows name files of the set; what cannot be read is said.

        A table of one column is a list of files, and one of a competition's sample submission holds no true labels.
        """
        found = _Found()
        for path in paths:
            try:
                table = read_table(path, has_header=self.options.header is not False)
                table = spread(table, self.options.image_column)
            except (InputError, UsageError) as error:
                if path.suffix.lower() == ".json":
                    continue  # most JSON files are no tables
                if isinstance(error, InputError) and not found.broken:
                    found.broken.append(error)  # one alone: its traceback holds the whole file
                hint = f" ({error.hint})" if error.hint else ""
                self.reporter.warn(f"{path.name} is not read: {error.message}{hint}")
                continue
            columns = table.columns
            if self.options.image_column in columns:
                columns = (self.options.image_column,)
            if len(table.columns) < 2 or len(columns) > _MOST_COLUMNS:
                continue
            fits = find_keys(table, columns, self.lookup)
            if not any(fit[1] >= 0.5 for fit in fits.values()):
                self.check_header(table)
                found.unused.append(path.name)
                # Rows are kept of those alone that are used later: a set may have many tables besides.
                if self.asked.intersection(table.columns):
                    found.others.append(table)
            elif SUBMISSION.search(path.name):
                self.reporter.info(f"{path.name} is not used: by its name it holds no true labels")
            elif len({name for (name, _), fit in fits.items() if fit[0] and fit[2]}) == len(table.columns):
                self.reporter.info(
                    f"each column of {path.name} names images: it says which belong together, and holds no labels"
                )
                found.pairs.append(table)
            else:
                self.check_header(table)
                if table.note:
                    self.reporter.info(f"{path.name} {table.note}")
                found.tables.append(table)
        if len(found.tables) > 1:
            listed = ", ".join(
                table.path.relative_to(self.tree.root).as_posix() for table in found.tables[:8]
            )
            self.reporter.info(f"tables that name its images: {listed}")
        return found

    def with_asked(self, found: _Found) -> list[Table]:
        """The tables that name files, and those with the columns that are asked for, to be joined by a column."""
        missing = self.asked.difference(*(table.columns for table in found.tables))
        return [*found.tables, *(table for table in found.others if missing.intersection(table.columns))]

    def links(self, table: Table) -> list[list[str]]:
        """The files that each row of a table names."""
        return [[name for cell in row.values() for name in self.lookup.find(cell)] for row in table.rows]


def _of_one_row(described: Described) -> dict[str, list[list[str]]]:
    """The files that one row names in several columns."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name, rows in described.rows.items():
        for row in rows:
            if ROW in row:
                files[row[ROW]].append(name)
    return {f"rows of {described.table.path.name}": list(files.values())} if files else {}


def _only(rows: Mapping[str, Sequence[Row]], columns: Sequence[str]) -> dict[str, list[Row]]:
    return {
        name: [{column: row[column] for column in columns} for row in several]
        for name, several in rows.items()
    }


def _resolve(root: Path, path: Path) -> Path:
    """A named table: looked up from here, then from the set's folder."""
    return root / path if not path.exists() and not path.is_absolute() and (root / path).exists() else path
