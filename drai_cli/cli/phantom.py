"""`drai phantom`: labelled synthetic images whose style factors are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drai_cli.cli import options


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "phantom",
        rich_help_panel=options.TRAIN,
        epilog=options.examples(
            "drai phantom --out lesions/ -n 2000", "drai phantom --out small/ -n 700 --size 32 --seed 1"
        ),
    )(phantom)


def phantom(
    context: typer.Context,
    *,
    count: Annotated[
        int,
        typer.Option(
            "-n",
            "--count",
            metavar="N",
            min=1,
            rich_help_panel=options.INPUT,
            help="Images in all; labels take turns.",
        ),
    ] = 2000,
    size: Annotated[
        int,
        typer.Option(
            "--size", metavar="N", min=16, rich_help_panel=options.INPUT, help="Height and width in pixels."
        ),
    ] = 64,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            rich_help_panel=options.RUN,
            help="With the index, decides each image.",
        ),
    ] = 0,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="PATH",
            rich_help_panel=options.OUTPUT,
            help="Folder for the images; new or empty.",
        ),
    ],
    overwrite: options.Overwrite = False,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Draw labelled phantom lesions with known style factors: to test with, or to see the method prove itself.

    Seven classes differ in palette, border and texture only; position, size, skin tone, light, aspect, rotation and
    hairs are drawn apart from the class and written to metadata.csv.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    from drai_cli.workflows.phantom import PhantomOptions, make_phantoms

    chosen = PhantomOptions(out=out, count=count, size=size, seed=seed, overwrite=overwrite)
    if dry_run:
        options.preview_options(output, chosen)
        return
    result = make_phantoms(chosen, output)
    output.result(result.to_json(), str(result.out))
