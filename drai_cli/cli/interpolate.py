"""`drai interpolate`: walks between two images or labels, and grids."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.errors import printable
from drai_cli.settings.image_options import InterpolateOptions

FLAGS = {"out": "-o --out"}
PARAMETERS = field_options(
    InterpolateOptions,
    {
        options.INPUT: (
            "along",
            "from_label",
            "to_label",
            "style_from",
            "grid",
            "style",
            "fit",
            "frame",
            "window",
        ),
        options.OUTPUT: ("out", "steps", "even", "format", "compression", "fps", "overwrite"),
        options.MODEL: ("weights",),
        options.RUN: ("seed", "device", "precision"),
    },
    skip=("images",),
    flags=FLAGS,
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "interpolate",
        rich_help_panel=options.USE,
        epilog=options.examples(
            "drai interpolate a.png b.png --along style --steps 8 --even",
            "drai interpolate --from-label nv --to-label mel --out walk.gif",
            "drai interpolate --grid a.png b.png c.png --style d.png --out grid.png",
        ),
    )(interpolate)


@with_options(PARAMETERS)
def interpolate(
    context: typer.Context,
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMG", help="Two images; with --grid any number.")
    ] = None,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Walk from one image or label to another, or make a grid of contents across and styles down.

    The ends of a walk are what the model makes of the two images. Content changes along a straight line, style along an
    arc. OUT is a strip (.png), a moving picture (.gif, .mp4), or a folder of frames with metadata.csv.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = InterpolateOptions(
        images=tuple(images or ()), **given_fields(InterpolateOptions, settings, flags=FLAGS)
    )
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.interpolate import interpolate as run

    result = run(chosen, output)
    written = (
        [result.out / name for name in (*result.images, "metadata.csv")] if result.images else [result.out]
    )
    output.result(result.to_json(), "\n".join(printable(str(path)) for path in written))
