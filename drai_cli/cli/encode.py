"""`drai encode`: the codes of real images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.settings.image_options import EncodeOptions

FLAGS = {"out": "-o --out"}
PARAMETERS = field_options(
    EncodeOptions,
    {
        options.INPUT: ("fit", "frame", "window"),
        options.OUTPUT: ("out", "overwrite"),
        options.MODEL: ("weights",),
        options.RUN: ("device", "precision"),
    },
    skip=("images",),
    flags=FLAGS,
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "encode",
        rich_help_panel=options.USE,
        epilog=options.examples(
            "drai encode a.png b.png --out codes.npz",
            "drai encode scans/ --weights runs/lesions --out codes.npz",
        ),
    )(encode)


@with_options(PARAMETERS)
def encode(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMG", help="Image files, or folders of them.")],
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Infer the content and style codes of images and write them to an .npz."""
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = EncodeOptions(images=tuple(images), **given_fields(EncodeOptions, settings, flags=FLAGS))
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.encode import encode as run

    result = run(chosen, output)
    output.result(result.to_json(), str(result.out))
