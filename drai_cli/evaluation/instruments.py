"""The judge and the regressor of factors, trained once on real images and stored for later evaluations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from drai_cli.errors import WeightsError
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.io.locks import hold_lock
from drai_cli.metrics.factors import FactorRegressor, RegressorConfig, load_regressor, train_regressor
from drai_cli.metrics.judge import Judge, JudgeConfig, judge_config, load_judge, train_judge
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.progress import Reporter

Progress = Callable[[int], None]
Instrument = TypeVar("Instrument", Judge, FactorRegressor)


@dataclass
class Instruments:
    """Judge and regressor for one set, trained at their first use.

    Attributes:
        real: Its training part trains them, its validation part selects them.
        folder: Where they are stored, so that all models evaluated on the set share them.
        judge_images: Images that judge and regressor see in training; None: what suits the image size.
        seed: Of their training.
        device: Where they run.
        reporter: Told when one is trained.
        elsewhere: Further folders where an earlier evaluation may have stored them.
    """

    real: EvaluationSet
    folder: Path
    judge_images: int | None
    seed: int
    device: torch.device
    reporter: Reporter
    elsewhere: tuple[Path, ...] = ()

    @property
    def judge_shown(self) -> int:
        """Images that the judge sees in training, at most."""
        return self._judge_config.fit.images

    @property
    def _judge_config(self) -> JudgeConfig:
        config = judge_config(self.real.images.shape[1], self.real.symmetry)
        if self.judge_images is not None:
            config = replace(config, fit=replace(config.fit, images=self.judge_images))
        return config

    @cached_property
    def judge(self) -> Judge:
        """The classifier of samples and swaps."""
        real, config, label_count = self.real, self._judge_config, len(self.real.schema.labels)
        return self._stored(
            "judge", config.fit.images, load_judge, lambda judge: judge.fits(real.images, label_count),
            lambda progress: train_judge(
                real.images, real.labels, real.parts, label_count, config, seed=self.seed, device=self.device,
                progress=progress,
            ),
        )  # fmt: skip

    @cached_property
    def regressor(self) -> FactorRegressor | None:
        """Predicts the known factors of an image; None where there are none."""
        real, factors, config = self.real, self.real.factors, RegressorConfig()
        if factors is None:
            return None
        if self.judge_images is not None:
            config = replace(config, fit=replace(config.fit, images=self.judge_images))
        return self._stored(
            "regressor", config.fit.images, load_regressor,
            lambda regressor: regressor.fits(real.images, factors),
            lambda progress: train_regressor(
                real.images, factors, real.parts, config, seed=self.seed, device=self.device, progress=progress
            ),
        )  # fmt: skip

    def _stored(
        self,
        name: str,
        images: int,
        load: Callable[[Mapping[str, Any], Mapping[str, Tensor], torch.device], Instrument],
        fits: Callable[[Instrument], bool],
        train: Callable[[Progress], Instrument],
    ) -> Instrument:
        # The name depends on the split: a judge must not have been trained on another split's test images.
        path = self.folder / f"{name}-{self.real.training_key[:16]}-{images}-{self.seed}.safetensors"
        others = [folder / path.name for folder in self.elsewhere if (folder / path.name).exists()]
        if others and not path.exists():
            path = others[0]
            self.reporter.info(f"using the {name} stored in {path.parent}")
        path.parent.mkdir(parents=True, exist_ok=True)

        # Evaluations that run at the same time share it: one trains it, the others wait.
        def wait(who: str) -> None:
            self.reporter.info(f"waiting for {who}, which trains the same {name}")

        with hold_lock(path.with_name(f".{path.stem}.lock"), "drai evaluate", path, wait):
            if path.exists():
                try:
                    tensors, config = load_state(path)
                    stored = load(config, tensors, self.device)
                    if fits(stored):
                        return stored
                except (WeightsError, *UNFIT):
                    pass
                self.reporter.warn(f"the stored {name} cannot be used and is trained again")
            with self.reporter.task(f"training the {name}", images, "images") as task:
                trained = train(task.advance)
            save_state(path, trained.state(), trained.config_json())
            return trained
