"""The plan of a run before anything is decoded: its steps and judge are tried on images that show nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.data.image_set import PARTS, Entry, ImageSet
from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError
from drai_cli.io.image import is_grey
from drai_cli.progress import Reporter
from drai_cli.run.budget import Budget
from drai_cli.run.device_choice import choose_precision
from drai_cli.run.directory import RunDirectory
from drai_cli.run.forecast import Forecast, describe_plan, expect_costs
from drai_cli.run.validation import Validation
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.data_options import Channels, DataOptions
from drai_cli.training.probe import try_steps

_LOOKED_AT = 8


def sketch_set(
    options: DataOptions, image_set: ImageSet, parts: Sequence[str], mask_names: Sequence[str] = ()
) -> PreparedSet:
    """The set as `prepare` makes it, of one grey image for all: labels, parts and shapes are those of the set.

    Args:
        options: The set and how to read it.
        image_set: The set, found.
        parts: The part of each of its entries.
        mask_names: Of its masks.
    """
    entries, label = image_set.entries, image_set.label
    train = [entry.values for entry, part in zip(entries, parts, strict=True) if part == "train"]
    schema = ConditionSchema.from_rows(
        train, label, image_set.conditions, options.aliases, image_set.findings, options.missing
    )
    # A value that no training image has would be missing: of further columns none is needed.
    rows = [{label: entry.values[label]} for entry in entries]
    pixels = _noise(options.size, _guess_channels(options.channels, image_set, entries))
    region = _noise(options.size, len(mask_names))
    counts = {part: {"images": list(parts).count(part)} for part in PARTS}
    return PreparedSet(
        np.broadcast_to(pixels, (len(entries), *pixels.shape)),
        entries,
        np.array(parts),
        schema,
        schema.encode(rows),
        schema.label_indices(rows),
        {"kind": image_set.kind, "label": label, "parts": counts},
        (),
        "",
        masks=np.broadcast_to(region, (len(entries), *region.shape)) if mask_names else None,
        mask_names=tuple(mask_names),
    )


def rehearse(
    options: TrainOptions,
    data: PreparedSet,
    directory: RunDirectory,
    is_warm: bool,
    device: torch.device,
    reporter: Reporter,
) -> list[str]:
    """Tries a step and the judge of snapshots, and says in sentences when the run will end.

    The network of the projected discriminator is left out: it is not there yet.

    Args:
        options: Resolved for the data.
        data: As `sketch_set` makes it.
        directory: Of the run, which may have begun.
        is_warm: Whether it starts from another model.
        device: To train on.
        reporter: Shown the trials.

    Raises:
        InputError: Not even two images fit into memory.
    """
    ticks = directory.read_stats(10**18) if directory.is_begun else []
    options = replace(options, precision=choose_precision(options, device, reporter))
    image_s = 0.0
    if not any(tick.get("images_per_s") for tick in ticks):
        plain = replace(options, objective=replace(options.objective, features_weight=0.0))
        with reporter.stage("trying a step", None, ""):
            fit = try_steps(plain, data, device)
        options = replace(options, batch_size=options.batch_size >> fit.halvings)
        image_s = fit.step_s / options.batch_size
    validation = Validation(data, directory.judge, options.symmetry or "none", 0, device, reporter)
    budget = Budget(options)
    validation.check_possible(budget.is_limited)
    costs = expect_costs(image_s, validation.estimate_judge_s(), ticks)
    budget.earlier_s = sum(tick.get("elapsed_s", 0.0) for tick in ticks)
    forecast = Forecast(options, budget, costs, validation.is_possible, is_warm)
    if not ticks:
        return describe_plan(forecast)
    last = ticks[-1]
    if budget.reason_to_end(last["images_seen"], 0):
        return ["the run is finished"]
    since = sum(tick["images_seen"] > last["best_images_seen"] for tick in ticks if tick.get("validation"))
    return describe_plan(forecast, last["images_seen"], since, any(tick.get("validation") for tick in ticks))


def _guess_channels(channels: Channels, image_set: ImageSet, entries: Sequence[Entry]) -> int:
    """1 or 3: what a few images spread over the set have, where the options do not say it."""
    if channels != "auto":
        return channels
    for entry in entries[:: max(1, len(entries) // _LOOKED_AT)]:
        try:
            image = image_set.read(entry)
        except InputError:
            continue
        if image.channels != 1 and not is_grey(image.array):
            return 3
    return 1


def _noise(size: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (size, size, channels), np.uint8)
