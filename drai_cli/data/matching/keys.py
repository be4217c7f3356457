"""The column of a table that names files, and what it names them by. Decodes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from drai_cli.data.image_set import FILE
from drai_cli.data.items import HEADER_KEYS
from drai_cli.data.matching.lookup import IN_FOLDER, NUMBER, Lookup
from drai_cli.errors import UsageError
from drai_cli.progress import Reporter
from drai_cli.tables.table import Table, list_columns

IMAGEFOLDER_COLUMN = "file_name"
"""The column by which a `metadata.csv` names images, as Hugging Face's imagefolder has it."""
ROW = "row of the table, by its number"
"""Key of a row's cell that no column holds."""
_PROBED_ROWS = 50
_ENOUGH = 0.5
"""Share of a column's values that have to name files, where a column is looked for."""

Fit = tuple[bool, float, bool, int, int, int]


def choose_key(
    table: Table, column: str | None, lookup: Lookup, root: Path, reporter: Reporter
) -> tuple[str, str]:
    """The column that names files, and what by: the one whose values fit most, by the finest of what they fit.

    Raises:
        UsageError: No column names files, or several do so equally well.
    """
    if column is not None:
        table.check_column(column, "--image-column")
    elif IMAGEFOLDER_COLUMN in table.columns:
        return IMAGEFOLDER_COLUMN, FILE
    fits = find_keys(table, [column] if column is not None else table.columns, lookup)
    if not fits and column is not None and lookup.keys[1] == IN_FOLDER:
        return column, FILE  # its rows will be named as missing
    best = max(fits.values(), default=None)
    chosen = [pair for pair, fit in fits.items() if fit == best]
    if len(chosen) > 1 and _name_the_same(table, chosen, lookup):
        chosen = chosen[:1]
    if len(chosen) != 1:
        got = (
            f"{len(chosen)} columns do ({list_columns([name for name, _ in chosen])})"
            if chosen
            else "no column does"
        )
        names = ",".join(name for name, _ in chosen)
        several = f"; or take the images of several: --image-column '{names}'" if len(chosen) > 1 else ""
        what = "images" if lookup.keys[1] == IN_FOLDER else f"files or {', '.join(lookup.keys[1:-3])}"
        raise UsageError(
            "--image-column" if column is None else f"--image-column {column}",
            f"expected one column of {table.path.name} to name {what} below {root}, but {got}",
            f"name it with --image-column: {list_columns(table.columns)}{several}",
        )
    ((name, key),) = chosen
    if column is None or key != FILE:
        by = "" if key == FILE else f", as {key}"
        reporter.info(
            f"images are named by column {name!r} of {table.path.name}{by}; --image-column names another"
        )
    return name, key


def find_keys(table: Table, columns: Sequence[str], lookup: Lookup) -> dict[tuple[str, str], Fit]:
    """The columns that name files and what by, each with how well.

    That is whether it names single files, the share of its values that do, whether they are more than numbers, how fine
    the key is, how many files it finds, and, where a value may mean several, by how many values. A
    sample of rows is looked at.
    """
    probed = table.rows[:: max(1, len(table.rows) // _PROBED_ROWS)]
    fits: dict[tuple[str, str], Fit] = {}
    for place, key in enumerate(lookup.keys):
        if any(fit[0] for fit in fits.values()):
            break  # nothing is finer than single files
        for column in columns:
            written = {row[column] for row in probed if row[column]}
            found = [files for one in written if (files := lookup.find_by(key, one))]
            share = len(found) / len(written) if written else 0.0
            # A number may be a file's name by chance, but hardly every number of a column another file's; and what all
            # rows and files have, such as a patient called "removed", names nothing.
            is_meant = share >= _ENOUGH and (
                len(written) > 1 or (key in HEADER_KEYS and len(found[0]) < lookup.count)
            )
            if key == NUMBER:  # 0 and 1 of a label are no names
                is_meant = is_meant and len(written) > 2 and 3 * len(written) >= len(probed)
            if found and (key == FILE or is_meant):
                named = {name for files in found for name in files}
                is_text = not all(one.replace(".", "").isdecimal() for one in written)
                is_many = is_text or 3 * len(written) >= len(
                    probed
                )  # 0 and 1 of a label may be names by chance
                is_file = key == FILE and share >= _ENOUGH and is_many
                fits[column, key] = (
                    is_file,
                    round(share, 1),
                    is_text,
                    -place,
                    len(named),
                    len(written) * (key != FILE),
                )
    return fits


def _name_the_same(table: Table, chosen: Sequence[tuple[str, str]], lookup: Lookup) -> bool:
    """Whether columns name the same files in every row, as a path and the name at its end do."""
    (first, key), *others = chosen
    return all(
        lookup.find_by(other_key, row[other]) == lookup.find_by(key, row[first])
        for row in table.rows
        for other, other_key in others
    )


def spread(table: Table, written: str | None) -> Table:
    """A table with a row for each image where `--image-column` names several columns, separated by commas.

    The names are then in a column called as the option says, and rows made of one row have the same `ROW`.
    """
    names = [name.strip() for name in (written or "").split(",")]
    if written is None or len(names) < 2 or written in table.columns or not set(names) <= set(table.columns):
        return table
    rows = tuple(
        {**row, written: row[name], ROW: str(number)}
        for number, row in enumerate(table.rows)
        for name in names
        if row[name]
    )
    return replace(table, columns=(*table.columns, written), rows=rows)
