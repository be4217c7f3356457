"""`drai verify`: is an output of `sample` what it says?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.errors import ExitCode
from drai_cli.settings.image_options import VerifyOptions

PARAMETERS = field_options(
    VerifyOptions,
    {options.INPUT: ("regenerate", "style_from"), options.MODEL: ("weights",), options.RUN: ("device",)},
    skip=("out",),
    shared=options.SHARED,
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "verify",
        rich_help_panel=options.LOOK,
        epilog=options.examples(
            "drai verify aug/", "drai verify aug/ --regenerate 16 --weights runs/lesions"
        ),
    )(verify)


@with_options(PARAMETERS)
def verify(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that drai sample wrote.")],
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Check an output of sample: every file against the manifest and its own marks, some against the weights.

    Each finding is a warning line; any finding ends it with exit code 3.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = VerifyOptions(out=out, **given_fields(VerifyOptions, settings))
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.verify import verify as run

    result = run(chosen, output)
    again = f", {result.regenerated} made again" if result.regenerated else ""
    found = len(result.findings)
    verdict = f"{found} finding{'s' * (found != 1)}" if found else "all as it was made"
    output.result(result.to_json(), f"{result.images} images, {result.files} files{again}: {verdict}")
    if result.findings:
        raise typer.Exit(ExitCode.BAD_INPUT)
