"""The training loop: steps, and what happens at every tick. Knows the run directory, not the command line."""

from __future__ import annotations

import signal
import time
from typing import Any

import torch

from drai_cli.data.prepared import PreparedSet
from drai_cli.io.files import file_sha256
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import LoadedModel, save_model
from drai_cli.progress import Reporter, Task
from drai_cli.run.budget import Budget
from drai_cli.run.checkpoints import Checkpoints, Progress
from drai_cli.run.directory import RunDirectory
from drai_cli.run.events import open_events, write_events
from drai_cli.run.failures import explain_device_failure, explain_write_failure
from drai_cli.run.feature_network import FeatureNetwork
from drai_cli.run.forecast import FIRST_TICK_IMAGES, Forecast, describe_plan, expect_costs
from drai_cli.run.look import Look
from drai_cli.run.model_header import make_header
from drai_cli.run.progress_page import ProgressPage
from drai_cli.run.stop_signals import stop_signals
from drai_cli.run.thread_count import ThreadCount
from drai_cli.run.validation import SnapshotNetworks, Validation
from drai_cli.run.warm_start import warm_start
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.model_options import TrainRun
from drai_cli.training import health, schedule
from drai_cli.training.graphs import make_stepper
from drai_cli.training.parallel import ALONE, Processes
from drai_cli.training.prior_fit import count_to_encode, fit_prior
from drai_cli.training.setup import make_batches, make_plan
from drai_cli.training.state import TrainingState
from drai_cli.training.style_trim import trim_style, trims_style

_SCORE_NOISE = 0.01
_GPU_LOOK_EVERY = 16
_REASONS = ("", "kimg", "hours", "patience")


class Trainer:
    """A run in progress: its state, its batches, and the loop over them."""

    def __init__(
        self,
        run: TrainRun,
        options: TrainOptions,
        data: PreparedSet,
        source: LoadedModel | None,
        directory: RunDirectory,
        device: torch.device,
        reporter: Reporter,
        page: ProgressPage,
        processes: Processes = ALONE,
        features: FeatureNetwork | None = None,
        image_s: float = 0.0,
    ) -> None:
        self.page, self.warnings = page, list[str]()
        self.run, self.options, self.data = run, options, data
        self.source, self.directory, self.device, self.reporter = source, directory, device, reporter
        self.processes = processes
        self.features, frozen = features, None if features is None else features.frozen
        self.state = TrainingState(options, data.schema.slots(), device, frozen)
        self.progress = Progress()
        self.budget = Budget(options)
        self.threads = ThreadCount(device.type == "cpu" and processes.size == 1, reporter)
        is_timed = options.hours is not None
        self.checkpoints = Checkpoints(directory, self.state, self.budget, is_timed, reporter)
        self.batches = make_batches(data, options, device, processes)
        self.plan = make_plan(data, options, processes)
        self.make_step = make_stepper(self.state, self.plan)
        # Terms that are not checked yet. Reading them waits for the GPU, so it is done every few steps.
        self.unread: list[tuple[int, tuple[str, ...], torch.Tensor]] = []
        self.look_every = _GPU_LOOK_EVERY if device.type == "cuda" else 1
        self.look = Look(self.state, data, device)
        symmetry = self.batches.symmetry
        self.validation = Validation(data, directory.judge, symmetry, options.seed, device, reporter)
        self.image_s, self.is_new = image_s, False
        self.tick_began = time.monotonic()
        self.images_since_tick = 0
        self.resumed_from = 0
        self.share_used = 0.0
        self.saved_at: int | None = None
        self.events: Any = None  # TensorBoard's writer

    def train(self) -> str:
        """Trains until the run is over or a signal stops it; returns why: see `TrainResult.stopped_by`."""
        self._begin()
        if self._agree()[0]:
            return "nothing to do"
        self._check_room()
        # A step is never cut: the last one may go beyond the budget.
        total = None if self.options.kimg is None else self.forecast.images_of_budget
        on_device = explain_device_failure(
            self.device, self.options.batch_size, self.processes.is_first, lambda: self.saved_at
        )
        with (
            stop_signals() as asked_to_stop,
            on_device,
            self.reporter.task("training", total, "images") as task,
        ):
            task.advance(self.state.images_seen)
            reason = ""
            self.tick_began = time.monotonic()
            # Tick zero: the model to start from is measured as all snapshots are, and the best if none is better.
            if self.is_new and self.source is not None:
                self._tick(task, reason)
            while not reason:
                # Step: one batch updates all networks.
                self._step(task)
                # Look: are the terms finite? On a GPU every few steps.
                if self._is_due(self.look_every):
                    self._look()
                # Tick: measure, and keep the best model. All processes agree on when and why the run ends.
                reason, stop = self._agree(asked_to_stop())
                is_tick = bool(reason) or self._is_tick()
                if is_tick:
                    self._tick(task, reason)
                    over, stop = self._agree(asked_to_stop())
                    # If the hours ran out during a tick, one more step ends the run, so that the files say so too.
                    reason = reason or ("" if over == "hours" else over)
                # Keep: a signal ends the run after a whole step, with a checkpoint.
                if stop and not reason:
                    if not is_tick:
                        self._keep()
                    self._write_page(stop)
                    return stop
        return reason

    def _begin(self) -> None:
        """Loads the checkpoint, or another model's weights; the other processes receive them from the first."""
        saved = self.checkpoints.load() if self.processes.is_first else None
        if saved is not None:
            self.progress = saved
            self.reporter.info(f"resuming at {self.state.images_seen / 1000:g} kimg")
        self.is_new = saved is None
        if saved is None and self.source is not None:
            taken = warm_start(self.state, self.source, self.data.schema)
            self.reporter.info(
                f"weights from {self.run.init}: {', '.join(taken.taken)}; new: {', '.join(taken.new)}"
            )
        if self.processes.size > 1:
            record = self.processes.from_first(self.checkpoints.record(self.progress))
            tensors = self.processes.tensors_from_first(self.state.tensors())
            if not self.processes.is_first:
                self.progress = self.checkpoints.restore(tensors, record)
        if self.processes.is_first and self.checkpoints.is_model_lost(self.progress):
            self.reporter.warn(f"{self.directory.model} is damaged: the current averaged weights replace it")
            self.progress.best_images_seen, self.progress.best_measures = self.state.images_seen, {}
            self.progress.best_score = None  # so that the next tick keeps the better of both
            self._save_model(self.state.average)
        self.threads.begin(self.progress.threads)
        self.resumed_from = self.state.images_seen
        self.saved_at = self.resumed_from or None
        if self.run.tensorboard and self.processes.is_first:
            self.events = open_events(self.directory.events, self.resumed_from)
        if self.batches.balance:
            self.reporter.info(f"classes are balanced: sampled by n^-{self.batches.balance:g}")
        self.validation.check_possible(self.budget.is_limited)
        self.forecast = self._make_forecast()
        if not self._agree()[0] and self.processes.is_first:
            for sentence in describe_plan(self.forecast, *self._place()):
                self.reporter.info(f"plan: {sentence}")

    def _make_forecast(self) -> Forecast:
        judge_s, ticks = 0.0, []
        if self.processes.is_first:
            ticks = self.directory.read_stats(self.state.images_seen)
            if not self.budget.reason_to_end(self.state.images_seen, 0):
                judge_s = self.validation.estimate_judge_s()
        costs = expect_costs(self.image_s, judge_s, ticks)
        is_warm = self.source is not None
        return Forecast(self.options, self.budget, costs, self.validation.is_possible, is_warm)

    def _place(self) -> tuple[int, int, bool]:
        """Where in the run it is, for the forecast."""
        progress = self.progress
        return self.state.images_seen, progress.ticks_since_best, progress.best_score is not None

    def _check_room(self) -> None:
        model_bytes = sum(tensor.nbytes for tensor in self.state.average.state_dict().values())
        with explain_write_failure(lambda: self.saved_at):
            self.directory.check_room(self.state.saved_bytes, model_bytes, self.reporter)

    def _agree(self, asked: str = "") -> tuple[str, str]:
        """Why the run is over, and which signal asks to stop; each empty if not. The same for all processes.

        The clock, the measures and the augmentation are those of the first process; the signal may come to any.
        """
        state, progress = self.state, self.progress
        own = [0.0, 0.0, 0.0]
        if self.processes.is_first:
            reason = self.budget.reason_to_end(state.images_seen, progress.ticks_since_best)
            share_used = self.budget.share_used(state.images_seen)
            own = [float(_REASONS.index(reason)), share_used, state.augment_probability]
        number = float(signal.Signals[asked]) if asked else 0.0
        number, index, self.share_used, state.augment_probability = self.processes.largest([number, *own])
        return _REASONS[int(index)], signal.Signals(int(number)).name if number else ""

    def _is_due(self, every: int) -> bool:
        """Whether the number of steps is a multiple of `every`."""
        return self.state.images_seen // self.options.batch_size % every == 0

    def _is_tick(self) -> bool:
        """Whether this step crossed a tick; the first comes early, so that there is something to see."""
        every, seen, before = 1000 * self.options.tick_kimg, self.state.images_seen, self.options.batch_size
        first = min(every, float(FIRST_TICK_IMAGES))
        crossed = seen // every != (seen - before) // every
        return crossed or seen - before < first <= seen

    # Step

    def _step(self, task: Task) -> None:
        options, state = self.options, self.state
        seen = state.images_seen
        state.set_rates(
            schedule.learning_rate_factors(options, seen, self.share_used, self.source is not None)
        )
        has_penalty = self._is_due(options.objective.r1_interval)
        terms = self.make_step(self.batches.at(seen, state.augment_probability), has_penalty)
        state.update_average(schedule.average_keep(options, seen))
        # One copy from the device, not one per term.
        values = torch.stack([term.float() for term in terms.values()])
        self.unread.append((state.images_seen, tuple(terms), values))
        self.images_since_tick += options.batch_size
        self.forecast.measured_steps(self.images_since_tick, time.monotonic() - self.tick_began)
        left = self.forecast.left(*self._place())
        task.expect(left.seconds, is_least=left.is_least, per_s=1 / max(self.forecast.costs.image_s, 1e-9))
        task.advance(options.batch_size)

    # Look

    def _look(self) -> None:
        """Checks that the terms of recent steps are finite, adds them up, and adapts the augmentation."""
        options, state = self.options, self.state
        for seen, names, tensor in self.unread:
            values = dict(zip(names, tensor.tolist(), strict=True))
            health.check_finite(values, seen)
            if "real_sign" in values:
                state.augment_probability = schedule.next_augment_probability(
                    options, state.augment_probability, values["real_sign"]
                )
            for name, value in values.items():
                # R1 is computed once per interval and counts for all of it.
                weight = options.objective.r1_interval if name == "r1" else 1
                self.progress.sums[name] = self.progress.sums.get(name, 0.0) + weight * value
            self.progress.steps += 1
        self.unread.clear()

    # Tick

    def _tick(self, task: Task, reason: str) -> None:
        """Writes grid, best model, stats and checkpoint, in this order: after a crash in between they are repeated."""
        if not self.processes.is_first:
            return
        self._look()
        began, had_judge = time.monotonic(), self.validation.judge is not None
        state, progress = self.state, self.progress
        ticks = self.directory.read_stats(up_to=state.images_seen - 1)
        elapsed = time.monotonic() - self.tick_began
        averages = {name: value / max(1, progress.steps) for name, value in sorted(progress.sums.items())}
        rate = progress.steps * self.options.batch_size / max(elapsed, 1e-9)
        with explain_write_failure(lambda: self.saved_at):
            measures = self._measure_snapshot(bool(reason))
            tick = {
                "images_seen": state.images_seen, "images_per_s": round(rate, 1), "elapsed_s": round(elapsed, 1),
                "augment_probability": round(state.augment_probability, 4), "terms": averages,
                "validation": measures, "best_images_seen": progress.best_images_seen,
                "warnings": self.warnings,
            }  # fmt: skip
            self.directory.write_stats([*ticks, tick])
            self._write_page(reason)
            if self.events is not None:
                write_events(self.events, averages | measures, state.images_seen)
        if not reason:
            self.threads.look(rate, [earlier.get("images_per_s") for earlier in ticks])
        progress.sums, progress.steps = {}, 0
        self._keep()
        noted = ("agreement", "kept", "followed", "score")
        task.note(" ".join(f"{name} {measures[name]:.2f}" for name in noted if name in measures))
        self.tick_began, self.images_since_tick = time.monotonic(), 0
        judge_s = 0.0 if had_judge else self.validation.judge_took_s
        self.forecast.measured_tick(self.tick_began - began, judge_s, bool(measures))

    def _measure_snapshot(self, is_last: bool) -> dict[str, float]:
        """Draws and measures the averaged networks, and saves them as the model if none are better."""
        state, progress = self.state, self.progress
        # The first tick should show something within a minute: prior and judge wait for the second, or for the last.
        # What --init starts from is there at once, so that all ticks are measured.
        is_first = progress.best_score is None and not progress.best_images_seen and not is_last
        is_first &= state.images_seen > 0
        snapshot = state.average
        if self.options.fit_prior and not is_first:
            with self.reporter.stage(
                "fitting the content prior", count_to_encode(self.batches), "images"
            ) as encoding:
                snapshot = fit_prior(state.average, self.batches, self.plan, encoding.advance)
        if trims_style(snapshot, self.plan) and not is_first:
            with self.reporter.stage(
                "trimming the style", count_to_encode(self.batches), "images"
            ) as encoding:
                snapshot = trim_style(snapshot, self.batches, self.plan, encoding.advance)
        self.look.draw(snapshot, self.directory.grid(state.images_seen))
        networks = SnapshotNetworks(snapshot, self.device, self.plan.autocast_dtype)
        measures = {} if is_first else self.validation.measure(networks)
        score = measures.get("score", float(state.images_seen))
        is_better = progress.best_score is None or is_first or score > progress.best_score
        progress.ticks_since_best = 0 if is_better else progress.ticks_since_best + 1
        # Of snapshots with the same score but for noise the last is kept: the score does not see that the label still
        # disappears from style.
        if is_better or (progress.best_score is not None and score > progress.best_score - _SCORE_NOISE):
            if is_better:
                progress.best_score = None if is_first else score
            progress.best_images_seen, progress.best_measures = state.images_seen, measures
            self._save_model(snapshot)
        self.warnings = health.warnings(**self.look.vital_signs(snapshot))
        for warning in self.warnings:
            self.reporter.warn(warning)
        return measures

    def _write_page(self, reason: str) -> None:
        """Writes the progress page, if a tick is there to be shown."""
        ticks = self.directory.read_stats(up_to=self.state.images_seen) if self.processes.is_first else []
        if ticks:
            self.page.write(ticks, reason, self.forecast.left(*self._place()))

    def _save_model(self, networks: Networks) -> None:
        inherited = self.source.header if self.source is not None else None
        seen, features = self.state.images_seen, self.features
        header = make_header(self.run, self.options, self.data, inherited, seen, features)
        save_model(self.directory.model, header, networks)
        self.progress.best_sha256 = file_sha256(self.directory.model)

    # Keep

    def _keep(self) -> None:
        """Writes the checkpoint; only the first process does."""
        if not self.processes.is_first:
            return
        self._look()
        self.progress.threads = self.threads.now
        with explain_write_failure(lambda: self.saved_at):
            self.checkpoints.save(self.progress)
        self.saved_at = self.state.images_seen
