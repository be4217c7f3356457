"""Command lines of drai in this process, as often as wanted: the options of all commands are built once."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import typer.main
import typer.testing
from typer.testing import CliRunner, Result

from drai_cli.cli.app import app

# Building them takes 60 ms, which is more than most commands of the tests take.
_built = functools.cache(typer.main.get_command)


def program() -> Any:
    """What `drai` runs, with its options built."""
    return _built(app)


def run_drai(arguments: Sequence[object]) -> Result:
    """Runs a command line; its exit code and all that it printed."""
    unpatched = typer.testing._get_command  # type: ignore[attr-defined]
    typer.testing._get_command = _built  # type: ignore[attr-defined]
    try:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])
    finally:
        typer.testing._get_command = unpatched  # type: ignore[attr-defined]
