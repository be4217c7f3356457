"""`drai swap-style`, also `drai style-transfer`: the content of one image in the style of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.errors import printable
from drai_cli.settings.image_options import SwapOptions

FLAGS = {"out": "-o --out"}
PARAMETERS = field_options(
    SwapOptions,
    {
        options.INPUT: ("pairs", "label_a", "label_b", "fit", "frame", "window"),
        options.OUTPUT: ("out", "format", "compression", "size", "overwrite"),
        options.MODEL: ("weights",),
        options.RUN: ("device", "precision"),
    },
    skip=("content", "style"),
    flags=FLAGS,
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command under both its names."""
    for name in ("swap-style", "style-transfer"):
        app.command(
            name,
            hidden=name != "swap-style",
            rich_help_panel=options.USE,
            epilog=options.examples(
                f"drai {name} a.png b.png",
                f"drai {name} --pairs pairs.csv --weights runs/lesions --out swaps/",
            ),
        )(swap_style)


@with_options(PARAMETERS)
def swap_style(
    context: typer.Context,
    content: Annotated[Path | None, typer.Argument(metavar="A", help="The first image, a.")] = None,
    style: Annotated[Path | None, typer.Argument(metavar="B", help="The second image, b.")] = None,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Swap the styles of two images: a's content in b's style, and b's in a's; also called style-transfer.

    OUT holds both and figure.png, a labelled figure of the four. With --pairs (columns content, style) it holds one
    image a row and metadata.csv.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = SwapOptions(content=content, style=style, **given_fields(SwapOptions, settings, flags=FLAGS))
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.swap_style import swap_style as run

    result = run(chosen, output)
    written = [name for name in (*result.images, *result.sidecars, result.figure, result.metadata) if name]
    output.result(result.to_json(), "\n".join(printable(str(result.out / name)) for name in written))
