"""`drai pull`: a model from the Hub."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.settings.model_options import PullOptions

PARAMETERS = field_options(
    PullOptions, {options.OUTPUT: ("to", "overwrite")}, skip=("repository",), shared=options.SHARED
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "pull",
        rich_help_panel=options.SHARE,
        epilog=options.examples(
            "drai pull clinic/lesions@v1.2",
            "drai pull clinic/lesions --to lesions/",
        ),
    )(pull)


@with_options(PARAMETERS)
def pull(
    context: typer.Context,
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME[@REV]", help="Repository on the Hub.")],
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Fetch a model from the Hub, to use by its name from then on, also without a network.

    It comes into the Hub's cache (HF_HOME); HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are honoured. With --to the
    files are copied to a folder, which can be carried to another machine and named as WEIGHTS there.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    chosen = PullOptions(repository=repository, **given_fields(PullOptions, settings))
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.pull import pull as run

    result = run(chosen, output)
    output.info(f"use it with --weights {result.weights}")
    output.result(result.to_json(), "\n".join(result.files.values()))
