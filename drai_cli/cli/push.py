"""`drai push`: a model to the Hub."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.cli.text import show_table
from drai_cli.progress import show_bytes
from drai_cli.settings.model_options import PushOptions


@command(
    "push",
    group=options.SHARE,
    parameters=make_options(
        PushOptions,
        skip=("dry_run",),
        arguments={"weights": "WEIGHTS", "repository": "OWNER/NAME[@BRANCH]"},
    ),
    examples=(
        "drai push runs/lesions clinic/lesions --private",
        "drai push runs/lesions clinic/lesions --dry-run",
    ),
)
def push(output: Output, dry_run: bool, settings: Settings) -> None:
    """Upload a model to the Hub, with its model card and a grid of samples.

    --dry-run makes the files and lists them, and uploads nothing. On a machine without a network, write the files with
    drai export --to hub-folder; the folder can be given as WEIGHTS or pushed from another machine.
    """
    chosen = PushOptions(**collect_given(PushOptions, settings, skip=("dry_run",)), dry_run=dry_run)
    from drai_cli.workflows.push import push as run

    result = run(chosen, output)
    rows = [(name, show_bytes(size), sha256) for name, (size, sha256) in result.files.items()]
    if dry_run:
        output.info("nothing was uploaded; drai export --to hub-folder writes these files to a folder")
        output.result({"dry_run": True, **result.to_json()}, show_table(rows, ("file", "size", "sha256")))
        return
    output.result(result.to_json(), f"{result.repository}@{result.commit}")
