"""The options that several commands share, each written once, and their groups in `--help`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from drai_cli.cli.boundary import Session, suggest
from drai_cli.cli.output import Output
from drai_cli.cli.settings import read_config
from drai_cli.errors import UsageError
from drai_cli.machine.launch import read_place

INPUT = "Input"
OUTPUT = "Output"
MODEL = "Model"
RUN = "Run"
PANELS = {
    OUTPUT: (
        "out", "format", "layout", "sheet", "steps", "even", "shard_size", "keep_patient", "compression", "fps",
        "figures", "tensorboard", "open", "to", "name", "message", "private", "list_all", "overwrite",
    ),
    MODEL: ("weights", "init", "method", "licence"),
    RUN: ("seed", "shard", "device", "devices", "precision", "runtime", "batch_size"),
}  # fmt: skip
"""Groups in a command's `--help` after `INPUT` and groups of its own, with the fields of any dataclass in them."""

# Groups of commands in `drai --help`, in this order.
DATA = "Data"
TRAIN = "Train"
GENERATE = "Generate"
CHECK = "Check"
SHARE = "Share"

WEIGHTS_HELP = (
    "Model: a .safetensors file, run directory, bundled model's name, or Hub name owner/name\\[@revision]."
)
WEIGHTS_DEFAULT = "$DRAI_WEIGHTS, or the bundled model"


def add_default(help: str, default: str) -> str:
    """A help text that ends with the default, in the form of the parser."""
    shown = default.replace("[", "\\[")
    return f"{help} [dim]\\[default: {shown}][/dim]" if default else help


def make_choice(*flags: str, names: Sequence[str], help: str, default: str = "", **extra: Any) -> Any:
    """An option whose value is one of some names: completion offers them, and an error names the nearest."""

    def check(context: typer.Context, value: str | None) -> str | None:
        if value is None or value in names or context.resilient_parsing:
            return value
        raise UsageError(
            f"{flags[-1]} {value!r}",
            "no such choice",
            f"{suggest(value, names)}one of: {', '.join(names)}",
        )

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return typer.Option(
        *flags, metavar="NAME", callback=check, autocompletion=complete,
        help=add_default(f"{help} One of: {', '.join(names)}.", default), show_default=False, **extra,
    )  # fmt: skip


def complete_weights(incomplete: str) -> list[str]:
    """Names of bundled models, for completion."""
    from drai_cli.hub.locate import bundled_models

    return [name for name in bundled_models() if name.startswith(incomplete)]


Weights = Annotated[
    str | None,
    typer.Option(
        "-w", "--weights", metavar="WEIGHTS", rich_help_panel=MODEL, autocompletion=complete_weights,
        show_default=False, help=add_default(WEIGHTS_HELP, WEIGHTS_DEFAULT),
    ),
]  # fmt: skip
Device = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="DEVICE", rich_help_panel=RUN, show_default=False,
        help=add_default("Device to compute on: cpu, cuda, cuda:1, mps.", "the first available of cuda, mps, cpu"),
    ),
]  # fmt: skip
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", rich_help_panel=RUN, is_eager=True, callback=read_config,
        help="TOML file with options; options at the prompt override it.",
    ),
]  # fmt: skip
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", rich_help_panel=RUN, help="Check the options, print what would run, and stop."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace existing output.")
]
Quiet = Annotated[
    bool,
    typer.Option(
        "-q", "--quiet", rich_help_panel=RUN, help="Print no progress: only the result, warnings and errors."
    ),
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", rich_help_panel=RUN, help="Print more details.")]
Json = Annotated[
    bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print the result as one JSON object.")
]
SHARED = {"weights": Weights, "device": Device, "overwrite": Overwrite}


SHOW = Parameter(
    "show",
    Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option(
            "--show",
            rich_help_panel=OUTPUT,
            help="Show pictures in the terminal, at most 12 of many. Nothing is shown if stdout is no terminal.",
        ),
    ],
)
"""For commands that read or make images; `cli/pictures.py` shows them."""


def open_output(context: typer.Context, *, quiet: bool, verbose: bool, as_json: bool) -> Output:
    """Makes the command's output and gives it to the error boundary.

    Raises:
        UsageError: `-q` and `-v` together.
    """
    if quiet and verbose:
        raise UsageError("-q", "contradicts -v", "give one of them")
    output = Output(quiet=quiet, verbose=verbose, as_json=as_json, is_mute=not read_place().is_first)
    session = context.find_object(Session)
    if session is not None:
        session.output = output
    return output


def format_list(title: str, entries: Mapping[str, str]) -> str:
    """A further section of a command's help: names with a description each."""
    return "\n\n".join(["", f"{title}:", *(f"  {name}: {what}" for name, what in entries.items())])


def format_examples(*lines: str) -> str:
    """The examples of a command's help: command lines to copy."""
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)])
