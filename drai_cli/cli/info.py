"""`drai info`: shows what a model file holds."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from drai_cli.cli import options
from drai_cli.cli.command import Settings, command
from drai_cli.cli.fields import collect_given, make_options
from drai_cli.cli.output import Output
from drai_cli.cli.text import show_table
from drai_cli.errors import UsageError
from drai_cli.progress import show_bytes
from drai_cli.settings.model_options import InfoOptions

if TYPE_CHECKING:
    from drai_cli.workflows.info import ModelInfo


@command(
    "info",
    group=options.CHECK,
    parameters=make_options(
        InfoOptions, arguments={"weights": "WEIGHTS"}, defaults={"weights": options.WEIGHTS_DEFAULT}
    ),
    examples=("drai info", "drai info runs/lesions --json", "drai info --list"),
    lacks=("config", "dry_run"),
)
def info(output: Output, dry_run: bool, settings: Settings) -> None:
    """Show a model's sizes, labels, training, measures and licence."""
    chosen = InfoOptions(**collect_given(InfoOptions, settings))
    from drai_cli.workflows.info import describe_model, list_models

    if chosen.list_all:
        if chosen.weights is not None:
            raise UsageError(chosen.weights, "contradicts --list", "give one of them")
        models = list_models(output)
        rows = [
            (
                f"{m.name}{' (default)' if m.is_default else ''}",
                _image(m),
                _labels(m),
                m.licence,
                show_bytes(m.size_bytes),
            )
            for m in models
        ]
        if not models:
            output.warn("no models found: none is bundled, none in the Hub cache, none in runs/")
        output.result(
            {"models": models},
            show_table(rows, ("name", "image", "labels", "licence", "size")) if rows else "",
        )
        return
    model = describe_model(chosen, output)
    page = _page(model) if chosen.everything else _summary(model)
    output.result({field: getattr(model, field) for field in model.__dataclass_fields__}, page)


def _summary(model: ModelInfo) -> str:
    """Ten lines: what it makes, of what it was trained, how good it is, and what may be done with it."""
    label, *others = model.attributes
    labels = (f"{name} {model.label_counts.get(name, '')}".strip() for name in label.values)
    seen = "" if model.images_seen is None else f", {show_count(model.images_seen)} images seen"
    rows = [
        ("model", f"{model.name}{' (default)' if model.is_default else ''}, {show_bytes(model.size_bytes)}"),
        ("file", model.path),
        ("sha256", model.sha256),
        ("image", _image(model)),
        (label.name, f"{', '.join(labels)}{' (training images)' if model.label_counts else ''}"),
        ("attributes", ", ".join(other.name for other in others) or "none besides the label"),
        ("training", f"{model.method}{_limits(model)}{seen}; {model.data or 'data not stated'}"),
        ("measures", _headlines(model) or "none recorded: drai evaluate"),
        ("licence", f"{model.licence or 'not stated'}. {model.intended_use}".strip()),
        ("more", f"drai info {shlex.quote(model.name)} --all"),
    ]
    return show_table(rows)


def _headlines(model: ModelInfo) -> str:
    """The first number of each part, with its baseline in brackets."""
    out = []
    for part, of_part in model.measures.get("test", {}).items():
        numbers = of_part.get("numbers", {}) if isinstance(of_part, dict) else {part: of_part}
        for name, value in list(numbers.items())[:1]:
            baselines = (
                f" ({other.removeprefix(f'{name}, ')} {_value(its)})"
                for other, its in numbers.items()
                if other.startswith(f"{name}, ")
            )
            out.append(f"{name} {_value(value)}{next(baselines, '')}")
    return "; ".join(out)


def _page(model: ModelInfo) -> str:
    parameters = ", ".join(f"{name} {show_count(n)}" for name, n in model.parameters.items())
    rows: list[tuple[str, object]] = [
        ("model", f"{model.name}{' (default)' if model.is_default else ''}"),
        ("origin", model.origin),
        ("file", f"{model.path} ({show_bytes(model.size_bytes)}, {model.dtype})"),
        ("sha256", model.sha256),
        ("method", f"{model.method}{_limits(model)}"),
        ("image", _image(model)),
        ("codes", f"content {model.content_dim}, style {model.style_dim}"),
        ("parameters", parameters),
        ("images seen", "not recorded" if model.images_seen is None else show_count(model.images_seen)),
        *(
            (name.replace("_", " "), _value(value))
            for name, value in model.training.items()
            if _is_short(value)
        ),
        ("data", model.data or "not stated"),
        ("licence", model.licence or "not stated"),
        ("intended use", model.intended_use or "not stated"),
    ]
    parts = [show_table(rows), _attributes(model)]
    if model.measures:
        parts.append(show_table([("measure", "value"), *_flatten(model.measures)]))
    return "\n\n".join(part for part in parts if part)


def _limits(model: ModelInfo) -> str:
    """What a model of its method cannot do."""
    if not model.has_encoder:
        return " (no encoder: it samples only)"
    return " (infers style alone: swaps take labels)" if model.infers == ("style",) else ""


def _attributes(model: ModelInfo) -> str:
    label, *others = model.attributes
    aliases = {value: [a for a, v in label.aliases.items() if v == value] for value in label.values}
    rows = [(value, model.label_counts.get(value, ""), ", ".join(aliases[value])) for value in label.values]
    parts = [show_table(rows, (label.name, "images", "also called"))]
    if others:
        parts.append(
            show_table(
                [
                    (
                        a.name,
                        ", ".join(a.values) if a.values else f"a number, {a.mean:.3g} ± {a.deviation:.2g}",
                    )
                    for a in others
                ],
                ("attribute", "values"),
            )
        )
    return "\n\n".join(parts)


def show_count(n: int) -> str:
    """A count in three figures: `1.2 M`."""
    for limit, unit in ((1_000_000, " M"), (1_000, " k")):
        if n >= limit:
            return f"{n / limit:.3g}{unit}"
    return str(n)


def _image(model: ModelInfo) -> str:
    colours = "RGB" if model.image_channels == 3 else "grey"
    masks = f", with masks: {', '.join(model.masks)}" if model.masks else ""
    return f"{model.image_size} × {model.image_size} {colours}{masks}"


def _labels(model: ModelInfo) -> str:
    return ", ".join(model.attributes[0].values)


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float | bool) and len(str(value)) <= 100


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _flatten(measures: Any, prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in measures.items():
        if isinstance(value, dict):
            rows.extend(_flatten(value, prefix if name == "numbers" else f"{prefix}{name}."))
        elif isinstance(value, list):
            rows.extend((f"{prefix}{name}", str(each)) for each in value)
        else:
            rows.append((f"{prefix}{name}", _value(value)))
    return rows
