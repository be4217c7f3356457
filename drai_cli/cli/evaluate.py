"""`drai evaluate`: fidelity, disentanglement, usefulness and privacy of synthetic images, in one report."""

from __future__ import annotations

from typing import Any

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command, run_or_preview
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.text import show_table
from drai_cli.errors import printable
from drai_cli.settings.data_options import KIND_NAMES
from drai_cli.settings.model_options import EvaluateOptions

_NOT_INFORMATIVE = "not informative: see the caution"


@command(
    "evaluate",
    group=options.CHECK,
    parameters=make_options(
        EvaluateOptions,
        panels={
            "Measures": (
                "quick", "metrics", "external", "maps", "subgroups", "rules", "card", "features", "samples", "pairs",
                "draws", "judge_images", "usefulness_images", "usefulness_seeds", "usefulness_ratios", "small_labels",
                "privacy_samples", "attack", "attack_minutes",
            )
        },
        choices={"kind": KIND_NAMES, "card": ("smd",), "attack": ("shadow",)},
    ),
    examples=(
        "drai evaluate --data lesions/ --weights runs/lesions",
        "drai evaluate --data held_out/ --synthetic others/ --train-data lesions/ --metrics fidelity,privacy",
    ),
    common=(
        "data", "metadata", "image_column", "label", "group", "synthetic", "train_data", "quick", "metrics", "features",
        "out", "figures", "overwrite", "weights", "seed", "device",
    ),
)  # fmt: skip
def evaluate(output: Output, dry_run: bool, settings: Settings) -> None:
    """Measure fidelity, disentanglement, usefulness and privacy of a model or of a folder of synthetic images.

    If a test image is known to be a training image, the command stops with an error. OUT holds report.json, report.html
    and intermediate results; if the command is repeated, it measures only what is missing.
    """
    given = collect_given(EvaluateOptions, settings)
    for several in ("metrics", "runs"):
        given[several] = tuple(name.strip() for text in given.get(several, ()) for name in text.split(","))
    chosen = EvaluateOptions(**given)
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.evaluate import evaluate as run
        from drai_cli.workflows.evaluate import preview_evaluate

    result = run_or_preview(output, dry_run, chosen, preview_evaluate, run)
    rows = [_row(measure) for part in result.report.parts for measure in part.measures if measure.is_headline]
    table = show_table(rows, ("measure", "of", "value", "95 % interval", "baseline"))
    doubts = [f"caution: {doubt}" for part in result.report.parts for doubt in part.doubts]
    verdicts = [f"{part.key}: {part.verdict}" for part in result.report.parts if part.verdict]
    lines = [*verdicts, *doubts, str(result.out / "report.html")]
    output.result(result.to_json(), "\n\n".join([table, *map(printable, lines)]))


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
