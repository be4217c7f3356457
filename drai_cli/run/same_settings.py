"""Which settings of a run may change when it is resumed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError, UsageError
from drai_cli.settings.config import REMOVED, ModelConfig, Objective, TrainOptions
from drai_cli.settings.typed import older_values

# Settings that may differ between a run and the command that resumes it.
FREE_ON_RESUME = frozenset({"training.kimg", "training.hours", "training.tick_kimg", "version"})


def check_same(run: Path, config: Path, saved: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Checks that a command may resume a run.

    Args:
        run: The run directory.
        config: The file of its settings.
        saved: What that file holds.
        settings: Those of the command.

    Raises:
        InputError: The saved settings cannot be used.
        UsageError: They differ in more than budget and ticks; the differences are listed.
    """
    try:
        # A setting that the run's version did not have had the value of older versions, or its default.
        older = {
            **older_values(TrainOptions),
            "model": older_values(ModelConfig),
            "objective": older_values(Objective),
        }
        of_older = _flat({"training": older})
        brought = _flat({"training": TrainOptions().to_json()}) | of_older
        own = {**brought, **REMOVED, **_flat(saved)}
    except AttributeError as error:
        raise InputError(config, "cannot be read", "name another folder with --out") from error
    # This version, too, leaves a setting out that says what older versions did.
    new = {**of_older, **REMOVED, **_flat(settings)}
    differing = sorted(
        name
        for name in own.keys() | new.keys()
        if own.get(name) != new.get(name) and name not in FREE_ON_RESUME
    )
    if differing:
        listed = "; ".join(
            f"{name}: {own.get(name)!r} in the run, {new.get(name)!r} now" for name in differing
        )
        raise UsageError(
            run, f"the run was started with other settings ({listed})",
            "repeat its settings to resume it, or name another folder with --out",
        )  # fmt: skip


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name; tuples become lists, as in JSON."""
    out: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = list(value) if isinstance(value, tuple) else value
    return out
