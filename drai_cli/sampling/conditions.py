"""Conditions of images to make: from `--set NAME=VALUE`, or from the rows of a table. Makes no image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from drai_cli.conditions.attribute import Attribute, is_missing
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import InputError, UsageError
from drai_cli.progress import SILENT, Reporter
from drai_cli.tables.table import list_columns, read_table

Condition = Mapping[str, str]
"""Attributes that are set, with the label, as the data has them."""


_FAR = 3
"""A number so many standard deviations from the training mean is pointed out."""


def parse_attributes(
    settings: Sequence[str], schema: ConditionSchema, reporter: Reporter = SILENT
) -> dict[str, str]:
    """Parses `NAME=VALUE` texts to attribute values in the spelling of the data; missing values are left out.

    Warns of a number that is far from those that the model was trained on.

    Raises:
        UsageError: Not of that form, given twice, or not an attribute or value of the model.
    """
    values: dict[str, str] = {}
    seen = set()
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise UsageError(f"--set {setting}", "expected NAME=VALUE", f"one of: {', '.join(schema.names)}")
        attribute = schema.attribute(name.strip())
        if attribute.name in seen:
            raise UsageError(f"--set {setting}", f"{attribute.name} is set twice", "give one value")
        seen.add(attribute.name)
        if not is_missing(value):
            values[attribute.name] = canonical(attribute, value.strip())
            if is_far(attribute, values[attribute.name]):
                reporter.warn(f"--set {setting}: {_describe(attribute)}; the model has to extrapolate")
    return values


def is_far(attribute: Attribute, value: str) -> bool:
    """Whether a value is a number far from those of the training images."""
    return attribute.kind == "continuous" and abs(attribute.entries(value)[0][1]) > _FAR


def _describe(attribute: Attribute) -> str:
    return f"{attribute.name} of the training images is {attribute.mean:.3g} ± {attribute.deviation:.3g}"


def canonical(attribute: Attribute, value: str) -> str:
    """A value as the data has it: an alias is resolved, a number has its shortest form.

    Raises:
        UsageError: Not a value of the attribute.
    """
    resolved = attribute.resolve(value)
    if attribute.kind == "categorical":
        return resolved
    number = float(resolved)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def read_conditions(
    path: Path, count: int | None, settings: Condition, schema: ConditionSchema, reporter: Reporter
) -> list[dict[str, str]]:
    """The condition of each row of a table, or of `count` images spread evenly over its rows.

    Args:
        path: A table with a label column.
        count: None: one image per row.
        settings: Values of attributes that hold for every row, in place of the table's.
        schema: Of the model.
        reporter: Shown what is left out.

    Raises:
        InputError: A table that cannot be followed.
    """
    table = read_table(path)
    label_column = next((name for name in (schema.label.name, "label") if name in table.columns), None)
    if label_column is None:
        raise InputError(
            path,
            f"expected a column {schema.label.name!r} or 'label', got none",
            f"its columns: {list_columns(table.columns)}",
        )
    attributes = [a for a in schema.attributes[1:] if a.name in table.columns and a.name not in settings]
    absent = [a.name for a in schema.attributes[1:] if a.name not in table.columns and a.name not in settings]
    if absent:
        reporter.info(f"no column in {path.name}, so values are missing: {', '.join(absent)}")
    conditions: list[dict[str, str]] = []
    unlabelled = 0
    unknown: Counter[str] = Counter()
    far: Counter[str] = Counter()
    for number, row in enumerate(table.rows, 1):
        if is_missing(row[label_column]):
            unlabelled += 1
            continue
        condition = {schema.label.name: _resolve_label(row[label_column], schema, path, number), **settings}
        for attribute in attributes:
            if is_missing(row[attribute.name]):
                continue
            if attribute.find(row[attribute.name]) is None:
                unknown[attribute.name] += 1
            else:
                condition[attribute.name] = canonical(attribute, row[attribute.name])
                far[attribute.name] += is_far(attribute, condition[attribute.name])
        conditions.append(condition)
    if unlabelled:
        reporter.warn(f"{path.name}: {unlabelled} rows without a label were left out")
    for name, times in unknown.items():
        reporter.warn(f"{path.name}: {times} unknown values of {name} count as missing")
    for name, times in far.items():
        if times:
            described = _describe(schema.attribute(name))
            reporter.warn(f"{path.name}: {times} rows lie far outside: {described}")
    if not conditions:
        raise InputError(path, "expected rows with a label, got none")
    rows = len(conditions)
    return conditions if count is None else [conditions[k * rows // count] for k in range(count)]


def _resolve_label(value: str, schema: ConditionSchema, path: Path, number: int) -> str:
    try:
        return schema.label.resolve(value)
    except UsageError as error:
        raise InputError(f"{path}, row {number}", f"{error.subject}: {error.message}", error.hint) from error
