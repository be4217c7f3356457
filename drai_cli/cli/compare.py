"""`drai compare`: several methods, trained and evaluated under the same conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.cli.train import PARAMETERS as TRAIN_PARAMETERS
from drai_cli.cli.train import Preset, resolve_settings
from drai_cli.errors import exit_code_of, printable
from drai_cli.settings.model_options import CompareOptions

FLAGS = {"out": "-o --out", "devices": "--device"}
OWN = field_options(
    CompareOptions,
    {
        options.INPUT: ("part",),
        "Comparison": ("methods", "seeds", "features", "judge_images"),
        options.OUTPUT: ("out",),
        options.RUN: ("devices",),
    },
    skip=("data", "training"),
    flags=FLAGS,
)
PARAMETERS = [
    *OWN,
    *(parameter for parameter in TRAIN_PARAMETERS if parameter.name not in ("method", "hours", "patience")),
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "compare",
        rich_help_panel=options.LOOK,
        epilog=options.examples(
            "drai compare --data lesions/ --methods all --kimg 60 --seeds 3",
            "drai compare --data lesions/ --methods dai,drai --kimg 200 --device cuda:0 --device cuda:1",
        ),
    )(compare)


@with_options(PARAMETERS)
def compare(
    context: typer.Context,
    preset: Preset = None,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Train several methods under the same conditions, evaluate each, and write one table of their measures.

    Every run has the same data, split, networks and images seen. The table is written as Markdown, CSV, LaTeX, JSON and
    HTML. The same command run again resumes where it stopped.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    given = given_fields(CompareOptions, settings, flags=FLAGS, skip=("data", "training"))
    if "methods" in given:
        given["methods"] = tuple(name.strip() for text in given["methods"] for name in text.split(","))
    data, training = resolve_settings(preset, settings)
    chosen = CompareOptions(data, training, **given)
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.report.comparison_tables import to_markdown
    from drai_cli.workflows.compare import compare as run

    result = run(chosen, output)
    path = printable(str(Path(result.out) / "comparison.html"))
    output.result(result.to_json(), f"{to_markdown(result.comparison)}\n{path}")
    if result.stopped_by:
        raise typer.Exit(exit_code_of(result.stopped_by))
