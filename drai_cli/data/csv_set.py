"""Sets of a folder and a table: HAM10000's layout, a Hugging Face `imagefolder`, or as options say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from drai_cli.data.condition import is_missing
from drai_cli.data.image_set import Entry, ImageSet, SetOptions, part_named
from drai_cli.data.reading import list_first
from drai_cli.data.table import Table, list_columns
from drai_cli.data.table_columns import choose_group_column, choose_split_column
from drai_cli.data.tree import FilePixels, Tree
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import Reporter

HAM10000_COLUMNS = frozenset({"image_id", "dx", "lesion_id", "age", "sex", "localization"})
IMAGEFOLDER_COLUMN = "file_name"
"""The column by which a `metadata.csv` names images, as Hugging Face's imagefolder has it."""
_PROBED_ROWS = 50


def find_csv_set(tree: Tree, table: Table, kind: str, options: SetOptions, reporter: Reporter) -> ImageSet:
    """The set that a table and the images under a folder make.

    A row names its image by a path relative to the folder, by a file name anywhere below it, or by either without the
    suffix. Rows without a label are left out and counted. With a group pattern, no column groups images.

    Raises:
        InputError: Rows without a file, duplicate rows, names that fit several files: counted and named.
        UsageError: A missing column, or none given where one is needed.
    """
    image_column, label, group = options.image_column, options.label, options.group
    if kind == "ham10000":
        image_column, label = image_column or "image_id", label or "dx"
    if image_column is None:
        image_column = _image_column(table, tree, reporter)
    table.check_column(image_column, "--image-column")
    label = _label(table, label)
    for condition in options.conditions:
        table.check_column(condition, "--condition")
    conditions = options.conditions_besides(label)
    if options.group_pattern is None:
        group = choose_group_column(table, group, (image_column, label, *conditions), reporter)
    split = choose_split_column(table, options, (image_column, label, *conditions), reporter)
    names, skipped = _locate(table, image_column, tree)

    entries, unlabelled, ungrouped = [], 0, 0
    for row, name in zip(table.rows, names, strict=True):
        if name is None:
            continue
        if is_missing(row[label]):
            unlabelled += 1
            continue
        values = {column: row[column] for column in (label, *conditions)}
        ungrouped += group is not None and not row[group]
        # The prefix keeps groups' names apart from images': an image without a group is a group of its own.
        key = f"{group}:{row[group]}" if group and row[group] else name
        entries.append(Entry(name, values, key, None if split is None else part_named(row[split])))
    if unlabelled:
        reporter.warn(f"{unlabelled} of {len(table.rows)} rows have no {label!r} and are left out")
    if ungrouped:
        reporter.warn(f"{ungrouped} rows have no {str(group)!r}: each of their images is a group of its own")
    rowless = len(tree.images) - sum(name is not None for name in names)
    if rowless:
        reporter.warn(f"{rowless} images have no row in {table.path.name} and are left out")
    return ImageSet(kind, tree.root, label, conditions, group, tuple(entries), FilePixels(tree.root), skipped)


def _label(table: Table, label: str | None) -> str:
    if label is not None:
        return table.check_column(label, "--label")
    if "label" in table.columns:
        return "label"
    raise UsageError(
        "--label",
        f"expected the column of {table.path.name} that is the label, got none",
        f"name one with --label: {list_columns(table.columns)}",
    )


def _image_column(table: Table, tree: Tree, reporter: Reporter) -> str:
    """The one column whose values name images of the set; where none or several do, it is not guessed."""
    if IMAGEFOLDER_COLUMN in table.columns:
        return IMAGEFOLDER_COLUMN
    lookup = _Lookup(tree.images)
    probed = table.rows[:_PROBED_ROWS]
    fitting = [column for column in table.columns if any(lookup.find(row[column]) for row in probed)]
    if len(fitting) == 1:
        reporter.info(f"images are named by column {fitting[0]!r}; --image-column names another")
        return fitting[0]
    got = f"{len(fitting)} columns do ({list_columns(fitting)})" if fitting else "no column does"
    raise UsageError(
        "--image-column",
        f"expected one column of {table.path.name} to name images below {tree.root}, but {got}",
        f"name it with --image-column: {list_columns(table.columns)}",
    )


class _Lookup:
    """Finds images by their names in tables."""

    def __init__(self, images: Sequence[str]) -> None:
        self._images = frozenset(images)
        self._by_key: defaultdict[str, list[str]] = defaultdict(list)
        for name in images:
            path = PurePosixPath(name)
            for key in {path.name, path.stem, str(path.with_suffix(""))}:
                self._by_key[key].append(name)

    def find(self, written: str) -> list[str]:
        """The images that a cell may mean: none, one or several."""
        name = written.removeprefix("./")
        if not name:
            return []
        if name in self._images:
            return [name]
        return self._by_key.get(name, [])


def _locate(table: Table, column: str, tree: Tree) -> tuple[list[str | None], tuple[tuple[str, str], ...]]:
    """Each row's image (None for one that may not be used), and the latter with the reason."""
    lookup = _Lookup(tree.images)
    refused = dict(tree.skipped)
    refused_lookup = _Lookup(list(refused))
    located: list[str | None] = []
    skipped: dict[str, str] = {}
    missing, ambiguous = [], []
    for row in table.rows:
        written = row[column].replace("\\", "/")
        inside = _inside(written, tree.root)
        candidates = lookup.find(inside) if inside is not None else []
        located.append(candidates[0] if len(candidates) == 1 else None)
        if inside is None:
            skipped[written] = "its name leads out of the set"
        elif len(candidates) > 1:
            ambiguous.append(f"{written} ({', '.join(candidates[:3])})")
        elif not candidates:
            unusable = refused_lookup.find(inside)
            if unusable:
                skipped[unusable[0]] = refused[unusable[0]]
            else:
                missing.append(written or "an empty cell")
    counts = Counter(name for name in located if name is not None)
    doubled = [name for name, count in counts.items() if count > 1]
    for names, total, what, hint in (
        (
            missing,
            len(table.rows),
            "rows name no image below the folder",
            "tar files are not read: drai sample --format png makes the same images as files"
            if ".tar" in tree.others
            else f"check --image-column {column} and the folder, or remove these rows",
        ),
        (
            ambiguous,
            len(table.rows),
            "rows name an image that exists several times",
            f"write paths relative to the set's folder into column {column}, or give a folder with one of each",
        ),
        (doubled, len(counts), "images have more than one row", "keep one row per image"),
    ):
        if names:
            raise InputError(table.path, f"{len(names)} of {total} {what}: {list_first(names)}", hint)
    return located, tuple(skipped.items())


def _inside(written: str, root: Path) -> str | None:
    """The name relative to the root, by its text alone; None for one that leads out of it."""
    path = PurePosixPath(written)
    if ".." in path.parts or "\0" in written:
        return None
    if path.is_absolute():
        for base in (root.absolute(), root.resolve()):
            if path.is_relative_to(base.as_posix()):
                return path.relative_to(base.as_posix()).as_posix()
        return None
    return written
