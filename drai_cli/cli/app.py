"""The root of the command line: the list of commands. Each is in a module of its name."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import warnings
from typing import Annotated

import typer

from drai_cli.cli import (
    compare,
    convert,
    encode,
    evaluate,
    explore,
    export,
    info,
    inspect,
    interpolate,
    phantom,
    pull,
    push,
    sample,
    swap_style,
    train,
    verify,
)
from drai_cli.cli.boundary import DraiGroup
from drai_cli.cli.output import open_missing_streams, write_stdout
from drai_cli.machine.cores import prepare_threads

_COLLECTION_THRESHOLD = 50_000

app = typer.Typer(
    name="drai",
    cls=DraiGroup,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Exit codes: 0 done, 1 bug, 2 usage, 3 input, 4 weights, 5 network, 6 would overwrite, 128 + n signal n",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from drai_cli import __version__

        write_stdout(f"drai {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop."),
    ] = False,
) -> None:
    """Train DRAI models on labelled medical images, sample labelled images from them, and swap styles."""


COMMANDS = (
    inspect.inspect, convert.convert, phantom.phantom,
    train.train, compare.compare,
    sample.sample, swap_style.swap_style, interpolate.interpolate, explore.explore, encode.encode,
    evaluate.evaluate, verify.verify, info.info,
    export.export, pull.pull, push.push,
)  # fmt: skip
"""In the order of `drai --help`: groups as they first occur, and the commands in them."""
for command in COMMANDS:
    command.register(app)


def main() -> None:
    """The `drai` program. Warnings and logs of third-party libraries are shown with `-v` only."""
    if "_DRAI_COMPLETE" in os.environ:
        # Shells read one line per option; a wrapped text would be offered as an option.
        os.environ["TERMINAL_WIDTH"] = "10000"
    open_missing_streams()
    prepare_threads(os.environ)
    # Garbage collection takes time while torch is imported (0.1 s) and at exit (0.4 s), where it is not needed.
    gc.set_threshold(_COLLECTION_THRESHOLD)
    atexit.register(gc.freeze)
    if not {"-v", "--verbose"} & set(sys.argv[1:]):
        warnings.simplefilter("ignore")
        logging.getLogger().addHandler(logging.NullHandler())
    app()
