"""What measures are read off with, trained once on real images and kept: the judge, and the regressor of factors."""

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
    """Judge and regressor for one set, trained when they are first asked for.

    Attributes:
        real: Trained on its training part, chosen by its validation part.
        folder: Where they are kept, so that all models measured on the set share them.
        judge_images: Images that judge and regressor are shown; None: what suits the image size.
        seed: Of their training.
        device: Where they run.
        reporter: Told when one is trained.
        elsewhere: Folders where an earlier evaluation may have kept them: they are taken from there, too.
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
        """Images that the judge is shown in training, at most."""
        return self._judge_config.fit.images

    @property
    def _judge_config(self) -> JudgeConfig:
        config = judge_config(self.real.images.shape[1], self.real.symmetry)
        if self.judge_images is not None:
            config = replace(config, fit=replace(config.fit, images=self.judge_images))
        return config

    @cached_property
    def judge(self) -> Judge:
        """The classifier by which samples and swaps are judged."""
        real, config = self.real, self._judge_config

        def train(progress: Progress) -> Judge:
            return train_judge(
                real.images, real.labels, real.parts, len(real.schema.labels), config,
                seed=self.seed, device=self.device, progress=progress,
            )  # fmt: skip

        def fits(kept: Judge) -> bool:
            return kept.fits(real.images, len(real.schema.labels))

        return self._kept("judge", config.fit.images, load_judge, fits, train)

    @cached_property
    def regressor(self) -> FactorRegressor | None:
        """Reads the known factors off an image; None where there are none."""
        real, factors = self.real, self.real.factors
        if factors is None:
            return None

        config = RegressorConfig()
        if self.judge_images is not None:
            config = replace(config, fit=replace(config.fit, images=self.judge_images))

        def train(progress: Progress) -> FactorRegressor:
            return train_regressor(
                real.images,
                factors,
                real.parts,
                config,
                seed=self.seed,
                device=self.device,
                progress=progress,
            )

        def fits(kept: FactorRegressor) -> bool:
            return kept.fits(real.images, factors)

        return self._kept("regressor", config.fit.images, load_regressor, fits, train)

    def _kept(
        self,
        name: str,
        images: int,
        load: Callable[[Mapping[str, Any], Mapping[str, Tensor], torch.device], Instrument],
        fits: Callable[[Instrument], bool],
        train: Callable[[Progress], Instrument],
    ) -> Instrument:
        # The key holds the set's split: a judge must not have been trained on another split's test images.
        path = self.folder / f"{name}-{self.real.training_key[:16]}-{images}-{self.seed}.safetensors"
        others = [folder / path.name for folder in self.elsewhere if (folder / path.name).exists()]
        if others and not path.exists():
            path = others[0]
            self.reporter.info(f"the {name} kept in {path.parent} is taken")
        path.parent.mkdir(parents=True, exist_ok=True)

        # Runs that are evaluated side by side share it: one trains it, the others wait.
        def wait(who: str) -> None:
            self.reporter.info(f"waiting for {who}, which trains the same {name}")

        with hold_lock(path.with_name(f".{path.stem}.lock"), "drai evaluate", path, wait):
            if path.exists():
                try:
                    tensors, config = load_state(path)
                    kept = load(config, tensors, self.device)
                    if fits(kept):
                        return kept
                except (WeightsError, *UNFIT):
                    pass
                self.reporter.warn(f"the kept {name} cannot be used and is trained again")
            with self.reporter.task(f"training the {name}", images, "images") as task:
                found = train(task.advance)
            save_state(path, found.state(), found.config_json())
            return found
