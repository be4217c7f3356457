"""Measures of a trained run on the part of its data that training and selection never saw."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from drai_cli.checkpoint import load_model, load_state, save_state
from drai_cli.data.phantom import FACTORS
from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.errors import InputError
from drai_cli.io.files import shown
from drai_cli.metrics.factors import load_regressor, train_regressor
from drai_cli.metrics.features import SqueezeNetFeatures, load_squeezenet
from drai_cli.metrics.judge import judge_config, load_judge, train_judge
from drai_cli.metrics.measure import MeasureConfig, measure
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.inference import choose_device
from drai_cli.workflows.run_directory import RunDirectory


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure and with what.

    Attributes:
        run: The run directory; its split is honoured.
        part: `test` for numbers that are reported, `validation` while choosing.
        features: SqueezeNet weights (safetensors, torchvision's names) for distances; None: the judge's features.
        tools: Folder where judge and regressor are kept, so that models measured with the same data share them.
        judge_images: Images the judge is shown in training; None: what suits the image size.
        factors: Table of true factors by `file_name`; None: `metadata.csv` beside phantoms if it has them.
        seed: Of judge, samples, pairs, probes and bootstrap.
        device: Where to compute.
        config: How much is looked at.
    """

    run: Path
    part: str = "test"
    features: Path | None = None
    tools: Path | None = None
    judge_images: int | None = None
    factors: Path | None = None
    seed: int = 0
    device: str | None = None
    config: MeasureConfig = field(default_factory=MeasureConfig)


def measure_run(options: MeasureOptions, reporter: Reporter = SILENT) -> dict[str, Any]:
    """All measures that need no second training run, JSON-able.

    Raises:
        InputError: No run there, its data has gone, or `features` cannot be read.
        WeightsError: The model or the features are not what they should be.
    """
    directory = RunDirectory(options.run)
    data = directory.read_data_options()
    device = choose_device(options.device)
    prepared = prepare(data, seed=0, split_file=directory.split, reporter=reporter)
    model = load_model(directory.model, device)
    tools = options.tools or options.run / "tools"
    label_count = len(prepared.schema.labels)
    config = judge_config(data.size)
    if options.judge_images is not None:
        config = replace(config, fit=replace(config.fit, images=options.judge_images))
    # The split is part of the name: a judge must not have been trained on another run's test images.
    split = hashlib.sha256("\n".join(prepared.parts.tolist()).encode()).hexdigest()[:12]
    name = f"{prepared.cache_key[:12]}-{split}-{config.fit.images}-{options.seed}"
    judge = _kept(
        tools / f"judge-{name}.safetensors",
        load_judge,
        lambda: train_judge(
            prepared.images,
            prepared.labels,
            prepared.parts,
            label_count,
            config,
            seed=options.seed,
            device=device,
        ),
    )
    factors = read_factors(options.factors or data.path / "metadata.csv", prepared)
    regressor = None
    if factors is not None:
        known = factors
        regressor = _kept(
            tools / f"regressor-{name}.safetensors",
            load_regressor,
            lambda: train_regressor(prepared.images, known, prepared.parts, seed=options.seed, device=device),
        )
    found = measure(
        prepared.images,
        prepared.labels,
        prepared.parts,
        np.array([entry.group for entry in prepared.entries]),
        model,
        prepared.conditions,
        label_count,
        part=options.part,
        factors=factors,
        extractor=_extractor(options.features, device),
        judge=judge,
        regressor=regressor,
        config=options.config,
        seed=options.seed,
        device=device,
    )
    return {
        "model_sha256": model.sha256,
        "images_seen": model.header.training.get("images_seen"),
        "labels": list(prepared.schema.labels),
        **found,
    }


def read_factors(table: Path, data: PreparedSet) -> dict[str, np.ndarray] | None:
    """True style factors of every row by name, float32; None where the table has none (only phantoms do)."""
    if not table.is_file():
        return None
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"file_name", *FACTORS} <= rows[0].keys():
        return None
    by_name = {row["file_name"]: row for row in rows}
    missing = [entry.name for entry in data.entries if entry.name not in by_name]
    if missing:
        raise InputError(shown(table), f"{len(missing)} images have no row, {shown(missing[0])} among them")
    return {
        name: np.array([float(by_name[entry.name][name]) for entry in data.entries], np.float32)
        for name in FACTORS
    }


def _extractor(path: Path | None, device: Any) -> SqueezeNetFeatures | None:
    if path is None:
        return None
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            shown(path), f"cannot be read ({error})", "name a safetensors file with --features"
        ) from error
    return load_squeezenet(tensors, device)


def _kept(path: Path, load: Any, train: Any) -> Any:
    """A judge or regressor from `path`, or trained and kept there."""
    if path.exists():
        tensors, config = load_state(path)
        return load(config, tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    tool = train()
    save_state(path, tool.state(), tool.config_json())
    return tool
