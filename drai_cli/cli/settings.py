"""Options from the TOML file of `--config`: they override presets and defaults; options at the prompt override them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from drai_cli.cli.boundary import suggest
from drai_cli.errors import UsageError

# Options that apply to a single call and cannot be in a file.
NOT_IN_FILES = frozenset({"config", "help"})


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Makes the values of the file the command's defaults; the callback of `--config`, called before other options.

    The keys are the command's long options without the leading dashes (`batch-size = 16` or `batch_size = 16`), at the
    top or in a table with the command's name (`[train]`). Tables of other commands are ignored.

    Raises:
        InputError: The file cannot be read, or is not TOML.
        UsageError: It names an option that the command does not have.
    """
    if path is None or context.resilient_parsing:
        return path
    from drai_cli.io.toml import read_toml

    data = read_toml(path)
    context.default_map = dict(_collect_values(context, path, data))
    return path


def _collect_values(context: typer.Context, path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    command = context.command
    group = context.parent.command if context.parent is not None else None
    commands = getattr(group, "commands", {})
    own = [name for name, other in commands.items() if _is_same(other, command)]
    options: dict[str, Any] = {}
    for parameter in command.get_params(context):
        if parameter.name in NOT_IN_FILES:
            continue
        for option in (*parameter.opts, *parameter.secondary_opts):
            options[option.lstrip("-").replace("-", "_")] = (parameter, option in parameter.secondary_opts)
        options[str(parameter.name)] = (parameter, False)
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if not (key in commands and isinstance(value, dict)):
            flat[key] = value
    for name in own:
        table = data.get(name)
        flat.update(table if isinstance(table, dict) else {})
    values: dict[str, Any] = {}
    for key, value in flat.items():
        choice = options.get(key.replace("-", "_"))
        if choice is None:
            known = sorted({name.replace("_", "-") for name in options if len(name) > 1})
            hint = f"{suggest(key.replace('_', '-'), known)}drai {context.info_name} --help lists its options"
            raise UsageError(path, f"{key}: no such option of drai {context.info_name}", hint)
        parameter, is_negated = choice
        if is_negated and isinstance(value, bool):
            value = not value
        if isinstance(value, dict):  # [sample.set] age = 60
            value = [f"{name}={entry}" for name, entry in value.items()]
        elif getattr(parameter, "multiple", False) and not isinstance(value, list):
            value = [value]
        values[str(parameter.name)] = value
    return values


def _is_same(one: Any, other: Any) -> bool:
    """Whether two names belong to the same command."""
    return inspect.unwrap(one.callback) is inspect.unwrap(other.callback)
