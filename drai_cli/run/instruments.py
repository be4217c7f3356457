"""The judge and the regressor of factors, trained once on real images and stored for later evaluations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import WeightsError
from drai_cli.io.durable import make_private_folders
from drai_cli.io.locks import hold_lock
from drai_cli.metrics.attributes import AttributeReader, ReaderConfig, load_reader, readable, train_reader
from drai_cli.metrics.factors import FactorRegressor, RegressorConfig, load_regressor, train_regressor
from drai_cli.metrics.finding_judge import FindingJudge, load_finding_judge, train_finding_judge
from drai_cli.metrics.finding_set import States
from drai_cli.metrics.fitting import FitRecord, FitState, Keeping
from drai_cli.metrics.judge import Judge, JudgeConfig, judge_config, load_judge, train_judge
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.symmetries import Symmetry
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.progress import Reporter

Progress = Callable[[int], None]
Instrument = TypeVar("Instrument", Judge, FindingJudge, FactorRegressor, AttributeReader)
_FORMAT = 2  # of the file and of the networks in it
_OWN, _RECORD = "instrument", "record"
INSTRUMENTS = "instruments"
"""Folder in the cache of decoded images."""


class RealImages(Protocol):
    """Real images in parts, as far as a judge needs to know them."""

    @property
    def images(self) -> Images: ...
    @property
    def labels(self) -> Int64[np.ndarray, " n"]: ...
    @property
    def parts(self) -> np.ndarray: ...
    @property
    def schema(self) -> ConditionSchema: ...
    @property
    def symmetry(self) -> Symmetry: ...
    @property
    def factors(self) -> Mapping[str, np.ndarray] | None: ...
    @property
    def training_key(self) -> str: ...


def training_key(
    cache_keys: Sequence[str], parts: np.ndarray, schema: ConditionSchema, symmetry: Symmetry
) -> str:
    """Changes with what a judge is trained or selected on: images, parts, labels, symmetry.

    Args:
        cache_keys: Of the sets that the images are from.
        parts: `train`, `validation` or `test` per row.
        schema: Its first attribute is the label; the others do not count.
        symmetry: Flips and rotations that keep an image's label.
    """
    label = ConditionSchema((schema.label,))
    words = [*cache_keys, *parts.tolist(), str(label.to_json()), symmetry]
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass
class Instruments:
    """Judge and regressor for one set, trained at their first use.

    Attributes:
        real: Its training part trains them, its validation part selects them.
        folder: Where they are stored, beside the cached images, so that all models evaluated on the set share them.
        judge_images: Images that judge and regressor see in training; None: what suits the image size.
        seed: Of their training.
        device: Where they run.
        reporter: Told when one is trained.
        borrowed: File of a run's own judge, which is used if it fits; None: none.
        states: Findings of each image, where the label is a set of them.
    """

    real: RealImages
    folder: Path
    judge_images: int | None
    seed: int
    device: torch.device
    reporter: Reporter
    borrowed: Path | None = None
    states: States | None = None

    @property
    def judge_shown(self) -> int:
        """Images that the judge sees in training, at most."""
        return self._judge_config.fit.images

    @property
    def is_borrowed(self) -> bool:
        """Whether the judge that was used is the run's own, which other settings made."""
        return "judge" in self.facts

    @property
    def _judge_config(self) -> JudgeConfig:
        config = judge_config(self.real.images.shape[1], self.real.symmetry)
        if self.judge_images is not None:
            config = replace(config, fit=replace(config.fit, images=self.judge_images))
        return config

    @cached_property
    def facts(self) -> dict[str, Any]:
        """How judge and regressor were trained, as far as they are used: settings that numbers depend on."""
        return {}

    @cached_property
    def judge(self) -> Judge:
        """The classifier of samples and swaps."""
        if (borrowed := self._borrow()) is not None:
            self.facts["judge"] = "the run's own, which chose the snapshot: its numbers may be too good"
            return borrowed
        real, config, label_count = self.real, self._judge_config, len(self.real.schema.labels)
        return self._stored(
            "judge", config.fit.images, load_judge, lambda judge: judge.fits(real.images, label_count),
            lambda progress, keeping: train_judge(
                real.images, real.labels, real.parts, label_count, config, seed=self.seed, device=self.device,
                progress=progress, keeping=keeping,
            ),
        )  # fmt: skip

    @cached_property
    def finding_judge(self) -> FindingJudge:
        """The judge of a set whose label is a set of findings."""
        real, config, count = self.real, self._judge_config, len(self.real.schema.labels)
        states = self.states
        assert states is not None
        return self._stored(
            "judge", config.fit.images, load_finding_judge, lambda judge: judge.fits(real.images, count),
            lambda progress, keeping: train_finding_judge(
                real.images, states, real.labels, real.parts, config, seed=self.seed, device=self.device,
                progress=progress, keeping=keeping,
            ),
        )  # fmt: skip

    @property
    def judge_of_set(self) -> Judge | FindingJudge:
        """The judge of labels, or that of findings where the label is a set of them."""
        return self.judge if self.states is None else self.finding_judge

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
            lambda progress, keeping: train_regressor(
                real.images, factors, real.parts, config, seed=self.seed, device=self.device, progress=progress,
                keeping=keeping,
            ),
        )  # fmt: skip

    def reader(self, conditions: Float32[np.ndarray, "n t"]) -> AttributeReader:
        """Reads the attributes besides the label off images.

        Args:
            conditions: Condition vector of each row of the set.
        """
        real, config, reads = self.real, self._reader_config, readable(self.real.schema)
        return self._stored(
            self._reader_name(conditions), config.fit.images, load_reader,
            lambda reader: reader.fits(real.images, reads),
            lambda progress, keeping: train_reader(
                real.images, conditions, real.parts, reads, config, seed=self.seed, device=self.device,
                progress=progress, keeping=keeping,
            ),
        )  # fmt: skip

    @property
    def _reader_config(self) -> ReaderConfig:
        config = ReaderConfig(symmetry=self.real.symmetry)
        if self.judge_images is not None:
            images = min(self.judge_images, config.fit.images)
            config = replace(config, fit=replace(config.fit, images=images))
        return config

    @property
    def reader_shown(self) -> int:
        """Images that the reader of attributes sees in training, at most."""
        return self._reader_config.fit.images

    def has_reader(self, conditions: Float32[np.ndarray, "n t"]) -> bool:
        """Whether a reader of these attributes is stored already."""
        return self._file(self._reader_name(conditions), self.reader_shown).exists()

    @staticmethod
    def _reader_name(conditions: Float32[np.ndarray, "n t"]) -> str:
        return f"reader-{hashlib.sha256(conditions.tobytes()).hexdigest()[:12]}"

    @property
    def has_judge(self) -> bool:
        """Whether a judge is stored already, or borrowed."""
        return self._file("judge", self._judge_config.fit.images).exists() or self._borrow() is not None

    def _file(self, name: str, images: int) -> Path:
        # The name depends on the split: a judge must not have been trained on another split's test images.
        return self.folder / (
            f"{name}-{_FORMAT}-{self.real.training_key[:16]}-{images}-{self.seed}.safetensors"
        )

    def _borrow(self) -> Judge | None:
        """The run's own judge; None where there is none, or it is for other images or labels."""
        if self.borrowed is None or not self.borrowed.exists():
            return None
        try:
            tensors, config = load_state(self.borrowed)
            judge = load_judge(config, tensors, self.device)
        except (WeightsError, *UNFIT):
            return None
        return judge if judge.fits(self.real.images, len(self.real.schema.labels)) else None

    def _stored(
        self,
        name: str,
        images: int,
        load: Callable[[Mapping[str, Any], Mapping[str, Tensor], torch.device], Instrument],
        fits: Callable[[Instrument], bool],
        train: Callable[[Progress, Keeping], Instrument],
    ) -> Instrument:
        path = self._file(name, images)
        name, _, _ = name.partition("-")
        make_private_folders(path.parent)

        # Evaluations that run at the same time share it: one trains it, the others wait.
        def wait(who: str) -> None:
            self.reporter.info(f"waiting for {who}, which trains the same {name}")

        with hold_lock(path.with_name(f".{path.stem}.lock"), "drai evaluate", path, wait):
            if path.exists():
                try:
                    tensors, config = load_state(path)
                    stored, record = load(config[_OWN], tensors, self.device), FitRecord(**config[_RECORD])
                    if fits(stored):
                        self.reporter.info(f"using the {name} stored in {path.parent}")
                        self._note(name, record)
                        return stored
                except (WeightsError, *UNFIT):
                    pass
                self.reporter.warn(f"the stored {name} cannot be used and is trained again")
            unfinished = path.with_suffix(".part")
            with self.reporter.task(f"training the {name}, at most", images, "images") as task:
                trained = self._train(train, task.advance, unfinished, name)
            assert trained.record is not None
            save_state(path, trained.state(), {_OWN: trained.config_json(), _RECORD: asdict(trained.record)})
            unfinished.unlink(missing_ok=True)
            if trained.record.images_seen < images:
                self.reporter.info(
                    f"the {name} stopped early, after {trained.record.images_seen} images: it was best after "
                    f"{trained.record.images_at_best} and no longer improved"
                )
            self._note(name, trained.record)
            return trained

    def _train(
        self, train: Callable[[Progress, Keeping], Instrument], progress: Progress, file: Path, name: str
    ) -> Instrument:
        """Trains, and keeps the training in a file after each validation: after Ctrl-C the next command goes on."""

        def keep(state: FitState) -> None:
            save_state(file, state.tensors, dict(state.numbers))

        if file.exists():
            try:
                started = FitState(*load_state(file))
                trained = train(progress, Keeping(started, keep))
                self.reporter.info(
                    f"the {name}'s training continued from step {int(started.numbers['step'])}"
                )
                return trained
            except (WeightsError, *UNFIT):
                self.reporter.warn(f"the unfinished {name} cannot be used and is trained again")
        return train(progress, Keeping(None, keep))

    def _note(self, name: str, record: FitRecord) -> None:
        what = {"judge": "balanced_accuracy", "regressor": "r2", "reader": "skill"}[name]
        if name == "judge" and self.states is not None:
            what = "auc"
        self.facts |= {
            f"{name}_images_seen": record.images_seen,
            f"{name}_{what}_on_validation": round(record.score, 3),
        }
