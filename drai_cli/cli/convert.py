"""`drai convert`: any image that is read as any kind that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.errors import printable
from drai_cli.settings.image_options import ConvertOptions

PARAMETERS = field_options(
    ConvertOptions,
    {
        options.INPUT: ("window",),
        options.OUTPUT: ("format", "keep_patient", "compression", "overwrite"),
    },
    skip=("source", "out"),
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "convert",
        rich_help_panel=options.LOOK,
        epilog=options.examples(
            "drai convert scan.dcm scan.nii.gz",
            "drai convert series/ slices/ --format png --window 40,400",
        ),
    )(convert)


@with_options(PARAMETERS)
def convert(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN", help="An image, or a folder of them.")],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A file, whose suffix says its kind, or a folder.")
    ],
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Write images as another kind, values, spacing and orientation kept.

    A folder goes into one file as one series, or with --format into a folder, a file a frame. Patient attributes are
    dropped unless --keep-patient is given; a synthetic image stays marked as such.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = ConvertOptions(source=source, out=out, **given_fields(ConvertOptions, settings))
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.convert import convert as run

    result = run(chosen, output)
    output.result(result.to_json(), "\n".join(printable(name) for name in result.files))
