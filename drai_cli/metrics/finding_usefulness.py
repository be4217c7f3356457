"""Usefulness of synthetic images for classifiers of findings: trained with and without them, tested on real images.

Arrays in, JSON-able numbers out. Knows nothing of generators or files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int8, Int64
from torch import Tensor

from drai_cli.conditions.findings import PRESENT, UNKNOWN
from drai_cli.metrics.auc import area_of
from drai_cli.metrics.classifier_training import Trainer, UsefulnessConfig
from drai_cli.metrics.convnet import ConvNet
from drai_cli.metrics.finding_judge import finding_loss
from drai_cli.metrics.finding_set import FindingSet
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.scores import Draws, auc, draw_both, estimate_of, macro_mean_of
from drai_cli.metrics.side_by_side import side_by_side
from drai_cli.metrics.training_sets import Arm, Kind, TrainingSet, balanced, rows_of_labels
from drai_cli.metrics.usefulness import fitting_rows

REAL, OVERSAMPLED, SYNTHETIC = "real", "real, rare findings repeated", "synthetic"
ADDED, FILLED = "real + synthetic", "real + synthetic of rare findings"
CONTROLS = {SYNTHETIC: REAL, ADDED: REAL, OVERSAMPLED: REAL, FILLED: OVERSAMPLED}
"""What each arm is compared with: the same numbers of images of the same findings, all of them real."""
_BALANCE = 0.5
"""Where rare findings are repeated, images whose rarest finding n images show are drawn in proportion to n ** 0.5."""


def rows_to_make(
    rarest: Int64[np.ndarray, " n"], rows: Int64[np.ndarray, " train"], count: int, seed: int
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " train"]]:
    """The training rows whose findings synthetic images are made of: those of `ADDED`, and those of `FILLED`."""
    more, _ = _of_rare(rarest, rows, count).draw(len(rows), torch.Generator().manual_seed(seed))
    return rows, more


def measure_finding_usefulness(
    data: FindingSet,
    rarest: Int64[np.ndarray, " n"],
    made: Images,
    made_states: Int8[np.ndarray, "m findings"],
    *,
    added: int | None = None,
    part: str = "test",
    least: int,
    config: UsefulnessConfig | None = None,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Trains classifiers with a sigmoid per finding on each of five sets, and tests them on the same real images.

    The sets, each drawn from for the same number of steps, from the same initial weights; the network of the best mean
    AUC on real validation images is tested:

    * `REAL`: the real images, each equally often.
    * `OVERSAMPLED`: half of each batch as before; in the other half, images of rare findings more often.
    * `SYNTHETIC`: synthetic images alone, of the training images' findings.
    * `ADDED`: half of each batch real, half synthetic, of the training images' findings.
    * `FILLED`: half of each batch real; the synthetic half has rare findings as often as that of `OVERSAMPLED`.

    Intervals are over test groups and classifiers together, differences over the same draws of both.

    Args:
        data: Real images with their findings.
        rarest: The rarest finding of each of them, or the number of findings: see `Findings.rarest`.
        made: Synthetic images, of the rows of `rows_to_make`: those for `ADDED`, then those for `FILLED`.
        made_states: What was asked for.
        added: How many of them are for `ADDED`; None: half.
        part: Rows that are tested on.
        least: Images of the part that show a finding, and that do not, for it to count.
        config: Training options; None for the defaults. `ratios` is not used.
        seed: Random seed; classifiers use it and the following integers.
        device: Where to train.
        progress: Called after each step with images seen in all trainings together, and the total.

    Returns:
        `arms`: by name, `macro_auc` and `auc` by finding, each with interval and n; `gains`: by name of every arm but
        `REAL`, the same two, each minus that of its control (`CONTROLS`); `findings`: those that count; `part`, `n`,
        `groups`, `seed` and `config`.

    Raises:
        ValueError: No training or test rows, no finding that counts, or synthetic images of another shape or number.
    """
    config = config or UsefulnessConfig()
    test, reported = data.rows(part), data.reported(part, least)
    train, held = fitting_rows(rarest, data.parts, data.groups, part, seed)
    if not len(train) or not len(held) or not reported:
        raise ValueError(f"usefulness needs rows for training, selection and test ({part}), with findings")
    if (
        made.shape[1:] != data.images.shape[1:]
        or len(made) != len(made_states)
        or not 0 < (added or len(made) // 2) < len(made)
    ):
        raise ValueError(f"{len(made)} synthetic images of shape {made.shape[1:]}")
    added = len(made) // 2 if added is None else added
    arms = _arms(rarest, train, data.states.shape[1], len(data.images), len(made), added)
    trainer = FindingTrainer(data, made, made_states, held, config, device)
    jobs = [(name, number) for name in arms for number in range(config.seeds)]
    seen, total = 0, len(jobs) * config.images_seen

    def count(images_seen: int) -> None:
        nonlocal seen
        seen += images_seen
        if progress is not None:
            progress(seen, total)

    def train_one(job: tuple[str, int], step: Callable[[int], None]) -> np.ndarray:
        name, number = job
        return trainer.train(arms[name], seed + number, [data.images[test]], step)[0]

    logits: dict[str, list[Float[np.ndarray, "n findings"]]] = {name: [] for name in arms}
    for (name, _), of_test in zip(jobs, side_by_side(train_one, jobs, count, device), strict=True):
        logits[name].append(of_test)
    draws = draw_both(data.groups[test], config.seeds, seed)
    areas = {
        name: _areas(np.stack(of_arm), data.states[test], reported, draws) for name, of_arm in logits.items()
    }

    def to_json(columns: Float[np.ndarray, "draws reported"]) -> dict[str, Any]:
        return {
            "macro_auc": estimate_of(macro_mean_of(columns), len(test)).to_json(),
            "auc": {
                data.names[one]: estimate_of(column, int((data.states[test, one] == PRESENT).sum())).to_json()
                for one, column in zip(reported, columns.T, strict=True)
            },
        }

    return {
        "arms": {name: to_json(columns) for name, columns in areas.items()},
        "gains": {name: to_json(areas[name] - areas[control]) for name, control in CONTROLS.items()},
        "findings": [data.names[one] for one in reported],
        "part": part,
        "n": len(test),
        "groups": len(np.unique(data.groups[test])),
        "images_seen": config.images_seen,
        "seeds": config.seeds,
        "seed": seed,
        "config": asdict(config),
    }


class FindingTrainer(Trainer):
    """Trains classifiers with one output per finding."""

    def __init__(
        self,
        data: FindingSet,
        made: Images,
        made_states: Int8[np.ndarray, "m findings"],
        held: Int64[np.ndarray, " k"],
        config: UsefulnessConfig,
        device: torch.device | str,
    ) -> None:
        nothing = np.zeros(len(data.images), np.int64)
        super().__init__(data.images, made, nothing, held, data.states.shape[1], config, device)
        self.states = np.concatenate([data.states, made_states])

    def targets(self, rows: Int64[np.ndarray, " b"], drawn: Tensor) -> Tensor:
        return torch.from_numpy(self.states[rows].astype(np.float32))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return finding_loss(outputs, targets, self.config.smoothing)

    def score(self, network: ConvNet) -> float:
        logits, states = self.logits(network, self.held_images), self.states[self.held]
        areas = [area_of(logits[:, one], states[:, one]) for one in range(states.shape[1])]
        return float(np.nanmean(areas)) if not np.isnan(areas).all() else 0.0


def _of_rare(rarest: Int64[np.ndarray, " n"], rows: Int64[np.ndarray, " train"], count: int) -> TrainingSet:
    return balanced(rows_of_labels(rows, rarest[rows], count + 1), _BALANCE)


def _arms(
    rarest: Int64[np.ndarray, " n"],
    train: Int64[np.ndarray, " train"],
    count: int,
    first: int,
    made: int,
    of_added: int,
) -> dict[str, Arm]:
    """The sets by name; synthetic images are the rows from `first` on, those for `ADDED`, then those for `FILLED`."""
    added, filled = np.split(np.arange(first, first + made), [of_added])
    rare = _of_rare(rarest, train, count)

    def arm(kind: Kind, name: str, *rows: np.ndarray, shares: Sequence[float] | None = None) -> Arm:
        share = np.full(len(rows), 1 / len(rows)) if shares is None else np.array(shares)
        different = np.unique(np.concatenate(rows))
        real, synthetic = (np.array([int(side.sum())]) for side in (different < first, different >= first))
        return Arm(kind, name, None, TrainingSet(rows, share), real, synthetic, synthetic)

    return {
        REAL: arm("real", REAL, train),
        OVERSAMPLED: arm("real", OVERSAMPLED, train, *rare.rows, shares=[0.5, *(0.5 * rare.share)]),
        SYNTHETIC: arm("synthetic", SYNTHETIC, added),
        ADDED: arm("mixed", ADDED, train, added),
        FILLED: arm("rare", FILLED, train, filled),
    }


def _areas(
    logits: Float[np.ndarray, "seeds n findings"],
    states: Int8[np.ndarray, "n findings"],
    reported: Sequence[int],
    draws: Draws,
) -> Float[np.ndarray, "draws reported"]:
    """Area under the ROC curve of each finding, over the images in which it is known, mean over classifiers."""
    total = np.zeros((len(draws.images), len(reported)))
    for column, one in enumerate(reported):
        known = states[:, one] != UNKNOWN
        present = states[known, one] == PRESENT
        for scores, share in zip(logits[:, known, one], draws.seeds.T, strict=True):
            total[:, column] += share * auc(scores, present, draws.images[:, known])
    return total
