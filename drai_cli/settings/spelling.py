"""Options as the words of a command line: the reverse of parsing. Standard library only."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from drai_cli.settings.config import ModelConfig, Objective, TrainOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.presets import PRESETS, preset_for_size
from drai_cli.settings.typed import flags_of


def spell_options(chosen: Any, usual: Any = None, skip: Sequence[str] = ()) -> list[str]:
    """The words that give a dataclass's values at the prompt; values that nobody has to give are left out.

    Args:
        chosen: The options.
        usual: The values that apply if none are given; None: the defaults of the dataclass.
        skip: Fields to leave out.
    """
    words: list[str] = []
    for field in dataclasses.fields(chosen):
        value = getattr(chosen, field.name)
        default = _default(field) if usual is None else getattr(usual, field.name)
        if field.name in skip or value == default or dataclasses.is_dataclass(value):
            continue
        flag = flags_of(field)[-1]
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
        elif isinstance(value, Mapping):
            words += _spell(flag, (f"{name}={entry}" for name, entry in value.items()))
        elif isinstance(value, tuple | list):
            words += _spell(flag, value)
        elif value is not None:
            words += _spell(flag, [value])
    return words


def spell_train(run: TrainRun) -> str:
    """The command line that starts or resumes a run."""
    preset = PRESETS[preset_for_size(run.data.size)]
    usual = TrainOptions(
        **_fields_of(TrainOptions, preset),
        model=ModelConfig(**_fields_of(ModelConfig, preset)),
        objective=Objective(**_fields_of(Objective, preset)),
    )
    training = run.training
    return join_words(
        [
            "drai", "train", *spell_options(run.data),
            *spell_options(training, usual),
            *spell_options(training.model, usual.model, skip=("image_size", "image_channels", "mask_channels")),
            *spell_options(training.objective, usual.objective),
            *spell_options(run, skip=("open",)),
        ]
    )  # fmt: skip


def join_words(words: Iterable[str]) -> str:
    """Words as one line for a shell."""
    return shlex.join(words)


def _fields_of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: value for name, value in values.items() if name in names}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _spell(flag: str, values: Iterable[Any]) -> list[str]:
    words: list[str] = []
    for value in values:
        text = str(value) if isinstance(value, str | PurePath) else f"{value:.15g}"
        # A value that begins with a minus would be read as an option.
        words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return words
