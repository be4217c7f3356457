"""Options made from a dataclass's fields, so that names, types, defaults and help cannot differ.

An option that nobody gave is None; where all are merged, a preset or the default of the dataclass takes its place.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import typer

from drai_cli.cli import options
from drai_cli.errors import UsageError
from drai_cli.settings.typed import flags_of

# The name of a text value in the help, by the option that takes it.
_TEXTS = {
    "--device": "DEVICE", "--image-column": "COLUMN", "--group": "COLUMN", "--group-pattern": "REGEX",
    "--condition": "COLUMN", "--split-column": "COLUMN", "--small-label": "LABEL",
    "--label": "LABEL", "--label-a": "LABEL", "--label-b": "LABEL", "--from-label": "LABEL",
    "--to-label": "LABEL", "--without": "FINDINGS", "--window": "WINDOW",
    "--init": "WEIGHTS", "--feature-network": "NETWORK", "--licence": "SPDX", "--slices": "WHICH",
    "--metrics": "PARTS", "--methods": "NAMES", "--name": "OWNER/NAME",
    "--move-content": "X,X,…", "--move-style": "X,X,…",
}  # fmt: skip


def make_options(
    cls: type,
    *,
    panel: str = options.INPUT,
    panels: Mapping[str, Sequence[str]] | None = None,
    skip: Sequence[str] = (),
    arguments: Mapping[str, str] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> list[inspect.Parameter]:
    """A command's parameters for the fields of a dataclass; flags and ranges are declared at the fields.

    Args:
        cls: A dataclass whose docstring has an `Attributes:` section, which is the help. Fields that are not in it are
            in that of the class `documented_by`, if there is one.
        panel: Group in `--help` of fields that are in no other group.
        panels: Groups of this command, each with its fields, in addition to `options.PANELS`.
        skip: Fields without an option.
        arguments: Fields that are given by position, each with its name in capitals.
        choices: Allowed values of a text field whose type does not list them.
        defaults: Defaults in words, for fields whose default is decided elsewhere.
    """
    hints = get_type_hints(cls)
    helps = read_helps(getattr(cls, "documented_by", object)) | read_helps(cls)
    named = [*(panels or {}).items(), *options.PANELS.items()]
    panel_of = {name: group for group, names in reversed(named) for name in names}
    places = list(dict.fromkeys([panel, *(group for group, _ in named)]))

    def place(field: dataclasses.Field[Any]) -> int:
        is_argument = arguments and field.name in arguments
        return -1 if is_argument else places.index(panel_of.get(field.name, panel))

    fields = sorted((field for field in dataclasses.fields(cls) if field.name not in skip), key=place)
    parameters = []
    for field in fields:
        default = _default_of(field) if field.name not in (defaults or {}) else None
        kind = _without_none(hints[field.name])
        text = _Text(
            helps.get(field.name, ""), (defaults or {}).get(field.name, "") or _show_default(kind, default)
        )
        if arguments and field.name in arguments:
            kind, info = _argument(kind, arguments[field.name], text)
        elif field.name in options.SHARED:
            kind, info = get_args(options.SHARED[field.name])
        else:
            names = (choices or {}).get(field.name) or (get_args(kind) if get_origin(kind) is Literal else ())
            group = panel_of.get(field.name, panel)
            kind, info = _option(kind, field, text, tuple(map(str, names)), group)
        is_required = default is dataclasses.MISSING
        parameters.append(
            inspect.Parameter(
                _parameter_name(field),
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if is_required else None,
                # The kind is a value here, which `kind | None` does not take of every kind.
                annotation=Annotated[kind if is_required else Union[kind, None], info],  # noqa: UP007
            )
        )
    return parameters


class _Text(NamedTuple):
    """The help of an option and its default in words, empty where there is none."""

    help: str
    default: str

    @property
    def extra(self) -> dict[str, Any]:
        # The default is part of the text: the parser has None, and would put a default in words in brackets.
        return {"help": options.add_default(*self), "show_default": False}


def _default_of(field: dataclasses.Field[Any]) -> Any:
    return None if field.default_factory is not dataclasses.MISSING else field.default


def _show_default(kind: Any, default: Any) -> str:
    if default is None or default is dataclasses.MISSING or default == ():
        return ""
    if kind is bool:
        return "on" if default else "off"
    return ", ".join(map(str, default if isinstance(default, tuple) else (default,)))


def _argument(kind: Any, name: str, text: _Text) -> tuple[Any, Any]:
    """The type and declaration of what is given by position."""
    if get_origin(kind) is tuple:
        kind = list[get_args(kind)[0]]  # type: ignore[misc]
    complete = options.complete_weights if "WEIGHTS" in name else None
    return kind, typer.Argument(metavar=name, autocompletion=complete, **text.extra)


def _option(
    kind: Any, field: dataclasses.Field[Any], text: _Text, names: tuple[str, ...], panel: str
) -> tuple[Any, Any]:
    """The type and declaration of one option."""
    flags, extra = flags_of(field), {**text.extra, "rich_help_panel": panel}
    if names:
        return str, options.make_choice(
            *flags, names=names, help=text.help, default=text.default, rich_help_panel=panel
        )
    if kind is bool:
        both = [f"{flags[-1]}/--no-{flags[-1].removeprefix('--')}"]
        return kind, typer.Option(*(flags if "flag" in field.metadata else both), **extra)
    single = kind
    if get_origin(kind) in (tuple, Mapping):
        single = get_args(kind)[0]
        kind = list[single]  # type: ignore[valid-type]
    if "range" in field.metadata:
        low, high = field.metadata["range"]
        extra |= {"min": low, "max": high if math.isfinite(high) else None}
    metavar = _metavar(single, flags, text.help)
    complete = options.complete_weights if metavar == "WEIGHTS" else None
    return kind, typer.Option(*flags, metavar=metavar, autocompletion=complete, **extra)


def _metavar(kind: Any, declarations: Sequence[str], help: str) -> str:
    """`N`, `X`, `PATH`; for a text what `_TEXTS` says, or its form in capitals in the help (`NAME=VALUE`, `I/N`)."""
    shape = re.search(r"\b[A-Z]+[=/][A-Z]+(?:\.\.[A-Z]+)?\b", help)
    if kind is str:
        return shape[0] if shape else _TEXTS.get(declarations[-1], "TEXT")
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")


def _parameter_name(field: dataclasses.Field[Any]) -> str:
    return flags_of(field)[-1].removeprefix("--").replace("-", "_")


def collect_given(cls: type, values: Mapping[str, Any], *, skip: Sequence[str] = ()) -> dict[str, Any]:
    """The values that were given for fields of `cls`, by field."""
    hints = get_type_hints(cls)
    given = {}
    for field in dataclasses.fields(cls):
        value = values.get(_parameter_name(field))
        if field.name in skip or value is None or value == []:
            continue
        kind = _without_none(hints[field.name])
        if get_origin(kind) is Literal:
            value = next(name for name in get_args(kind) if str(name) == value)
        elif get_origin(kind) is Mapping:
            value = _pairs(flags_of(field)[-1], value)
        given[field.name] = tuple(value) if isinstance(value, list) else value
    return given


def _pairs(flag: str, values: Sequence[str]) -> dict[str, str]:
    """`a=1` and `b=2` as a mapping."""
    pairs = {}
    for value in values:
        name, sign, entry = value.partition("=")
        if not (sign and name.strip() and entry.strip()):
            raise UsageError(f"{flag} {value}", "expected NAME=VALUE", f"for example {flag} melanoma=mel")
        pairs[name.strip()] = entry.strip()
    return pairs


def read_helps(cls: type) -> dict[str, str]:
    """The texts of a docstring's `Attributes:` section, by attribute, each on one line."""
    doc = inspect.getdoc(cls) or ""
    _, _, section = doc.partition("Attributes:\n")
    helps: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        start = re.match(r" {4}(\w+): (.*)", line)
        if start:
            name = start[1]
            helps[name] = start[2]
        elif line.startswith("        ") and name:
            helps[name] += " " + line.strip()
        elif line and not line.startswith(" "):
            break
    return {name: _for_prompt(text) for name, text in helps.items()}


def _for_prompt(text: str) -> str:
    """A docstring's text for the help: without markup and names of constants, and with `None` as the default."""
    text = re.sub(r",? [Oo]ne of `[A-Z_]+`", "", text).replace("; None: ", "; by default ")
    return text.replace("`", "").replace("[", "\\[")


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else str
    return hint
