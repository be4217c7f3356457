"""What the label of a set is: a column, a keyword or the class folders; one name, or a set of findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydicom.datadict import tag_for_keyword

from drai_cli.data.finding_columns import (
    ReadFindings,
    check_number,
    find_joined_once,
    leave_out_rare,
    read_columns,
    read_joined,
)
from drai_cli.data.folders import Folders, without_version
from drai_cli.data.groups import find_group_columns
from drai_cli.data.image_set import LABEL, SetOptions
from drai_cli.data.matching.find import SetTables
from drai_cli.data.matching.match import Described
from drai_cli.errors import UsageError
from drai_cli.progress import SILENT, Reporter
from drai_cli.tables.table import list_columns

_MOST_CLASSES = 50
_MOST_LISTED = 20
FOLDER = "folder"
"""Names, among keywords and columns, the class folder in which a file lies."""
SUBFOLDER = "subfolder"
"""The same for the folder below that."""


class NoLabelError(UsageError):
    """Nothing says what the label of DICOM files is."""


def choose_label(
    tables: SetTables | None,
    options: SetOptions,
    folders: Folders,
    reporter: Reporter,
    *,
    has_headers: bool = False,
) -> str:
    """What the label is: the column or keyword asked for (`findings` for several), else a table's, else class folders.

    Raises:
        UsageError: None was named where one has to be, or it is not there.
    """
    described = None if tables is None else tables.described
    for name in options.label:
        check_name(described, has_headers, name, "--label")
    if options.label_name is not None:
        if options.label_name == FOLDER and folders.subclasses:
            _say_further(folders, reporter)
        return options.label_name
    if described is not None:
        if tables is not None and tables.is_ham10000:
            return "dx"
        if LABEL in described.columns:
            return LABEL
    if has_headers:
        offered = "" if described is None else f" (it has: {list_columns(described.columns)})"
        raise NoLabelError(
            "--label",
            "expected what the label of these DICOM files is, got none",
            "their folder: --label folder; a DICOM keyword: --label BodyPartExamined; "
            f"or a column of a table: --metadata FILE --label COLUMN{offered}; drai inspect lists their values",
        )
    if described is None:
        _check_levels(folders, reporter)
        return LABEL
    table = described.table
    are_persons = _are_groups(described, folders)
    are_classes = len(folders.class_names) > 1 and not are_persons and not folders.subclasses
    are_classes = are_classes and 2 * len(folders.class_names) <= len(folders.classes)
    if are_classes and not all(map(str.isdecimal, folders.class_names)):
        reporter.info(
            f"{table.path.name} has no column 'label': the folders are the label; --label names a column"
        )
        return FOLDER
    counts = {
        name: len(values - {""})
        for name in table.columns
        for values in [{row.get(name, "") for row in table.rows}]
    }
    likely = [
        name for name, count in counts.items() if 2 <= count <= min(_MOST_CLASSES, len(table.rows) // 2)
    ]
    listed = ", ".join(f"{name} ({counts[name]} values)" for name in likely[:20])
    others = [name for name in table.columns if name not in likely]
    raise UsageError(
        "--label",
        f"expected the column of {table.path.name} that is the label, got none"
        + (" (each folder is of one patient)" if are_persons else ""),
        f"name one with --label: {'; others: '.join(filter(None, (listed, list_columns(others))))}"
        + ("; or take the folders: --label folder" if len(folders.class_names) > 1 else "")
        + (", or the folders in them: --label subfolder" if folders.subclasses else ""),
    )


def _are_groups(described: Described, folders: Folders) -> bool:
    """Whether each class folder is of one patient or the like by the tables, so that they are no classes."""
    columns = find_group_columns(described, (), SILENT)
    if described.describes_several:
        columns.append(described.key_column)
    for column in columns:
        values: defaultdict[str, set[str]] = defaultdict(set)
        for name, label in folders.classes.items():
            values[label].update(row.get(column, "") for row in described.rows.get(name, ()))
        held = [next(iter(one)) for one in values.values() if len(one) == 1]
        if len(held) == len(values) > 2 and len(set(held)) == len(held):
            return True
    return False


def _check_levels(folders: Folders, reporter: Reporter) -> None:
    """Stops where either of two levels of folders may be the label, and says where class folders hold further ones.

    Raises:
        UsageError: Several class folders hold folders of the same names.
    """
    if not folders.subclasses:
        return
    outer, inner = ", ".join(folders.class_names[:4]), ", ".join(folders.subclass_names[:4])
    if folders.are_shared:
        versions = [name for name in folders.class_names if not without_version(name)]
        alone = ""
        if versions:
            alone = f"; where the outer ones hold versions of the same images, give one alone: {versions[-1]}"
        raise UsageError(
            "--label",
            f"expected folders of classes, got the same folders ({inner}) in several others ({outer})",
            "--label subfolder takes the inner ones as labels, --label folder the outer ones; where the inner ones are "
            f"patients, add --group-pattern '([^/]+)/[^/]+$'{alone}",
        )
    _say_further(folders, reporter)


def _say_further(folders: Folders, reporter: Reporter) -> None:
    outer, inner = ", ".join(folders.class_names[:4]), ", ".join(folders.subclass_names[:4])
    reporter.warn(
        f"folders ({outer}) hold further folders ({inner}): the outer ones are the labels; --label subfolder takes the "
        "inner ones, and where these are patients, --group-pattern '([^/]+)/[^/]+$' keeps them together"
    )


def check_name(described: Described | None, has_headers: bool, name: str, option: str) -> None:
    """Checks that a name is a column, a DICOM keyword where there are headers, `folder` or `subfolder`.

    Raises:
        UsageError: It is none of these.
    """
    if (described is not None and name in described.columns) or name in (FOLDER, SUBFOLDER):
        return
    if has_headers and tag_for_keyword(name) is not None:
        return
    if described is not None:
        described.table.check_column(name, option)
    if has_headers:
        raise UsageError(f"{option} {name}", "no such DICOM keyword", "for example BodyPartExamined")
    if name != LABEL:
        by_name = "; --group-pattern REGEX groups images by their names" if option == "--group" else ""
        raise UsageError(f"{option} {name}", "there is no table", f"name one with --metadata FILE{by_name}")


def wanted_keywords(options: SetOptions) -> tuple[str, ...]:
    """The DICOM keywords that options may mean."""
    names = (*options.label, options.group, *options.conditions)
    return tuple(name for name in names if name is not None and tag_for_keyword(name) is not None)


def read_findings(
    subject: str,
    columns: Sequence[str],
    values: Mapping[str, list[str]],
    options: SetOptions,
    reporter: Reporter,
) -> ReadFindings | None:
    """The label as sets of findings, said in one line; None where it is one name.

    Args:
        subject: The table, for messages.
        columns: Of the label.
        values: Of each column.
        options: How the set is to be understood.
        reporter: Shown what labels are.

    Raises:
        InputError: A row that contradicts itself, or too many findings.
        UsageError: Several columns, and labels that are to be one name.
    """
    if len(columns) > 1:
        if options.label_kind == "categorical":
            raise UsageError("--label-kind categorical", "contradicts several --label", "name one column")
        cells = list(zip(*(values[name] for name in columns), strict=True))
        read: ReadFindings | None = read_columns(subject, columns, cells, options.uncertain)
    elif options.label_kind == "categorical":
        read = None
    else:
        is_forced = options.label_kind == "findings"
        read = read_joined(subject, columns[0], values[columns[0]], is_forced=is_forced)
    if read is None:
        if options.least_count is not None:
            raise UsageError(
                f"--least-count {options.least_count}", "is for sets of findings", "--label-kind findings"
            )
        if options.label_kind is None:
            _warn_of_joined(values[columns[0]], reporter)
        return None
    way_out = "" if len(columns) > 1 else "; --label-kind categorical takes each cell as one name"
    reporter.info(
        f"the label is a set of findings ({read.how}); {read.findings.none!r} means none of them{way_out}"
    )
    if read.despite_none:
        shown = ", ".join(
            f"{name} ({count:,})" for name, count in list(read.despite_none.items())[:_MOST_LISTED]
        )
        reporter.warn(
            f"rows have {read.findings.none!r} and findings: {shown}; the findings count, all others of these rows are "
            "absent"
        )
    if options.least_count is not None:
        read, dropped = leave_out_rare(read, options.least_count)
        if dropped:
            some = list(dropped.items())[:_MOST_LISTED]
            listed = ", ".join(f"{name} ({count})" for name, count in some)
            if len(dropped) > len(some):
                listed += f" and {len(dropped) - len(some)} more"
            reporter.warn(
                f"findings of fewer than {options.least_count} images are left out: {listed}; so are images that show "
                "no other"
            )
    check_number(subject, ", ".join(columns[:3]), read.findings)
    return read


def _warn_of_joined(cells: Sequence[str], reporter: Reporter) -> None:
    """Warns of a label that may be several names, though it is taken as one."""
    found = find_joined_once(cells)
    if found is not None:
        cell, separator = found
        reporter.warn(
            f"label {cell!r} ({cells.count(cell):,} of {len(cells):,} rows) may be several names joined by "
            f"{separator!r}; it is one class of its own, since no other label is joined; --label-kind findings makes "
            "labels sets"
        )
