"""Options by their names at the prompt with Python's values, and a training's options from those and presets."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from drai_cli.errors import UsageError
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.presets import PRESETS, preset_for_size
from drai_cli.settings.typed import check_types, flags_of


def take_named(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    """Takes out of `given` what are options of a dataclass.

    Names are those at the prompt with `_` for `-` (`base_channels`), or the fields'. A single value does for an option
    that may be given several times, and text for a path.

    Returns:
        Values by field.

    Raises:
        UsageError: A value has the wrong type.
    """
    hints, values = get_type_hints(cls), {}
    for field in dataclasses.fields(cls):
        option = flags_of(field)[-1].removeprefix("--").replace("-", "_")
        name = option if option in given else field.name
        if name not in given:
            continue
        value, hint = given.pop(name), hints[field.name]
        if value is None:
            continue
        if get_origin(hint) is tuple:
            inner = get_args(hint)[0]
            several = [value] if isinstance(value, str | Path) else list(value)
            value = tuple(Path(one) if inner is Path else one for one in several)
        elif Path in (hint, *get_args(hint)) and isinstance(value, str):
            value = Path(value)
        try:
            check_types(cls, {field.name: value})
        except TypeError:
            raise UsageError(
                name,
                f"expected {_describe(hint)}, got {given_type(value)}",
                f"{name}=… as --{name.replace('_', '-')}",
            ) from None
        values[field.name] = value
    return values


def refuse_unknown(given: Mapping[str, Any], *classes: type) -> None:
    """Stops at names that no option has; the nearest is suggested.

    Raises:
        UsageError: There is one.
    """
    for name in given:
        known = [
            flags_of(field)[-1][2:].replace("-", "_") for cls in classes for field in dataclasses.fields(cls)
        ]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "names are those of drai --help-all, with _ for -"
        raise UsageError(name, "no such option", hint)


def resolve_training(
    preset: str | None,
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    model: Mapping[str, Any],
    objective: Mapping[str, Any],
) -> tuple[DataOptions, TrainOptions]:
    """Merges what is given, preset and defaults, in this order of priority; without a preset, the size chooses one.

    Args:
        preset: Its name.
        data: Values of `DataOptions` by field; the other mappings are of the classes below.
        training: Of `TrainOptions`.
        model: Of `ModelConfig`.
        objective: Of `Objective`.
    """
    size = data.get("size") or (PRESETS[preset]["image_size"] if preset else DataOptions.size)
    values = PRESETS[preset or preset_for_size(size)]
    networks = {**_select(ModelConfig, values), **model, "image_size": size}
    weights = {**_select(Objective, values), **objective}
    steps = {**_select(TrainOptions, values), **training}
    return (
        DataOptions(**{**data, "size": size}),
        TrainOptions(**{**steps, "model": ModelConfig(**networks), "objective": Objective(**weights)}),
    )


def given_type(value: object) -> str:
    """A value for a message: `'a' (str)`."""
    return f"{value!r} ({type(value).__name__})"


def _select(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in cls.__dataclass_fields__}


def _describe(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "True or False", Path: "a path"}
    kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None) and kind is not ...]
    return " or ".join(names.get(kind, repr(kind)) for kind in kinds)
