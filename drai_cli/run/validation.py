"""How a run chooses its best snapshot: a quick measure on validation images, with a classifier of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import WeightsError
from drai_cli.metrics.finding_judge import FindingJudge, load_finding_judge, train_finding_judge
from drai_cli.metrics.finding_set import FindingSet
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.generation import ModelNetworks
from drai_cli.metrics.judge import Judge, JudgeConfig, load_judge, train_judge
from drai_cli.metrics.quick import quick_measure
from drai_cli.metrics.quick_findings import quick_finding_measure
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.training.precision import autocast

# A small classifier, trained in about a minute on two cores: it only ranks snapshots of one run.
_JUDGE_IMAGES = 24_000
_JUDGE_ROUNDS = 30


def _judge_config(train_images: int, symmetry: Symmetry) -> JudgeConfig:
    """Small sets are repeated at most `_JUDGE_ROUNDS` times, large ones used up to `_JUDGE_IMAGES` images."""
    images = min(_JUDGE_IMAGES, _JUDGE_ROUNDS * train_images)
    budget = FitConfig(images=images, check_every=max(1, images // 3))
    return JudgeConfig(widths=(32, 64, 128), fit=budget, symmetry=symmetry)


class Validation:
    """The measure of snapshots on the validation part.

    Args:
        data: Data set of the run.
        judge_file: File of the classifier, so that a resumed run uses the same one.
        symmetry: Flips and rotations that keep images plausible.
        seed: Seed of the classifier, the samples and the pairs.
        device: Device of the networks.
    """

    def __init__(
        self, data: PreparedSet, judge_file: Path, symmetry: Symmetry, seed: int, device: torch.device
    ) -> None:
        self.rows = data.rows("validation")
        self.data = data
        self.symmetry = symmetry
        self.seed = seed
        self.device = device
        self.file = judge_file
        self.judge: Judge | FindingJudge | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there are enough images, of at least two labels."""
        few = len(self.rows) < 2 * len(self.data.schema.labels)
        return not few and len(np.unique(self.data.labels[self.rows])) > 1

    def measure(self, networks: ModelNetworks) -> dict[str, float]:
        """Measures by name; the best snapshot has the highest `score`. Empty if measuring is not possible."""
        if not self.is_possible:
            return {}
        if self.judge is None:
            self.judge = self._load_or_train()
        data, rows = self.data, self.rows
        images, conditions = data.images[rows], data.conditions[rows]
        groups = np.array([data.entries[row].group for row in rows])
        options: dict[str, Any] = {"seed": self.seed, "device": self.device}
        if isinstance(self.judge, FindingJudge):
            states, names = data.finding_states[rows], data.schema.labels
            real = FindingSet(images, states, data.parts[rows], groups, conditions, names)
            return quick_finding_measure(real, networks, self.judge, **options)
        return quick_measure(images, data.labels[rows], groups, networks, conditions, self.judge, **options)

    def _load_or_train(self) -> Judge | FindingJudge:
        if self.file.exists():
            return self._load()
        data = self.data
        options: dict[str, Any] = {"seed": self.seed, "device": self.device}
        config = _judge_config(len(data.rows("train")), self.symmetry)
        judge: Judge | FindingJudge
        if data.schema.label.findings is not None:
            judge = train_finding_judge(
                data.images, data.finding_states, data.labels, data.parts, config, **options
            )
        else:
            label_count = len(data.schema.labels)
            judge = train_judge(data.images, data.labels, data.parts, label_count, config, **options)
        save_state(self.file, judge.state(), judge.config_json())
        return judge

    def _load(self) -> Judge | FindingJudge:
        tensors, config = load_state(self.file)
        has_findings = self.data.schema.label.findings is not None
        judge: Judge | FindingJudge
        try:
            judge = (load_finding_judge if has_findings else load_judge)(config, tensors, self.device)
        except UNFIT as error:
            raise self._unfit() from error
        if not judge.fits(self.data.images, len(self.data.schema.labels)):
            raise self._unfit()
        return judge

    def _unfit(self) -> WeightsError:
        return WeightsError(
            self.file, "expected this run's own classifier", "remove the file: it is then trained again"
        )


class SnapshotNetworks:
    """A snapshot's networks for the measures, in the arithmetic of training."""

    def __init__(self, networks: Networks, device: torch.device, dtype: torch.dtype | None) -> None:
        def at_precision(network: Any) -> Any:
            def call(*inputs: torch.Tensor) -> Any:
                with autocast(device, dtype):
                    return network(*inputs)

            return call

        self.generator = at_precision(networks.generator)
        self.encoder = None if networks.encoder is None else at_precision(networks.encoder)
        self.content_prior = networks.content_prior
        self.style_dim = networks.generator.style_dim
