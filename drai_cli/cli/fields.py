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
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import typer

from drai_cli.cli.options import choice

CommandFunction = TypeVar("CommandFunction", bound=Callable[..., None])


def field_options(
    cls: type,
    *,
    panel: str,
    skip: Sequence[str] = (),
    flags: Mapping[str, str] | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> list[inspect.Parameter]:
    """A command's parameters for the fields of a dataclass.

    Args:
        cls: A dataclass whose docstring has an `Attributes:` section; that is the help.
        panel: The group in `--help`.
        skip: Fields that have no option here.
        flags: Flags that differ from the field's name, by field; the parameter takes the flag's name.
        choices: Names that a text field may have, by field, where the type does not say so.
    """
    hints = get_type_hints(cls)
    helps = attribute_helps(cls)
    parameters = []
    for field in dataclasses.fields(cls):
        if field.name in skip:
            continue
        flag = (flags or {}).get(field.name, "--" + field.name.removeprefix("is_").replace("_", "-"))
        kind = _without_none(hints[field.name])
        names = (choices or {}).get(field.name) or (get_args(kind) if get_origin(kind) is Literal else None)
        default = "" if field.default is dataclasses.MISSING or field.default is None else str(field.default)
        help = helps.get(field.name, "")
        option: Any
        if names:
            kind = str
            option = choice(
                flag, names=tuple(map(str, names)), panel=panel, help=help, show_default=default or True
            )
        elif kind is bool:
            option = typer.Option(
                f"{flag}/--no-{flag.removeprefix('--')}",
                rich_help_panel=panel,
                help=help,
                show_default=default,
            )
        else:
            option = typer.Option(
                flag, metavar={int: "N", float: "X"}.get(kind), rich_help_panel=panel, help=help,
                show_default=default or True,
                min=(1 if kind is int and field.name != "seed" else 0) if kind in (int, float) else None,
            )  # fmt: skip
        parameters.append(
            inspect.Parameter(
                flag.removeprefix("--").replace("-", "_"),
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[Union[kind, None], option],  # noqa: UP007  kind is a value here
            )
        )
    return parameters


def given_fields(
    cls: type, values: Mapping[str, Any], *, flags: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Those of the command's values that were given and are fields of `cls`, by field; `flags` as above."""
    given = {}
    for field in dataclasses.fields(cls):
        flag = (flags or {}).get(field.name, field.name.removeprefix("is_"))
        value = values.get(flag.removeprefix("--").replace("-", "_"))
        if value is not None:
            given[field.name] = value
    return given


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
        function.__signature__ = signature.replace(parameters=[*own, *parameters])  # type: ignore[attr-defined]
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
    return helps


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else str
    return hint
