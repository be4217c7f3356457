"""What a run looks at to choose its best snapshot: a judge trained once on its training part, and a quick measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import WeightsError
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.generation import ModelNetworks
from drai_cli.metrics.judge import Judge, JudgeConfig, load_judge, train_judge
from drai_cli.metrics.quick import quick_measure
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.training.precision import autocast

# A small judge, trained in about a minute on two cores: it ranks snapshots of one run and is quoted nowhere.
_JUDGE_IMAGES = 24_000
_JUDGE_ROUNDS = 30


def _judge_config(train_images: int, symmetry: Symmetry) -> JudgeConfig:
    """A small set is shown so many times; a large one as far as the budget goes."""
    images = min(_JUDGE_IMAGES, _JUDGE_ROUNDS * train_images)
    budget = FitConfig(images=images, check_every=max(1, images // 3))
    return JudgeConfig(widths=(32, 64, 128), fit=budget, symmetry=symmetry)


class Validation:
    """The measure of snapshots on the validation part.

    Args:
        data: The run's set.
        judge_file: Where the judge is kept, so that a resumed run asks the same one.
        symmetry: Under which images are as real as they are.
        seed: Of the judge, the samples and the pairs.
        device: Where the networks are.
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
        self.judge: Judge | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there are images enough, of two labels at least, to measure by."""
        few = len(self.rows) < 2 * len(self.data.schema.labels)
        return not few and len(np.unique(self.data.labels[self.rows])) > 1

    def measure(self, networks: ModelNetworks) -> dict[str, float]:
        """Numbers by name; `score` is what the best snapshot has most of. Empty where it is not possible."""
        if not self.is_possible:
            return {}
        if self.judge is None:
            self.judge = self._load_or_train()
        labels = self.data.labels[self.rows]
        groups = np.array([self.data.entries[row].group for row in self.rows])
        images, conditions = self.data.images[self.rows], self.data.conditions[self.rows]
        return quick_measure(
            images, labels, groups, networks, conditions, self.judge, seed=self.seed, device=self.device
        )

    def _load_or_train(self) -> Judge:
        if self.file.exists():
            return self._load()
        data = self.data
        judge = train_judge(
            data.images,
            data.labels,
            data.parts,
            len(data.schema.labels),
            _judge_config(len(data.rows("train")), self.symmetry),
            seed=self.seed,
            device=self.device,
        )
        save_state(self.file, judge.state(), judge.config_json())
        return judge

    def _load(self) -> Judge:
        tensors, config = load_state(self.file)
        try:
            judge = load_judge(config, tensors, self.device)
        except UNFIT as error:
            raise self._unfit() from error
        if not judge.fits(self.data.images, len(self.data.schema.labels)):
            raise self._unfit()
        return judge

    def _unfit(self) -> WeightsError:
        return WeightsError(
            self.file, "it is not the judge of this run", "remove it: it is then trained again"
        )


class SnapshotNetworks:
    """A snapshot's networks as the measures want them, at the training's precision."""

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
