"""`drai train`: from a data set to a model, and on with a run that was begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import field_options, given_fields
from drai_cli.cli.output import Output
from drai_cli.cli.text import show_fields, show_table, to_plain
from drai_cli.errors import exit_code_of
from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.data_options import KIND_NAMES, DataOptions
from drai_cli.settings.methods import METHODS
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.presets import PRESETS, preset_for_size

if TYPE_CHECKING:
    from drai_cli.workflows.train import TrainResult


def by_preset(cls: type) -> dict[str, str]:
    """Defaults in words of the fields that presets differ in: `by preset: 32, from 256px 16`."""
    sizes = sorted(PRESETS, key=lambda name: int(PRESETS[name]["image_size"]))
    found = {}
    for name, own in ((field.name, field.default) for field in fields(cls)):
        values = [PRESETS[preset].get(name, own) for preset in sizes]
        if all(value == own for value in values):
            continue
        changes = [
            f"from {preset} {_in_words(value)}"
            for before, value, preset in zip(values, values[1:], sizes[1:], strict=False)
            if value != before
        ]
        found[name] = f"by preset: {', '.join([_in_words(values[0]), *changes])}"
    return found


def _in_words(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else f"{value:g}"


PRESET = Parameter(
    "preset",
    Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        str | None,
        options.choice(
            "--preset",
            names=tuple(PRESETS),
            rich_help_panel=options.MODEL,
            default="by image size",
            help="Group of settings; options at the prompt and in --config override it.",
        ),
    ],
)
SETTINGS = [
    *field_options(DataOptions, {options.INPUT: ()}, choices={"kind": KIND_NAMES}),
    PRESET,
    *field_options(
        ModelConfig,
        {options.MODEL: ()},
        skip=("image_size", "image_channels"),
        defaults=by_preset(ModelConfig),
    ),
    *field_options(
        TrainOptions,
        {
            options.MODEL: ("method",),
            options.RUN: ("kimg", "hours", "tick_kimg", "patience", "batch_size", "seed", "split_seed"),
        },
        skip=("model", "objective"),
        choices={"method": tuple(METHODS)},
        defaults=by_preset(TrainOptions),
    ),
    *field_options(Objective, {"Objective": ()}, defaults=by_preset(Objective)),
]
"""The parameters that `resolve_settings` takes; `drai compare` has most of them too."""

_SHOWN = ("agreement", "frechet", "kept", "leaked", "followed", "leftover", "score")
_OF_JUDGE = ("agreement", "frechet", "kept", "leaked", "score")
_BESIDE = {
    "agreement": (("judge", "the judge on real images"), ("chance", "chance")),
    "kept": (("kept_of_a", "a itself"),),
}
"""What a measure stands beside, in `drai evaluate`'s words."""


@command(
    "train",
    group=options.TRAIN,
    parameters=[
        *SETTINGS,
        *field_options(
            TrainRun,
            {options.MODEL: ("init", "licence"), options.OUTPUT: ("out", "tensorboard")},
            skip=("data", "training"),
            defaults={"out": "runs/ and the name of the data"},
        ),
    ],
    examples=(
        "drai train --data lesions/ --out runs/lesions --hours 8",
        "drai train --data HAM10000/ --condition age --condition sex --preset 64px --init lesions-64",
    ),
    more=options.listing("Methods", {name: method.summary for name, method in METHODS.items()}),
)
def train(output: Output, dry_run: bool, settings: Settings) -> None:
    """Train a model on a data set, or resume a run.

    The run directory holds model.safetensors (the best model so far, usable as WEIGHTS), checkpoint/, config.json,
    split.csv, stats.jsonl and grids/. The same command again resumes exactly; only --kimg, --hours, --tick-kimg and
    --device may change. Without --kimg and --hours, training ends when the validation measure stops improving. All
    processes of `torchrun -m drai_cli train` train one model.
    """
    data, training = resolve_settings(settings["preset"], settings)
    own = {"out": Path("runs") / default_name(data.path)}
    run = TrainRun(data, training, **own | given_fields(TrainRun, settings, skip=("data", "training")))
    if dry_run:
        from drai_cli.workflows.train import preview_train

        preview = preview_train(run, output)
        plan = [
            ("run directory", f"{run.out} ({'resumed' if preview.is_resumed else 'new'})"),
            ("device", preview.device),
            ("data", f"{data.path} ({preview.kind})"),
            *show_fields(run, skip=("data", "training", "out", "device")),
            *show_fields(data, skip=("path", "kind")),
            *show_fields(training, skip=("model", "objective")),
            *show_fields(
                training.model, skip=("image_size", "image_channels"), names={"channels": "base channels"}
            ),
            *show_fields(training.objective),
        ]
        text = f"{show_table(plan)}\n\n{show_table(list(preview.classes.items()), ('label', 'images'))}"
        output.result({"dry_run": True, **to_plain(preview)}, text)
        return
    from drai_cli.workflows.train import train as go

    result = go(run, output)
    if result.is_finished:
        output.info(_summary(result))
    else:
        output.interrupted(
            f"stopped at {result.images_seen / 1000:g} kimg, everything is saved: run the same command again to resume"
        )
    output.result(result.to_json(), str(result.run))
    if not result.is_finished:
        raise typer.Exit(exit_code_of(result.stopped_by))


def resolve_settings(preset: str | None, settings: Mapping[str, Any]) -> tuple[DataOptions, TrainOptions]:
    """What was given over the preset over the defaults; without a preset, the one of the image size."""
    data = given_fields(DataOptions, settings)
    size = data.get("size") or (PRESETS[preset]["image_size"] if preset else DataOptions.size)
    values = PRESETS[preset or preset_for_size(size)]
    model = {
        **_own(ModelConfig, values),
        **given_fields(ModelConfig, settings),
        "image_size": size,
    }
    objective = {**_own(Objective, values), **given_fields(Objective, settings)}
    training = {**_own(TrainOptions, values), **given_fields(TrainOptions, settings)}
    return (
        DataOptions(**{**data, "size": size}),
        TrainOptions(**{**training, "model": ModelConfig(**model), "objective": Objective(**objective)}),
    )


def default_name(data: Path) -> str:
    """A run's name after its data: `lesions` for `./lesions/`, `pneumonia` for `pneumonia.npz`."""
    return data.resolve().stem or "drai"


def _own(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in cls.__dataclass_fields__}


def _summary(result: TrainResult) -> str:
    if result.stopped_by == "nothing to do":
        return f"the run is finished, {result.images_seen / 1000:g} kimg seen: nothing to do"
    ended = f"{result.images_seen / 1000:g} kimg seen, ended by {result.stopped_by}"
    if not result.measures:
        return f"{ended}; no snapshot was measured, and the last one is kept"
    return f"{ended}; best at {result.best_images_seen / 1000:g} kimg: {_measures(result)}"


def _measures(result: TrainResult) -> str:
    """Validation measures in words; those of the judge beside what it says of real images, or why they say nothing."""
    measures = result.measures
    names = [name for name in _SHOWN if name in measures and not (result.doubt and name in _OF_JUDGE)]
    found = ", ".join(f"{name} {_number(measures[name])}{_beside(name, measures)}" for name in names)
    if result.doubt:
        found += f"{'; ' * bool(found)}what is read off the judge says nothing: {result.doubt}"
    return found


def _beside(name: str, measures: Mapping[str, float]) -> str:
    known = [f"{_number(measures[key])} {what}" for key, what in _BESIDE.get(name, ()) if key in measures]
    return f" (beside {', '.join(known)})" if known else ""


def _number(value: float) -> str:
    """Two decimal places, and no negative zero."""
    return f"{round(value, 2) + 0.0:.2f}"
