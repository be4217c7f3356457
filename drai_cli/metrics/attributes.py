"""Whether samples show the attributes that were asked for in addition to the label: a network reads them off images.

It is trained on real images only. Arrays in, numbers out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor
from torch.nn import functional as F

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.metrics import intervals
from drai_cli.metrics.convnet import ConvNet, ConvNetConfig, TrainedNet, build, patch_for, rebuild
from drai_cli.metrics.fitting import FitConfig, FitRecord, Keeping, fit
from drai_cli.metrics.judge import balanced_accuracy
from drai_cli.metrics.mapping import Images, map_images
from drai_cli.metrics.symmetries import Symmetry, augment
from drai_cli.model.pixels import to_unit

Conditions = Float32[np.ndarray, "n t"]

FEWEST = 20
"""Fewest evaluated images whose value of an attribute is known, for numbers of it."""
_MOST_WEIGHT = 10.0  # of a rare value, relative to the mean


@dataclass(frozen=True)
class ReaderConfig:
    """How the reader is trained.

    Attributes:
        widths: Channels per stage.
        fit: Budget and rates.
        symmetry: Flips and rotations that keep images plausible.
    """

    widths: tuple[int, ...] = (32, 64, 128)
    fit: FitConfig = field(default_factory=lambda: FitConfig(images=24_000, check_every=3_000, patience=4))
    symmetry: Symmetry = "none"


@dataclass(frozen=True)
class Read:
    """An attribute in a condition vector: what is read of it.

    Attributes:
        name: Of the attribute.
        start: Its first column.
        width: Its columns without the one that says that it is missing.
        is_number: Whether it is one standardised number; else its columns are one-hot categories.
        mean: Of a number, in its own unit.
        deviation: The same.
    """

    name: str
    start: int
    width: int
    is_number: bool
    mean: float = 0.0
    deviation: float = 1.0

    def known(self, conditions: Conditions) -> Bool[np.ndarray, " n"]:
        """Which rows have a value."""
        out: np.ndarray = conditions[:, self.start + self.width] == 0
        return out

    def values(self, conditions: Conditions) -> Float32[np.ndarray, "n width"]:
        return conditions[:, self.start : self.start + self.width]


def readable(schema: ConditionSchema) -> tuple[Read, ...]:
    """The attributes of a schema besides the label."""
    places = zip(schema.attributes, schema.slices(), strict=True)
    return tuple(
        Read(each.name, place.start, each.width - 1, each.kind == "continuous", each.mean, each.deviation)
        for each, place in list(places)[1:]
        if each.kind != "findings"
    )


@dataclass(frozen=True)
class AttributeReader(TrainedNet):
    """A trained reader.

    Attributes:
        network: In eval mode; its outputs are those of each attribute in turn.
        device: Where it runs.
        record: How training went, `score` being the mean skill on validation; None for one that was loaded.
    """

    network: ConvNet
    device: torch.device
    record: FitRecord | None = None

    def outputs(self, images: Images) -> Float[np.ndarray, "n outputs"]:
        """Log-odds of categories and standardised numbers of stored images."""
        return map_images(self._outputs, images, self.device)

    def fits(self, images: Images, reads: Sequence[Read]) -> bool:
        """Whether its network fits such images and these attributes."""
        size = self.network.config
        outputs = sum(read.width for read in reads)
        return (size.image_size, size.image_channels, size.outputs) == (*images.shape[2:], outputs)

    def config_json(self) -> dict[str, Any]:
        """The network's size as plain data."""
        return asdict(self.network.config)


def load_reader(
    config: Mapping[str, Any], state: Mapping[str, Tensor], device: torch.device | str = "cpu"
) -> AttributeReader:
    """A reader from the results of `config_json` and `state`; raises as `rebuild`."""
    network = rebuild(config, state)
    return AttributeReader(network.to(device).eval().requires_grad_(False), torch.device(device))


def train_reader(
    images: Images,
    conditions: Conditions,
    parts: np.ndarray,
    reads: Sequence[Read],
    config: ReaderConfig | None = None,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int], None] | None = None,
    keeping: Keeping | None = None,
) -> AttributeReader:
    """Trains on `train` rows, selects by the mean skill on `validation` rows; `test` rows are not used.

    Rare values of a category count more, up to ten times; missing values do not count.

    Args:
        images: Stored images, square.
        conditions: Condition vector per row.
        parts: `train`, `validation` or `test` per row.
        reads: What to read.
        config: How; None for the defaults.
        seed: Random seed.
        device: Where to train and to run afterwards.
        progress: Called after each step with the images it saw.
        keeping: Where an interrupted training is kept; None: nowhere.
    """
    config = config or ReaderConfig()
    train, validation = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "validation")
    if not len(train) or not len(validation):
        raise ValueError("a reader needs rows in both parts, train and validation")
    table = torch.from_numpy(np.ascontiguousarray(conditions))
    weights = [_weights(read, conditions[train]) for read in reads]
    side = images.shape[1]

    def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = train[torch.randint(len(train), (size,), generator=generator).numpy()]
        batch = augment(
            to_unit(images[rows]), generator, symmetry=config.symmetry, shift=max(1, side // 16),
            contrast=0.1, brightness=0.1,
        )  # fmt: skip
        return batch, table[rows]

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        total, place = outputs.sum() * 0, 0
        for read, of_values in zip(reads, weights, strict=True):
            mine, place = outputs[:, place : place + read.width], place + read.width
            known = (targets[:, read.start + read.width] == 0).float()
            asked = targets[:, read.start : read.start + read.width]
            if read.is_number:
                each = (mine - asked).square().sum(1)
            else:
                weight = of_values.to(asked.device)[asked.argmax(1)]
                each = weight * F.cross_entropy(mine, asked.argmax(1), reduction="none")
            total = total + (each * known).sum() / known.sum().clamp(min=1)
        return total

    def score(network: ConvNet) -> float:
        outputs = AttributeReader(network, torch.device(device)).outputs(images[validation])
        return float(np.mean(list(skills(outputs, conditions[validation], reads).values()) or [0.0]))

    outputs = sum(read.width for read in reads)
    size = ConvNetConfig(side, images.shape[3], outputs, config.widths, 1, "grid", patch_for(side))
    network, record = fit(
        build(size, seed), draw, loss, score, config.fit, seed=seed, device=device, progress=progress,
        keeping=keeping,
    )  # fmt: skip
    return AttributeReader(network, torch.device(device), record)


def _weights(read: Read, conditions: Conditions) -> Tensor:
    counts = read.values(conditions)[read.known(conditions)].sum(0)
    mean = counts.sum() / max(1, (counts > 0).sum())
    return torch.from_numpy(np.minimum(mean / np.maximum(counts, 1), _MOST_WEIGHT).astype(np.float32))


def skills(
    outputs: Float[np.ndarray, "n outputs"], conditions: Conditions, reads: Sequence[Read]
) -> dict[str, float]:
    """By attribute with a known row: balanced accuracy of categories, R² of numbers."""
    out: dict[str, float] = {}
    for read, mine in _columns(outputs, reads):
        known = read.known(conditions)
        asked = read.values(conditions)[known]
        if not len(asked):
            continue
        if read.is_number:
            whole = np.ones((1, len(asked)))
            out[read.name] = float(intervals.explained(mine[known, 0], asked[:, 0])(whole)[0])
        else:
            out[read.name] = balanced_accuracy(mine[known].argmax(1), asked.argmax(1))
    return out


def measure_attributes(
    reader: AttributeReader,
    reads: Sequence[Read],
    real: Images,
    groups: np.ndarray,
    conditions: Conditions,
    made: Images,
    made_conditions: Conditions,
    seed: int,
) -> dict[str, Any]:
    """What is read off real images and off samples, beside what is true and what was asked for.

    Args:
        reader: Trained on other real images.
        reads: What it reads.
        real: Evaluated images.
        groups: Of those: intervals resample them.
        conditions: Of those.
        made: Samples.
        made_conditions: What was asked for.
        seed: Of the bootstrap.

    Returns:
        By attribute with `FEWEST` known rows on both sides: `kind` (`category`, `number`); of `samples` and `real` each
        `score` (balanced accuracy, or R²) with its interval, and for a number `error` (mean absolute difference, in its
        unit) and `correlation`; for a category also `guessing`.
    """
    sides = {
        "real": (reader.outputs(real), conditions, groups),
        "samples": (reader.outputs(made), made_conditions, np.arange(len(made))),
    }
    out: dict[str, Any] = {}
    for read in reads:
        found: dict[str, Any] = {"kind": "number" if read.is_number else "category"}
        for name, (outputs, asked_of, of_groups) in sides.items():
            known = np.flatnonzero(read.known(asked_of))
            if len(known) < FEWEST:
                break
            mine = dict(_named(outputs, reads))[read.name][known]
            asked = read.values(asked_of)[known]
            weights = intervals.group_weights(of_groups[known], seed)
            if read.is_number:
                found[name] = _of_number(mine[:, 0], asked[:, 0], weights, read)
            else:
                labels = asked.argmax(1)
                right = intervals.macro_mean(mine.argmax(1) == labels, labels)
                found[name] = {"score": intervals.estimate(right, weights).to_json()}
                found["guessing"] = 1 / len(np.unique(labels))
        if "samples" in found and "real" in found:
            out[read.name] = found
    return out


def _of_number(
    mine: Float[np.ndarray, " n"], asked: Float[np.ndarray, " n"], weights: intervals.Weights, read: Read
) -> dict[str, Any]:
    error = intervals.estimate(intervals.mean(np.abs(mine - asked) * read.deviation), weights)
    related = intervals.estimate(intervals.correlation(mine[:, None], asked[:, None]), weights)
    score = intervals.estimate(intervals.explained(mine, asked), weights)
    return {"score": score.to_json(), "error": error.to_json(), "correlation": related.to_json()}


def _columns(outputs: Float[np.ndarray, "n outputs"], reads: Sequence[Read]) -> list[tuple[Read, np.ndarray]]:
    ends = np.cumsum([read.width for read in reads]).tolist()
    return [(read, outputs[:, end - read.width : end]) for read, end in zip(reads, ends, strict=True)]


def _named(outputs: Float[np.ndarray, "n outputs"], reads: Sequence[Read]) -> list[tuple[str, np.ndarray]]:
    return [(read.name, mine) for read, mine in _columns(outputs, reads)]
