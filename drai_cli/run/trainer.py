"""A training run at work: steps, and what happens at every tick. Knows the run directory, not how it was asked for."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.machine.memory import is_device_lost, is_out_of_memory
from drai_cli.model_file.checkpoint import UNFIT, LoadedModel, load_state, save_model, save_state
from drai_cli.progress import Reporter, Task
from drai_cli.run.directory import RunDirectory
from drai_cli.run.look import Look
from drai_cli.run.model_header import header_of
from drai_cli.run.stop_signals import stop_signals
from drai_cli.run.validation import SnapshotNetworks, Validation
from drai_cli.run.warm_start import warm_start
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.typed import check_types
from drai_cli.training import health, schedule
from drai_cli.training.graphs import steps_of
from drai_cli.training.parallel import ALONE, Processes
from drai_cli.training.prior_fit import with_fitted_prior
from drai_cli.training.setup import batches_of, plan_of
from drai_cli.training.state import TrainingState

_SCORE_NOISE = 0.01
_GPU_READ_EVERY = 16
_REASONS = ("", "kimg", "hours", "patience")


@dataclass
class Progress:
    """The record beside the weights in a checkpoint.

    Attributes:
        best_score: The highest so far; that of the snapshot in `model.safetensors` is at most `_SCORE_NOISE` less.
        best_images_seen: Of that snapshot.
        best_measures: Its validation measures.
        ticks_since_best: For the patience of an unlimited run.
        elapsed_s: Time spent so far, counted only in a run with a budget of hours.
        sums: Terms added up since the last tick.
        steps: Steps since the last tick.
    """

    best_score: float | None = None
    best_images_seen: int = 0
    best_measures: dict[str, float] = field(default_factory=dict)
    ticks_since_best: int = 0
    elapsed_s: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0


class Trainer:
    """A run at work: the state, the batches, and what happens at every tick."""

    def __init__(
        self,
        run: TrainRun,
        options: TrainOptions,
        data: PreparedSet,
        source: LoadedModel | None,
        directory: RunDirectory,
        device: torch.device,
        reporter: Reporter,
        processes: Processes = ALONE,
    ) -> None:
        self.run, self.options, self.data = run, options, data
        self.source, self.directory, self.device, self.reporter = source, directory, device, reporter
        self.processes = processes
        self.state = TrainingState(options, data.schema.dim, device)
        self.progress = Progress()
        self.batches = batches_of(data, options, device, processes)
        self.plan = plan_of(data, options, processes)
        self.make_step = steps_of(self.state, self.plan)
        # Terms of steps that are not yet looked at: on a GPU to look is to wait for it, so it is done now and then.
        self.unread: list[tuple[int, tuple[str, ...], torch.Tensor]] = []
        self.read_every = _GPU_READ_EVERY if device.type == "cuda" else 1
        self.look = Look(self.state, data, device)
        self.validation = Validation(data, directory.judge, self.batches.symmetry, options.seed, device)
        self.began = time.monotonic()
        self.tick_began = self.began
        self.resumed_from = 0
        self.share_used = 0.0
        self.saved_at: int | None = None
        is_logged = run.tensorboard and processes.is_first
        self.events = open_events(directory.path / "tensorboard") if is_logged else None

    def go_on(self) -> str:
        """Trains from where the run stands, and says what ended it: see `TrainResult.stopped_by`."""
        self._begin()
        if self.batches.balance:
            self.reporter.info(f"classes are balanced: sampled by n^-{self.batches.balance:g}")
        if not self.validation.is_possible:
            self._do_without_validation()
        reason, _ = self._agree()
        if reason:
            return "nothing to do"
        model_bytes = sum(tensor.nbytes for tensor in self.state.average.state_dict().values())
        with self._keeping():
            self.directory.check_room(self.state.saved_bytes, model_bytes, self.reporter)
        total = None if self.options.kimg is None else int(self.options.kimg * 1000)
        training = self.reporter.task("training", total, "images")
        with stop_signals() as asked_to_stop, self._on_the_device(), training as task:
            task.advance(self.state.images_seen)
            while not reason:
                self._step(task)
                reason, asked = self._agree(asked_to_stop())
                is_tick = bool(reason) or self._is_tick()
                if is_tick:
                    if self.processes.is_first:
                        with self._keeping():
                            self._tick(task, is_last=bool(reason))
                    over, asked = self._agree(asked_to_stop())
                    # Hours that ran out during a tick end the run after one more step: what is kept then says so, too.
                    reason = reason or ("" if over == "hours" else over)
                if asked and not reason:
                    if not is_tick and self.processes.is_first:
                        with self._keeping():
                            self._save()
                    return asked
        return reason

    def _agree(self, asked: str = "") -> tuple[str, str]:
        """Why the run is over, and which signal asks to stop, or nothing: the same for all processes after a step.

        The first one's clock, measures and augmentation count; the signal that came to any.
        """
        state = self.state
        found = [0.0, 0.0, 0.0]
        if self.processes.is_first:
            found = [_REASONS.index(self._over()), self._share_used(), state.augment_probability]
        number = float(signal.Signals[asked]) if asked else 0.0
        number, reason, self.share_used, state.augment_probability = self.processes.largest([number, *found])
        return _REASONS[int(reason)], signal.Signals(int(number)).name if number else ""

    def _begin(self) -> None:
        """Takes up the checkpoint, or another model's weights; the other processes take what the first one has."""
        if self.processes.is_first and self.directory.state.exists():
            self._load(*load_state(self.directory.state))
            self.reporter.info(f"going on from {self.state.images_seen / 1000:g} kimg")
        elif self.source is not None:
            taken = warm_start(self.state, self.source, self.data.schema)
            self.reporter.info(
                f"taken from {self.run.init}: {', '.join(taken.taken)}; new: {', '.join(taken.new)}"
            )
        if self.processes.size > 1:
            record = self.processes.from_first(self._record())
            tensors = self.processes.tensors_from_first(self.state.tensors())
            if not self.processes.is_first:
                self._load(tensors, record)
        self.resumed_from = self.state.images_seen
        self.saved_at = self.resumed_from or None

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        """Says of a failure to write what is kept."""
        try:
            yield
        except InputError as error:
            if self.saved_at is None:
                raise
            raise InputError(
                error.subject, error.message,
                f"the checkpoint at {self.saved_at / 1000:g} kimg is kept: make room, and the same command goes on",
            ) from error  # fmt: skip

    @contextmanager
    def _on_the_device(self) -> Iterator[None]:
        """Says of memory that ran out, or a GPU that is gone, what is kept and how to go on.

        A step cannot be repeated with fewer images: its terms compare the rows of the whole batch with each other.
        """
        try:
            yield
        except Exception as error:
            is_full = is_out_of_memory(error)
            if not is_full and not is_device_lost(error):
                raise
            detail = (str(error).splitlines() or ["out of memory"])[0]
            kept = "the last checkpoint is whole"
            if self.processes.is_first:
                at = self.saved_at
                kept = (
                    "there is no checkpoint yet"
                    if at is None
                    else f"the checkpoint at {at / 1000:g} kimg is whole"
                )
            size = self.options.batch_size
            if is_full:
                way_out = (
                    "free memory, or share the batch among more processes with torchrun, and the same command goes on; "
                    f"a run of its own (--out) takes --batch-size {max(2, size // 2)}"
                )
            else:
                way_out = "the same command goes on when the GPU is back, or with --device cpu"
            raise InputError(
                "memory" if is_full else str(self.device), f"{detail.rstrip('.')}, at {size} images a step",
                f"{kept}: {way_out}",
            ) from error  # fmt: skip

    def _do_without_validation(self) -> None:
        """Says what it means that the validation part is too small to measure.

        Raises:
            UsageError: The run has no budget, so nothing would ever end it.
        """
        if self.options.kimg is None and self.options.hours is None:
            raise UsageError(
                "training without a budget",
                "there are too few validation images to see when it stops improving",
                "add --kimg 50 or --hours 1",
            )
        self.reporter.warn("too few validation images to compare snapshots: the last one is kept")

    def _step(self, task: Task) -> None:
        options, state = self.options, self.state
        seen = state.images_seen
        state.set_rates(
            schedule.learning_rate_factors(options, seen, self.share_used, self.source is not None)
        )
        index = seen // options.batch_size
        interval = options.objective.r1_interval
        terms = self.make_step(self.batches.at(seen, state.augment_probability), index % interval == 0)
        state.update_average(schedule.average_keep(options, seen))
        # One copy from the device, not one a term.
        values = torch.stack([term.float() for term in terms.values()])
        self.unread.append((state.images_seen, tuple(terms), values))
        if (index + 1) % self.read_every == 0:
            self._read()
        task.advance(options.batch_size)

    def _read(self) -> None:
        """Looks at the terms of the last steps: they must be finite, and they say how much to augment."""
        options, state = self.options, self.state
        for seen, names, tensor in self.unread:
            values = dict(zip(names, tensor.tolist(), strict=True))
            health.check_finite(values, seen)
            if "real_sign" in values:
                state.augment_probability = schedule.next_augment_probability(
                    options, state.augment_probability, values["real_sign"]
                )
            for name, value in values.items():
                # R1 comes once an interval and counts for all of it.
                weight = options.objective.r1_interval if name == "r1" else 1
                self.progress.sums[name] = self.progress.sums.get(name, 0.0) + weight * value
            self.progress.steps += 1
        self.unread.clear()

    def _is_tick(self) -> bool:
        """Whether this step crossed a tick; the first comes early, so that there is something to look at."""
        every, seen, before = 1000 * self.options.tick_kimg, self.state.images_seen, self.options.batch_size
        first = min(every, 2000.0)
        crossed = seen // every != (seen - before) // every
        return crossed or seen - before < first <= seen

    def _tick(self, task: Task, *, is_last: bool) -> None:
        """Stats, grid, validation measure, best model, checkpoint, in this order: a crash between two repeats them."""
        self._read()
        state, progress = self.state, self.progress
        ticks = self.directory.read_stats(up_to=state.images_seen - 1)
        elapsed = time.monotonic() - self.tick_began
        averages = {name: value / max(1, progress.steps) for name, value in sorted(progress.sums.items())}
        rate = progress.steps * self.options.batch_size / max(elapsed, 1e-9)
        # The first tick is there to be looked at in a minute: prior and judge come at the second, or at the last.
        is_first = not progress.best_images_seen and not is_last
        snapshot = state.average
        if self.options.fit_prior and not is_first:
            snapshot = with_fitted_prior(state.average, self.batches, self.plan)
        self.look.draw(snapshot, self.directory.grid(state.images_seen))
        measured = SnapshotNetworks(snapshot, self.device, self.plan.autocast_dtype)
        measures = {} if is_first else self.validation.measure(measured)
        score = measures.get("score", float(state.images_seen))
        is_better = progress.best_score is None or is_first or score > progress.best_score
        progress.ticks_since_best = 0 if is_better else progress.ticks_since_best + 1
        # Of snapshots that the measure cannot tell apart the later: label still leaves style, which it does not see.
        if is_better or (progress.best_score is not None and score > progress.best_score - _SCORE_NOISE):
            if is_better:
                progress.best_score = None if is_first else score
            progress.best_images_seen, progress.best_measures = state.images_seen, measures
            inherited = self.source.header if self.source is not None else None
            header = header_of(self.run, self.options, self.data, inherited, state.images_seen)
            save_model(self.directory.model, header, snapshot)
        for warning in health.warnings(**self.look.vital_signs(snapshot)):
            self.reporter.warn(warning)
        tick = {
            "images_seen": state.images_seen, "images_per_s": round(rate, 1), "elapsed_s": round(elapsed, 1),
            "augment_probability": round(state.augment_probability, 4), "terms": averages, "validation": measures,
            "best_images_seen": progress.best_images_seen,
        }  # fmt: skip
        self.directory.write_stats([*ticks, tick])
        if self.events is not None:
            for group in (averages, measures):
                for name, value in group.items():
                    self.events.add_scalar(name, value, state.images_seen)
            self.events.flush()
        progress.sums, progress.steps = {}, 0
        self._save()
        shown_measures = ("agreement", "kept", "followed", "score")
        task.note(" ".join(f"{name} {measures[name]:.2f}" for name in shown_measures if name in measures))
        self.tick_began = time.monotonic()

    def _save(self) -> None:
        self._read()
        save_state(self.directory.state, self.state.tensors(), self._record())
        self.saved_at = self.state.images_seen

    def _record(self) -> dict[str, Any]:
        """What a checkpoint holds beside the tensors."""
        return {
            **asdict(self.progress),
            "elapsed_s": self._elapsed_s() if self.options.hours is not None else 0.0,
            "images_seen": self.state.images_seen,
            "augment_probability": self.state.augment_probability,
        }

    def _load(self, tensors: Mapping[str, torch.Tensor], record: dict[str, Any]) -> None:
        try:
            self.state.load_tensors(tensors)
            self.state.images_seen = int(record.pop("images_seen"))
            self.state.augment_probability = float(record.pop("augment_probability"))
            check_types(Progress, record)
            self.progress = Progress(**record)
            if self.state.images_seen < 0 or not 0 <= self.state.augment_probability <= 1:
                raise ValueError("numbers out of range")
        except UNFIT as error:
            raise WeightsError(
                self.directory.state,
                "the checkpoint does not belong to this run",
                "name another folder with --out",
            ) from error

    def _share_used(self) -> float:
        """Share of the budget that is used, by images and by time, whichever is more; 0 without a budget."""
        shares = [0.0]
        if self.options.kimg is not None:
            shares.append(self.state.images_seen / (1000 * self.options.kimg))
        if self.options.hours is not None:
            shares.append(self._elapsed_s() / (3600 * self.options.hours))
        return min(1.0, max(shares))

    def _elapsed_s(self) -> float:
        """Time spent on the run by this and earlier commands."""
        return self.progress.elapsed_s + time.monotonic() - self.began

    def _over(self) -> str:
        """Why the run is over, or nothing."""
        options = self.options
        if options.kimg is not None and self.state.images_seen >= 1000 * options.kimg:
            return "kimg"
        if options.hours is not None and self._elapsed_s() >= 3600 * options.hours:
            return "hours"
        is_limited = options.kimg is not None or options.hours is not None
        if not is_limited and self.progress.ticks_since_best >= options.patience:
            return "patience"
        return ""


def open_events(folder: Path) -> Any:
    """A TensorBoard writer.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "--tensorboard", "TensorBoard is not installed", "pip install 'drai-cli[tensorboard]'"
        ) from error
    return SummaryWriter(folder)
