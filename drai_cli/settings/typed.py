"""How a setting is declared at its dataclass field, and the checks of types and ranges. Standard library only."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from drai_cli.errors import UsageError

_MAX_INT = 2**63 - 1


MAX_SEED = 2**63 - 1
"""Largest random seed: torch takes whole numbers of 64 bits."""


def setting(
    default: Any = MISSING,
    low: float | None = None,
    high: float = math.inf,
    *,
    flag: str = "",
    older: Any = MISSING,
) -> Any:
    """A dataclass field with what `--help`, the command line and the checks need to know of it.

    Args:
        default: Its value if nobody gives one; without it the field is required.
        low: Smallest value; None: the field is no number.
        high: Largest value.
        flag: Its names at the prompt (`-n --count`) where they differ from the field's name.
        older: The value in versions that had no such field, whose files lack it.
    """
    known = {"flag": flag, "older": older, "range": MISSING if low is None else (low, high)}
    return dataclasses.field(
        default=default, metadata={k: v for k, v in known.items() if v not in ("", MISSING)}
    )


def flags_of(field: dataclasses.Field[Any]) -> list[str]:
    """The names of a field's option at the prompt, the long one last."""
    return (field.metadata.get("flag") or "--" + field.name.removeprefix("is_").replace("_", "-")).split()


def check_ranges(settings: Any) -> None:
    """Checks every number of a dataclass, and of the dataclasses in it, against the range declared at its field.

    Raises:
        UsageError: Naming the option of the first that is out of range.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            check_ranges(value)
        elif (limits := field.metadata.get("range")) and value is not None:
            low, high = limits
            for number in value if isinstance(value, tuple) else (value,):
                if not low <= number <= high:
                    allowed = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
                    raise UsageError(f"{flags_of(field)[-1]} {number:g}", f"expected a number {allowed}")


def read_settings(cls: type, data: Mapping[str, Any]) -> Any:
    """A dataclass from plain data that a file of this or an older version holds.

    Raises:
        ValueError: A field is missing or unknown, or a value has another type or is out of range.
    """
    data = older_values(cls) | dict(data)
    names = {field.name for field in dataclasses.fields(cls)}
    if set(data) != names:
        raise ValueError(f"expected {sorted(names)}, got {sorted(data)}")
    try:
        check_types(cls, data)
        settings = cls(**data)
        check_ranges(settings)
    except (TypeError, UsageError) as error:
        raise ValueError(str(error)) from error
    return settings


def older_values(cls: type) -> dict[str, Any]:
    """The values of fields that older versions did not have, as their files have to be read."""
    return {
        field.name: field.metadata["older"] for field in dataclasses.fields(cls) if "older" in field.metadata
    }


def check_types(cls: type, values: Mapping[str, Any]) -> None:
    """Checks that each value has the type of the field of its name; a list counts as a tuple, as JSON has none.

    Numbers have to be finite, and whole ones to fit 64 bits; text may be a path.

    Raises:
        TypeError: Naming the first that has not.
    """
    hints = get_type_hints(cls)
    for name, value in values.items():
        if name not in hints or not _fits(value, hints[name]):
            raise TypeError(f"{name!r} of {cls.__name__}")


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in arguments)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(entry, arguments[0]) for entry in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, arguments[0]) and _fits(entry, arguments[1]) for key, entry in value.items()
        )
    if hint is float:
        return type(value) in (int, float) and abs(value) <= _MAX_INT and math.isfinite(value)
    if hint is int:
        return type(value) is int and abs(value) <= _MAX_INT
    if hint is Path:
        return isinstance(value, str | Path) and "\0" not in str(value)
    return hint is Any or isinstance(value, hint)
