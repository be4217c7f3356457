"""Plain data that a file held, against the types of the dataclass it is to become. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_MAX_INT = 2**63 - 1


def check_types(cls: type, values: Mapping[str, Any]) -> None:
    """Whether each value is of the type that the field of its name says; JSON's lists stand for tuples.

    Numbers have to be finite, and whole ones to fit 64 bits; text may be a path.

    Raises:
        TypeError: Naming the first that is not.
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
