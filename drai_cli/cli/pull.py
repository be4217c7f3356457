"""`drai pull`: a model from the Hub."""

from __future__ import annotations

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.settings.model_options import PullOptions


@command(
    "pull",
    group=options.SHARE,
    parameters=make_options(PullOptions, arguments={"repository": "OWNER/NAME[@REV]"}),
    examples=("drai pull clinic/lesions@v1.2", "drai pull clinic/lesions --to lesions/"),
)
def pull(output: Output, dry_run: bool, settings: Settings) -> None:
    """Download a model from the Hub. Its name then works as WEIGHTS, even offline.

    The model is stored in the Hub's cache (HF_HOME); HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are respected. With --to,
    the files are also copied to a folder that can be moved to another machine and given as WEIGHTS there.
    """
    chosen = PullOptions(**collect_given(PullOptions, settings))
    from drai_cli.workflows.pull import check_pull
    from drai_cli.workflows.pull import pull as run

    result = run_or_preview(output, dry_run, chosen, check_pull, run)
    output.info(f"use it with --weights {result.weights}")
    output.result(result.to_json(), "\n".join(result.files.values()))
