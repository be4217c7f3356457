"""`drai push`: a model to the Hub."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.cli.text import show_table
from drai_cli.progress import show_bytes
from drai_cli.settings.model_options import PushOptions

PARAMETERS = field_options(
    PushOptions, {options.OUTPUT: ("message", "private")}, skip=("weights", "repository", "dry_run")
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "push",
        rich_help_panel=options.SHARE,
        epilog=options.examples(
            "drai push runs/lesions clinic/lesions --private",
            "drai push runs/lesions clinic/lesions --dry-run",
        ),
    )(push)


@with_options(PARAMETERS)
def push(
    context: typer.Context,
    weights: Annotated[
        str,
        typer.Argument(metavar="WEIGHTS", autocompletion=options.complete_weights, help=options.WEIGHTS_HELP),
    ],
    repository: Annotated[
        str,
        typer.Argument(metavar="OWNER/NAME[@BRANCH]", help="Repository on the Hub; made if it is not there."),
    ],
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Send a model to the Hub, with its card and a grid of samples.

    --dry-run makes the files and lists them. Where there is no network, write them with drai export --to hub-folder,
    carry the folder, and name it as WEIGHTS there, or push it from a machine that has one.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = PushOptions(
        weights=weights, repository=repository, dry_run=dry_run, **given_fields(PushOptions, settings)
    )
    from drai_cli.workflows.push import push as run

    result = run(chosen, output)
    rows = [(name, show_bytes(size), sha256) for name, (size, sha256) in result.files.items()]
    if dry_run:
        output.info("nothing was sent; drai export --to hub-folder writes these files to carry by hand")
        output.result({"dry_run": True, **result.to_json()}, show_table(rows, ("file", "size", "sha256")))
        return
    output.result(result.to_json(), f"{result.repository}@{result.commit}")
