"""`drai evaluate`: fidelity, disentanglement, usefulness and privacy of synthetic images, in one report."""

from __future__ import annotations

from typing import Any

import typer

from drai_cli.cli import options
from drai_cli.cli.fields import field_options, given_fields, with_options
from drai_cli.cli.text import show_table
from drai_cli.errors import printable
from drai_cli.settings.data_options import KIND_NAMES
from drai_cli.settings.model_options import EvaluateOptions

_NOT_INFORMATIVE = "not informative: see the caution"
FLAGS = {"out": "-o --out", "usefulness_ratios": "--usefulness-ratio", "small_labels": "--small-label"}
PARAMETERS = field_options(
    EvaluateOptions,
    {
        options.INPUT: (
            "data", "synthetic", "train_data", "split", "part", "metadata", "image_column", "label", "group",
            "group_pattern", "kind", "size",
        ),
        options.MODEL: ("weights",),
        "Measures": (
            "metrics", "features", "samples", "pairs", "draws", "judge_images", "usefulness_images", "usefulness_seeds",
            "usefulness_ratios", "small_labels", "privacy_samples",
        ),
        options.OUTPUT: ("out", "figures", "tools", "overwrite"),
        options.RUN: ("seed", "device"),
    },
    flags=FLAGS,
    choices={"kind": KIND_NAMES},
    shared=options.SHARED,
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(
        "evaluate",
        rich_help_panel=options.LOOK,
        epilog=options.examples(
            "drai evaluate --data lesions/ --weights runs/lesions",
            "drai evaluate --data held_out/ --synthetic others/ --train-data lesions/ --metrics fidelity,privacy",
        ),
    )(evaluate)


@with_options(PARAMETERS)
def evaluate(
    context: typer.Context,
    as_json: options.Json = False,
    config: options.Config = None,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    **settings: Any,
) -> None:
    """Measure fidelity, disentanglement, usefulness and privacy of a model, or of a folder of synthetic images.

    Measures use only images that the generator was not trained on; the command stops if one of them was. OUT gets
    report.json, report.html and the raw numbers, so that the same command run again measures only what is missing.
    """
    output = options.open_output(context, quiet=quiet, verbose=verbose, as_json=as_json)
    given = given_fields(EvaluateOptions, settings, flags=FLAGS)
    given["metrics"] = tuple(name.strip() for text in given.get("metrics", ()) for name in text.split(","))
    chosen = EvaluateOptions(**given)
    if dry_run:
        options.preview_options(output, chosen)
        return
    from drai_cli.workflows.evaluate import evaluate as run

    result = run(chosen, output)
    rows = [_row(measure) for part in result.report.parts for measure in part.measures if measure.is_headline]
    table = show_table(rows, ("measure", "of", "value", "95 % interval", "baseline"))
    doubts = [f"caution: {doubt}" for part in result.report.parts for doubt in part.doubts]
    output.result(
        result.to_json(), "\n\n".join([table, *map(printable, [*doubts, str(result.out / "report.html")])])
    )


def _row(measure: Any) -> tuple[str, ...]:
    """A measure as the table shows it, without the number where it is not informative."""
    from drai_cli.report.wording import DASH, number, number_with_spread

    name, of = measure.name, measure.variant or measure.label
    if measure.doubt:
        return name, of, DASH, DASH, _NOT_INFORMATIVE
    value, low, high = number_with_spread(measure.value, measure.low, measure.high)
    interval = "" if measure.low is None or measure.high is None else f"{low} to {high}"
    baseline = measure.baseline
    return name, of, value, interval, "" if baseline is None else f"{number(baseline.value)} {baseline.what}"
