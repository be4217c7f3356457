"""`drai train`: trains a model on a data set, or resumes a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import LOADING, Output
from drai_cli.cli.text import show_fields, show_table, to_plain
from drai_cli.errors import exit_code_of
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.data_options import KIND_NAMES, DataOptions
from drai_cli.settings.methods import METHODS
from drai_cli.settings.model_options import TrainRun, name_run
from drai_cli.settings.named import resolve_training
from drai_cli.settings.presets import PRESETS
from drai_cli.settings.spelling import join_words

if TYPE_CHECKING:
    from drai_cli.workflows.train import TrainResult


def show_training(
    data: DataOptions, training: TrainOptions, skip: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Rows of a table with the options of the data and of the training, but for those in `skip`."""
    return [
        *show_fields(data, skip=skip),
        *show_fields(training, skip=("model", "objective", *skip)),
        *show_fields(
            training.model,
            skip=("image_size", "image_channels", "mask_channels"),
            names={"channels": "base channels"},
        ),
        *show_fields(training.objective),
    ]


def describe_presets(cls: type) -> dict[str, str]:
    """Describes the defaults of fields that differ between presets: `16 with preset 32px; 32 with 64px, 128px`."""
    sizes = sorted(PRESETS, key=lambda name: int(PRESETS[name]["image_size"]))
    described = {}
    for name, own in ((field.name, field.default) for field in fields(cls)):
        values = [PRESETS[preset].get(name, own) for preset in sizes]
        if all(value == own for value in values):
            continue
        presets: dict[str, list[str]] = {}
        for preset, value in zip(sizes, values, strict=True):
            presets.setdefault(_show_value(value), []).append(preset)
        (first, of_first), *others = ((value, ", ".join(named)) for value, named in presets.items())
        more = [f"{value} with {named}" for value, named in others]
        described[name] = "; ".join([f"{first} with preset {of_first}", *more])
    return described


def _show_value(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:g}"


PRESET = Parameter(
    "preset",
    Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        str | None,
        options.make_choice(
            "--preset",
            names=tuple(PRESETS),
            rich_help_panel=options.MODEL,
            default="by image size",
            help="Group of settings; options at the prompt and in --config override it.",
        ),
    ],
)
SETTINGS = [
    *make_options(DataOptions, choices={"kind": KIND_NAMES}),
    PRESET,
    *make_options(
        ModelConfig,
        panel=options.MODEL,
        skip=("image_size", "image_channels", "mask_channels"),
        defaults=describe_presets(ModelConfig),
    ),
    *make_options(
        TrainOptions,
        panel=options.RUN,
        skip=("model", "objective"),
        choices={"method": tuple(METHODS)},
        defaults=describe_presets(TrainOptions),
    ),
    *make_options(Objective, panel="Objective", defaults=describe_presets(Objective)),
]
"""The parameters that `resolve_settings` takes; `drai compare` has most of them too."""
COMMON_DATA = ("data", "metadata", "image_column", "label", "group", "group_pattern")
"""Of the options of data sets, those of a short help."""


@command(
    "train",
    group=options.TRAIN,
    parameters=[
        *SETTINGS,
        *make_options(
            TrainRun,
            skip=("data", "training"),
            defaults={"out": "runs/ and the name of the data"},
        ),
    ],
    examples=(
        "drai train --data lesions/ --out runs/lesions --hours 8",
        "drai train --data HAM10000/ --condition age --condition sex --preset 64px --init lesions-64",
    ),
    common=(
        *COMMON_DATA,
        "condition",
        "size",
        "symmetry",
        "preset",
        "init",
        "kimg",
        "hours",
        "batch_size",
        "seed",
        "out",
        "open",
        "licence",
        "device",
    ),
    more=options.format_list("Methods", {name: method.summary for name, method in METHODS.items()}),
)
def train(output: Output, dry_run: bool, settings: Settings) -> None:
    """Train a model on a data set, or resume a run.

    The run directory holds model.safetensors (the best model so far, usable as WEIGHTS), checkpoint/, config.json,
    split.csv, stats.jsonl, progress.html (curves and images of the run) and grids/. To resume an interrupted run,
    repeat the command: the result is the same as without the interruption. Only --kimg, --hours, --tick-kimg and
    --device may differ then, and options that do not affect the result. Without --kimg and --hours, training ends when
    the validation measure stops improving. Started by `torchrun -m drai_cli train`, all processes train one model
    together.
    """
    data, training = resolve_settings(settings["preset"], settings)
    own = {"out": Path("runs") / name_run(data.path)}
    run = TrainRun(data, training, **own | collect_given(TrainRun, settings, skip=("data", "training")))
    if dry_run:
        with output.stage(LOADING, None, ""):
            from drai_cli.workflows.train import preview_train

        preview = preview_train(run, output)
        plan = [
            ("run directory", f"{run.out} ({'resumed' if preview.is_resumed else 'new'})"),
            ("device", preview.device),
            ("data", f"{data.path} ({preview.kind})"),
            ("groups", preview.group or "none: every image for itself"),
            *((f"{part} part", _show_part(counts)) for part, counts in preview.parts.items()),
            *show_fields(run, skip=("data", "training", "out", "device")),
            *show_training(data, training, skip=("path", "kind")),
        ]
        blocks = [show_table(plan), show_table(list(preview.classes.items()), ("label", "images"))]
        blocks.append("\n".join(f"plan: {sentence}" for sentence in preview.plan))
        output.result({"dry_run": True, **to_plain(preview)}, "\n\n".join(blocks))
        return
    with output.stage(LOADING, None, ""):
        from drai_cli.workflows.train import train as go

    result = go(run, output)
    if result.is_finished:
        for line in _summarise(result, data.path):
            output.info(line)
    else:
        output.interrupted(
            f"stopped at {result.images_seen / 1000:g} kimg, everything is saved: run the same command again to resume"
        )
    output.result(result.to_json(), str(result.run))
    if not result.is_finished:
        raise typer.Exit(exit_code_of(result.stopped_by))


def _show_part(counts: Mapping[str, int]) -> str:
    images, groups = counts["images"], counts["groups"]
    return f"{images} images" if images == groups else f"{images} images in {groups} groups"


def resolve_settings(preset: str | None, settings: Mapping[str, Any]) -> tuple[DataOptions, TrainOptions]:
    """Merges options, preset and defaults, in this order of priority; without a preset, the image size chooses one."""
    classes = (DataOptions, TrainOptions, ModelConfig, Objective)
    return resolve_training(preset, *(collect_given(cls, settings) for cls in classes))


def _summarise(result: TrainResult, data: Path) -> list[str]:
    """How the run ended, what its measures mean, and what to do next; a line each."""
    from drai_cli.report.wording import OF_A_RUN

    seen = f"{result.images_seen / 1000:g} kimg seen"
    if result.stopped_by == "nothing to do":
        lines = [f"the run is finished, {seen}: nothing to do"]
    else:
        lines = [f"{seen}, ended by {result.stopped_by}"]
        lines[0] += f"; the model is the snapshot at {result.best_images_seen / 1000:g} kimg"
    if result.verdict is not None:
        verdict = result.verdict
        lines += [f"{OF_A_RUN[standing]}: {text}" for standing, text in verdict.quality]
        lines += [verdict.progress, *verdict.advice]
    weights, folder = ["--weights", str(result.run)], result.run.resolve().name
    count = ["--per-finding" if result.has_findings else "--per-class", "8"]
    sample = ["drai", "sample", *weights, *count, "--out", f"{folder}-samples"]
    evaluate = ["drai", "evaluate", "--data", str(data), *weights, "--out", f"{folder}-report"]
    lines.append(f"images of it: {join_words([*sample, '--sheet', f'{folder}.png'])}")
    lines.append(f"a report on it: {join_words(evaluate)}")
    return lines
