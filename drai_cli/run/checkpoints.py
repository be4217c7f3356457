"""The checkpoints of a run: the last and the one before, and which of them a run is resumed from. Runs no step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from drai_cli.errors import WeightsError
from drai_cli.io.files import file_sha256
from drai_cli.model_file.checkpoint import UNFIT, load_model, load_state, save_state
from drai_cli.progress import Reporter
from drai_cli.run.budget import Budget
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.typed import check_types
from drai_cli.training.state import TrainingState


@dataclass
class Progress:
    """The record beside the weights in a checkpoint.

    Attributes:
        best_score: The highest so far; that of the snapshot in `model.safetensors` is at most `_SCORE_NOISE` less.
        best_images_seen: Images seen by that snapshot.
        best_measures: Validation measures of that snapshot.
        best_sha256: Of `model.safetensors`; empty in a checkpoint that is older than this record.
        ticks_since_best: Ticks without a better score, for the patience of a run without a budget.
        elapsed_s: Time spent so far, counted only in a run with a budget of hours.
        threads: On a CPU, threads of the steps from here on; 0 in a checkpoint that is older than this record.
        sums: Sum of each term since the last tick.
        steps: Number of steps since the last tick.
    """

    best_score: float | None = None
    best_images_seen: int = 0
    best_measures: dict[str, float] = field(default_factory=dict)
    best_sha256: str = ""
    ticks_since_best: int = 0
    elapsed_s: float = 0.0
    threads: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0


@dataclass
class Checkpoints:
    """The checkpoints in a run directory, and what of this process they hold.

    Attributes:
        directory: Of the run.
        state: Saved and loaded.
        budget: Its time so far is saved and loaded.
        is_timed: Whether its time is saved: without a budget of hours it is not, so that equal runs have equal bytes.
        reporter: Told what was damaged.
    """

    directory: RunDirectory
    state: TrainingState
    budget: Budget
    is_timed: bool
    reporter: Reporter

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint; the last one is kept as the earlier one.

        Raises:
            InputError: It cannot be written.
        """
        record = {**self.record(progress), "settings": self.directory.read_config()}
        save_state(self.directory.state, self.state.tensors(), record, earlier=self.directory.earlier_state)

    def record(self, progress: Progress) -> dict[str, Any]:
        """The JSON record of a checkpoint, without the run's settings."""
        return {
            **asdict(progress),
            "elapsed_s": self.budget.elapsed_s() if self.is_timed else 0.0,
            "images_seen": self.state.images_seen,
            "augment_probability": self.state.augment_probability,
        }

    def load(self) -> Progress | None:
        """Loads the last checkpoint that is whole and whose model is whole; None if the run has none yet.

        Raises:
            WeightsError: None of those that exist can be used.
        """
        paths = [path for path in (self.directory.state, self.directory.earlier_state) if path.exists()]
        failure: WeightsError | None = None
        for path in paths:
            try:
                tensors, record = load_state(path)
            except WeightsError as error:
                failure = failure or error
                continue
            images_seen = record.get("images_seen")
            if failure is not None or path != paths[0]:
                self.reporter.warn(f"{paths[0]} is damaged: the run continues from {path.name}")
            elif self._is_model_lost(record) and self._is_made_again(record, paths[1:]):
                self.reporter.warn(
                    f"{self.directory.model} is damaged: the run continues from {paths[1].name}"
                )
                failure = WeightsError(path, f"its model, at {images_seen} images, is damaged")
                continue
            return self.restore(tensors, record)
        if failure is None:
            return None
        raise failure

    def is_model_lost(self, progress: Progress) -> bool:
        """Whether the best model that a checkpoint names is missing or damaged."""
        return self._is_model_lost(self.record(progress))

    def restore(self, tensors: Mapping[str, torch.Tensor], record: dict[str, Any]) -> Progress:
        """Puts a checkpoint into state and budget.

        Raises:
            WeightsError: It is of another run.
        """
        try:
            record.pop("settings", None)
            self.state.load_tensors(tensors)
            self.state.images_seen = int(record.pop("images_seen"))
            self.state.augment_probability = float(record.pop("augment_probability"))
            check_types(Progress, record)
            progress = Progress(**record)
            self.budget.earlier_s = progress.elapsed_s
            if self.state.images_seen < 0 or not 0 <= self.state.augment_probability <= 1:
                raise ValueError("numbers out of range")
        except UNFIT as error:
            raise WeightsError(
                self.directory.state,
                "the checkpoint does not belong to this run",
                "name another folder with --out",
            ) from error
        return progress

    def _is_model_lost(self, record: Mapping[str, Any]) -> bool:
        """A model that is newer than the checkpoint is whole, too: the run was stopped between the two."""
        model = self.directory.model
        if not record.get("best_sha256"):
            return False
        if not model.exists():
            return True
        return file_sha256(model) != record["best_sha256"] and not _is_newer(model, record["images_seen"])

    def _is_made_again(self, record: Mapping[str, Any], earlier: list[Path]) -> bool:
        """Whether the run makes the same model again if it goes on from the earlier checkpoint."""
        try:
            return any(
                load_state(path)[1].get("images_seen", 0) < record["best_images_seen"] for path in earlier
            )
        except (WeightsError, KeyError, TypeError):
            return False


def _is_newer(model: Path, images_seen: int) -> bool:
    try:
        made = load_model(model).header.training.get("images_seen")
    except WeightsError:
        return False
    return isinstance(made, int) and made > images_seen
