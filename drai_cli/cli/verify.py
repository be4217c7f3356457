"""`drai verify`: whether an output of `sample` is unchanged."""

from __future__ import annotations

import typer

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.errors import ExitCode
from drai_cli.settings.image_options import VerifyOptions


@command(
    "verify",
    group=options.CHECK,
    parameters=make_options(VerifyOptions, arguments={"out": "DIR"}),
    examples=("drai verify aug/", "drai verify aug/ --regenerate 16 --weights runs/lesions"),
)
def verify(output: Output, dry_run: bool, settings: Settings) -> None:
    """Check an output of sample: compare every file with the manifest and with the marks inside it.

    With --regenerate, also generate some images again from the weights and compare. Each problem is a warning line;
    with any problem the exit code is 3.
    """
    chosen = VerifyOptions(**collect_given(VerifyOptions, settings))
    from drai_cli.workflows.verify import check_verify
    from drai_cli.workflows.verify import verify as run

    result = run_or_preview(output, dry_run, chosen, check_verify, run)
    again = f", {result.regenerated} generated again" if result.regenerated else ""
    count = len(result.findings)
    verdict = f"{count} finding{'s' * (count != 1)}" if count else "all as sample wrote it"
    output.result(result.to_json(), f"{result.images} images, {result.files} files{again}: {verdict}")
    if result.findings:
        raise typer.Exit(ExitCode.BAD_INPUT)
