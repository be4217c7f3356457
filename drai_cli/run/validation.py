"""How a run chooses its best snapshot: a quick measure on validation images, with a classifier of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import UsageError, WeightsError
from drai_cli.metrics.finding_judge import FindingJudge, load_finding_judge, train_finding_judge
from drai_cli.metrics.finding_set import FindingSet
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.generation import ModelNetworks
from drai_cli.metrics.judge import Judge, JudgeConfig, load_judge, train_judge
from drai_cli.metrics.quick import MEASURING_STEPS, quick_measure
from drai_cli.metrics.quick_findings import quick_finding_measure
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.progress import SILENT, Reporter
from drai_cli.training.precision import autocast

# A small classifier, trained in about a minute on two cores: it only ranks snapshots of one run.
_JUDGE_IMAGES = 24_000
_JUDGE_ROUNDS = 30
_TRIED_STEPS, _TRIED_VALIDATION = 2, 64
_TOO_SHORT_STEPS = 8
"""A training of at most so many steps is not worth a trial of it."""


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
        reporter: Shown the classifier's training and the measuring.

    Attributes:
        judge_took_s: Seconds that the training of the classifier took; 0 before it, and for a stored one.
    """

    def __init__(
        self,
        data: PreparedSet,
        judge_file: Path,
        symmetry: Symmetry,
        seed: int,
        device: torch.device,
        reporter: Reporter = SILENT,
    ) -> None:
        self.rows = data.rows("validation")
        self.data = data
        self.symmetry = symmetry
        self.seed = seed
        self.device = device
        self.file = judge_file
        self.judge: Judge | FindingJudge | None = None
        self.reporter = reporter
        self.judge_took_s = 0.0

    @property
    def is_possible(self) -> bool:
        """Whether there are enough images, of at least two labels."""
        few = len(self.rows) < 2 * len(self.data.schema.labels)
        return not few and len(np.unique(self.data.labels[self.rows])) > 1

    def check_possible(self, is_limited: bool) -> None:
        """Warns where snapshots cannot be compared; raises UsageError if the end of the run depends on it.

        Args:
            is_limited: Whether the run has a budget.
        """
        if self.is_possible:
            return
        if not is_limited:
            raise UsageError(
                "training without a budget",
                "there are too few validation images to see when it stops improving",
                "add --kimg 50 or --hours 1",
            )
        self.reporter.warn("too few validation images to compare snapshots: the last one is kept")

    def measure(self, networks: ModelNetworks) -> dict[str, float]:
        """Measures by name; the best snapshot has the highest `score`. Empty if measuring is not possible."""
        if not self.is_possible:
            return {}
        if self.judge is None:
            self.judge = self._load_or_train()
        data, rows = self.data, self.rows
        images, conditions = data.images[rows], data.conditions[rows]
        groups = np.array([data.entries[row].group for row in rows])
        with self.reporter.stage("measuring the snapshot", MEASURING_STEPS, "steps") as task:
            options: dict[str, Any] = {"seed": self.seed, "device": self.device, "progress": task.advance}
            if isinstance(self.judge, FindingJudge):
                states, names = data.finding_states[rows], data.schema.labels
                real = FindingSet(images, states, data.parts[rows], groups, conditions, names)
                return quick_finding_measure(real, networks, self.judge, **options)
            return quick_measure(
                images, data.labels[rows], groups, networks, conditions, self.judge, **options
            )

    def estimate_judge_s(self) -> float:
        """Seconds that the classifier's training will take here, by a few steps of it; 0 if it is stored or short.

        Nothing of the trial is kept.
        """
        if not self.is_possible or self.file.exists():
            return 0.0
        train, few = self.data.rows("train"), self.rows[:_TRIED_VALIDATION]
        config = _judge_config(len(train), self.symmetry)
        size = config.fit.batch_size
        if config.fit.images <= _TOO_SHORT_STEPS * size:
            return 0.0
        rows = np.concatenate([train[:size], few])
        images, labels, parts = self.data.images[rows], self.data.labels[rows], self.data.parts[rows]
        seconds = []
        with self.reporter.stage("trying the judge of snapshots", None, ""):
            # The second time without what starting takes. A judge of findings takes as long as one of labels.
            for steps in (1, _TRIED_STEPS):
                tried = replace(config, fit=FitConfig(images=steps * size, check_every=steps * size))
                began = time.perf_counter()
                train_judge(images, labels, parts, int(labels.max()) + 1, tried, seed=0, device=self.device)
                seconds.append(time.perf_counter() - began)
        # An image is judged in a third of the time that it is trained on.
        image_s = seconds[-1] / (_TRIED_STEPS * size + len(few) / 3)
        checks = max(1, config.fit.images // config.fit.check_every)
        return image_s * (config.fit.images + checks * len(self.rows) / 3)

    def _load_or_train(self) -> Judge | FindingJudge:
        if self.file.exists() and (stored := self._load()) is not None:
            return stored
        config = _judge_config(len(self.data.rows("train")), self.symmetry)
        began = time.monotonic()
        with self.reporter.stage(
            "training the judge of snapshots, at most", config.fit.images, "images"
        ) as task:
            judge = self._train(config, task.advance)
        self.judge_took_s = time.monotonic() - began
        save_state(self.file, judge.state(), judge.config_json())
        return judge

    def _train(self, config: JudgeConfig, progress: Callable[[int], None]) -> Judge | FindingJudge:
        data = self.data
        options: dict[str, Any] = {"seed": self.seed, "device": self.device, "progress": progress}
        if data.schema.label.findings is not None:
            return train_finding_judge(
                data.images, data.finding_states, data.labels, data.parts, config, **options
            )
        label_count = len(data.schema.labels)
        return train_judge(data.images, data.labels, data.parts, label_count, config, **options)

    def _load(self) -> Judge | FindingJudge | None:
        """The stored classifier; None if the file is damaged: it is then trained again, the same."""
        try:
            tensors, config = load_state(self.file)
        except WeightsError:
            return None
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
        self.grain_side = networks.generator.grain_side
