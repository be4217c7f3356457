"""`drai compare`: several methods, trained and evaluated under the same conditions."""

from __future__ import annotations

from pathlib import Path

import typer

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.text import show_fields, show_table, to_plain
from drai_cli.cli.train import COMMON_DATA, SETTINGS, resolve_settings, show_training
from drai_cli.errors import exit_code_of, printable
from drai_cli.settings.model_options import CompareOptions


@command(
    "compare",
    group=options.TRAIN,
    parameters=[
        *(parameter for parameter in SETTINGS if parameter.name not in ("method", "hours", "patience")),
        *make_options(
            CompareOptions,
            panels={"Comparison": ("methods", "seeds", "part", "features", "judge_images")},
            skip=("data", "training"),
        ),
    ],
    examples=(
        "drai compare --data lesions/ --methods all --kimg 60 --seeds 3",
        "drai compare --data lesions/ --methods dai,drai --kimg 200 --device cuda:0 --device cuda:1",
    ),
    common=(*COMMON_DATA, "condition", "size", "kimg", "methods", "seeds", "out", "device"),
)
def compare(output: Output, dry_run: bool, settings: Settings) -> None:
    """Train and evaluate several methods in the same way, and write a table as Markdown, CSV, LaTeX, JSON and HTML.

    Every run uses the same data, split, networks and number of images. An unfinished comparison is resumed by running
    the same command again.
    """
    given = collect_given(CompareOptions, settings, skip=("data", "training"))
    if "methods" in given:
        given["methods"] = tuple(name.strip() for text in given["methods"] for name in text.split(","))
    data, training = resolve_settings(settings["preset"], settings)
    chosen = CompareOptions(data, training, **given)
    from drai_cli.report.comparison_tables import to_markdown

    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.compare import compare as run
        from drai_cli.workflows.compare import preview_compare

    if dry_run:
        plan = preview_compare(chosen, output)
        rows = [
            *show_fields(chosen, skip=("data", "training")),
            *show_training(data, training, skip=("method",)),
        ]
        sentences = "\n".join(f"plan: {sentence}" for sentence in plan)
        shown = {"dry_run": True, "options": to_plain(chosen), "plan": plan}
        output.result(shown, f"{show_table(rows)}\n\n{sentences}")
        return
    result = run(chosen, output)
    path = printable(str(Path(result.out) / "comparison.html"))
    output.result(result.to_json(), f"{to_markdown(result.comparison)}\n{path}")
    if result.stopped_by:
        raise typer.Exit(exit_code_of(result.stopped_by))
