"""Options made from a dataclass's fields, so that names, types, defaults and help cannot drift.

An option that nobody gave is None: what then holds (a preset, the dataclass's default) is decided where
all is merged.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import typer

from drai_cli.cli.options import choice, with_default
from drai_cli.errors import UsageError

# Whole numbers that are no counts.
_FROM_ZERO = {"--seed", "--split-seed", "--frame"}
# What a text stands for, by the option that takes it.
_TEXTS = {
    "--device": "DEVICE", "--image-column": "COLUMN", "--group": "COLUMN", "--group-pattern": "REGEX",
    "--condition": "COLUMN", "--small-label": "LABEL",
    "--label": "LABEL", "--label-a": "LABEL", "--label-b": "LABEL", "--from-label": "LABEL",
    "--to-label": "LABEL", "--window": "WINDOW",
    "--slices": "WHICH", "--metrics": "PARTS", "--methods": "NAMES", "--name": "OWNER/NAME",
}  # fmt: skip

CommandFunction = TypeVar("CommandFunction", bound=Callable[..., None])


def field_options(
    cls: type,
    panels: Mapping[str, Sequence[str]],
    *,
    skip: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
    shared: Mapping[str, Any] | None = None,
    defaults: Mapping[str, str] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> list[inspect.Parameter]:
    """A command's parameters for the fields of a dataclass.

    Args:
        cls: A dataclass whose docstring has an `Attributes:` section; that is the help.
        panels: Groups in `--help`, each with its fields; those that none names come last, in the last group.
        skip: Fields that have no option here.
        flags: Flags that differ from the field's name, by field: one, or a short one and a long one (`-n --count`).
        choices: Names that a text field may have, by field, where the type does not say so.
        shared: Annotated options to take as they are, by field.
        defaults: Defaults in words, by field, where something else than the field decides.
        ranges: Least and largest values, by field: those that may be negative are found there.
    """
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.name not in skip}
    panel_of = {name: panel for panel, names in panels.items() for name in names}
    order = [name for name in panel_of if name in fields] + [name for name in fields if name not in panel_of]
    helps = attribute_helps(cls)
    parameters = []
    for name in order:
        field = fields[name]
        declarations = _declarations(name, flags)
        is_required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if shared and name in shared:
            annotation = shared[name]
        else:
            kind = _without_none(hints[name])
            names = (choices or {}).get(name) or (get_args(kind) if get_origin(kind) is Literal else ())
            annotation = _annotation(
                kind,
                declarations,
                panel_of.get(name, list(panels)[-1]),
                helps.get(name, ""),
                None if is_required else field.default,
                tuple(map(str, names)),
                is_required,
                (defaults or {}).get(name, ""),
                min(0, (ranges or {}).get(name, (0, 0))[0]),
            )
        parameters.append(
            inspect.Parameter(
                _parameter_name(name, flags),
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if is_required else None,
                annotation=annotation,
            )
        )
    return parameters


def _annotation(
    kind: Any,
    declarations: Sequence[str],
    panel: str,
    help: str,
    default: Any,
    names: tuple[str, ...],
    is_required: bool,
    in_words: str,
    least: float,
) -> Any:
    """The annotated type of one option."""
    is_empty = default is None or default is dataclasses.MISSING or default == ()
    shown = "" if is_empty else ", ".join(map(str, default if isinstance(default, tuple) else (default,)))
    if kind is bool:
        shown = "on" if default else "off"
    shown = in_words or shown
    if names:
        option = choice(*declarations, names=names, help=help, default=shown, rich_help_panel=panel)
        return Annotated[str if is_required else Union[str, None], option]  # noqa: UP007
    # The default is part of the text: the parser itself has None, and would put a default in words in brackets.
    extra: dict[str, Any] = {
        "rich_help_panel": panel,
        "help": with_default(help, shown),
        "show_default": False,
    }
    if kind is bool:
        option = typer.Option(f"{declarations[-1]}/--no-{declarations[-1].removeprefix('--')}", **extra)
    elif get_origin(kind) in (tuple, Mapping):
        kind = list[get_args(kind)[0]]  # type: ignore[misc]
        option = typer.Option(*declarations, metavar=_metavar(get_args(kind)[0], declarations, help), **extra)
    else:
        if kind in (int, float):
            # A count of which none is the default may be none.
            is_counted = kind is int and default != 0 and not _FROM_ZERO & set(declarations)
            extra["min"] = 1 if is_counted else least
        option = typer.Option(*declarations, metavar=_metavar(kind, declarations, help), **extra)
    return Annotated[kind if is_required else Union[kind, None], option]  # noqa: UP007  kind is a value here


def _metavar(kind: Any, declarations: Sequence[str], help: str) -> str:
    """`N`, `X`, `PATH`; for a text what it is, or what its help calls it in capitals (`NAME=VALUE`, `I/N`)."""
    shape = re.search(r"\b[A-Z]+[=/][A-Z]+\b", help)
    if kind is str:
        return shape[0] if shape else _TEXTS.get(declarations[-1], "TEXT")
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")


def _declarations(name: str, flags: Mapping[str, str] | None) -> list[str]:
    return (flags or {}).get(name, "--" + name.removeprefix("is_").replace("_", "-")).split()


def _parameter_name(name: str, flags: Mapping[str, str] | None) -> str:
    return _declarations(name, flags)[-1].removeprefix("--").replace("-", "_")


def given_fields(
    cls: type,
    values: Mapping[str, Any],
    *,
    skip: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Those of the command's values that were given and are fields of `cls`, by field; `skip`, `flags` as above."""
    hints = get_type_hints(cls)
    given = {}
    for field in dataclasses.fields(cls):
        if field.name in skip:
            continue
        value = values.get(_parameter_name(field.name, flags))
        if value is not None and value != []:
            kind = _without_none(hints[field.name])
            if get_origin(kind) is Literal:
                value = next(name for name in get_args(kind) if str(name) == value)
            elif get_origin(kind) is Mapping:
                value = _pairs(_declarations(field.name, flags)[-1], value)
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


def with_options(parameters: Sequence[inspect.Parameter]) -> Callable[[CommandFunction], CommandFunction]:
    """A decorator for a command `f(..., **settings)`: the parser sees `parameters` for `**settings`."""

    def decorate(function: CommandFunction) -> CommandFunction:
        signature = inspect.signature(function, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        taken = {p.name for p in own}
        doubled = sorted(taken & {p.name for p in parameters})
        if doubled:
            raise TypeError(f"options given twice: {doubled}")
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        # The dataclass's options come first in the help, after the context and the arguments.
        context, rest = own[:1], own[1:]
        function.__signature__ = signature.replace(parameters=[*context, *parameters, *rest])  # type: ignore[attr-defined]
        return function

    return decorate


def attribute_helps(cls: type) -> dict[str, str]:
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
    """A docstring's text as the help shows it: no markup, no names of registries, `None` as what it means."""
    text = re.sub(r",? [Oo]ne of `[A-Z_]+`", "", text).replace("; None: ", "; by default ")
    return text.replace("`", "").replace("[", "\\[")


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else str
    return hint
