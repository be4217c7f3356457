"""`drai train`: from a data set to a run directory. Running it again on the same directory goes on with it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from drai_cli import __version__
from drai_cli.checkpoint import LoadedModel, ModelHeader, load_model, load_state, save_model, save_state
from drai_cli.config import TrainOptions, objective_of
from drai_cli.data.options import DataOptions
from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.data.split import write_split
from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.hub import locate_weights
from drai_cli.io.files import shown
from drai_cli.io.raster import write_png
from drai_cli.presets import KNOWN_SETS, KnownSet
from drai_cli.progress import SILENT, Reporter, Task
from drai_cli.training import health, schedule
from drai_cli.training.augment import Changes, Symmetry
from drai_cli.training.batches import Batches
from drai_cli.training.grid import COLUMNS, draw_grid
from drai_cli.training.state import TrainingState
from drai_cli.training.step import StepPlan, train_step
from drai_cli.workflows.inference import choose_device
from drai_cli.workflows.run_directory import RunDirectory
from drai_cli.workflows.validation import Validation
from drai_cli.workflows.warm_start import warm_start

INTENDED_USE = (
    "Synthetic images for research: training and testing of image analysis, teaching, sharing in place of patients' "
    "images after the user's own privacy check. Not for diagnosis or any decision about a patient, and no evidence of "
    "how a disease looks."
)


@dataclass(frozen=True)
class TrainRun:
    """One `drai train`.

    Attributes:
        data: What is trained on.
        training: How.
        out: The run directory.
        init: WEIGHTS to start from; None: fresh.
        device: Where to compute (cuda, mps, cpu); None: the first of these there is.
        licence: SPDX expression for the model; None: what is known of the data set or of `init`.
    """

    data: DataOptions
    training: TrainOptions
    out: Path
    init: str | None = None
    device: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        run: The run directory.
        images_seen: Real images shown in all.
        resumed_from: Images seen when this command began, 0 for a new run.
        is_finished: Whether the budget is used up; False after Ctrl-C.
        stopped_by: `kimg`, `hours`, `patience`, `signal`, or `nothing to do`.
        best_images_seen: Of the snapshot in `model.safetensors`.
        measures: Validation measures of that snapshot.
    """

    run: Path
    images_seen: int
    resumed_from: int
    is_finished: bool
    stopped_by: str
    best_images_seen: int
    measures: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "run": str(self.run), "measures": dict(self.measures)}


@dataclass
class Progress:
    """The record beside the weights in a checkpoint.

    Attributes:
        best_score: Of the snapshot in `model.safetensors`.
        best_images_seen: Of that snapshot.
        best_measures: Its validation measures.
        ticks_since_best: For the patience of an unlimited run.
        finished_by: Why the run is over; empty while it is not.
        sums: Terms added up since the last tick.
        steps: Steps since the last tick.
    """

    best_score: float | None = None
    best_images_seen: int = 0
    best_measures: dict[str, float] = field(default_factory=dict)
    ticks_since_best: int = 0
    finished_by: str = ""
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0


def train(run: TrainRun, reporter: Reporter = SILENT) -> TrainResult:
    """Trains, or goes on with, the run in `run.out`.

    Raises:
        InputError: The data cannot be used, or the training diverges.
        UsageError: The directory holds a run with other settings.
        OverwriteError: The directory holds something else.
        WeightsError: `init` or the checkpoint cannot be used.
    """
    device = choose_device(run.device)
    reporter.info(f"device: {device}")
    directory = RunDirectory(run.out)
    is_resumed = directory.is_begun
    if is_resumed:
        directory.check_same(settings_of(run))
    source = load_model(locate_weights(run.init)) if run.init else None
    data = prepare(
        run.data, seed=run.training.seed,
        split_file=directory.split if directory.split.exists() else None, reporter=reporter,
    )  # fmt: skip
    options, known = resolve_options(run, data, source)
    if not is_resumed:
        directory.begin(settings_of(run))
    if not directory.split.exists():
        write_split(directory.split, data.entries, data.parts.tolist())
    trainer = Trainer(run, options, known, data, source, directory, device, reporter)
    return trainer.go_on()


def settings_of(run: TrainRun) -> dict[str, Any]:
    """What `config.json` holds: everything that decides the result."""
    data = {**asdict(run.data), "path": str(run.data.path), "metadata": str(run.data.metadata or "")}
    data.pop("cache_dir")
    data["conditions"] = list(run.data.conditions)
    training = run.training.to_json()
    return {
        "data": data, "training": training, "init": run.init, "licence": run.licence, "version": __version__,
    }  # fmt: skip


def resolve_options(
    run: TrainRun, data: PreparedSet, source: LoadedModel | None
) -> tuple[TrainOptions, KnownSet]:
    """The options with what depends on the data filled in: channels, symmetry, and `init`'s architecture."""
    options, known = run.training, KNOWN_SETS.get(str(data.summary["kind"]), KnownSet())
    channels = int(data.images.shape[3])
    model = replace(options.model, image_size=run.data.size, image_channels=channels)
    if source is not None:
        model = source.header.architecture
        if (model.image_size, model.image_channels) != (run.data.size, channels):
            raise UsageError(
                f"--init {run.init}",
                f"the model makes images of {model.image_size} px with {model.image_channels} channels, "
                f"the data is {run.data.size} px with {channels}",
                f"add --size {model.image_size} --channels {model.image_channels}",
            )
    train_rows = len(data.rows("train"))
    if train_rows < options.batch_size:
        raise InputError(
            shown(run.data.path),
            f"expected at least as many training images as a batch holds ({options.batch_size}), got {train_rows}",
            f"add --batch-size {max(4, train_rows // 2)}, or use more images",
        )
    symmetry: Symmetry = options.symmetry or known.symmetry
    return replace(
        options, model=model, symmetry=symmetry, objective=objective_of(options.method, options.objective)
    ), known


class Trainer:
    """A run at work: the state, the batches, and what happens at every tick."""

    def __init__(
        self,
        run: TrainRun,
        options: TrainOptions,
        known: KnownSet,
        data: PreparedSet,
        source: LoadedModel | None,
        directory: RunDirectory,
        device: torch.device,
        reporter: Reporter,
    ) -> None:
        self.run, self.options, self.known, self.data = run, options, known, data
        self.source, self.directory, self.device, self.reporter = source, directory, device, reporter
        schema = data.schema
        self.state = TrainingState(options, schema.dim, device)
        self.progress = Progress()
        assert options.symmetry is not None
        widths = tuple(attribute.width for attribute in schema.attributes)
        self.batches = Batches(
            data.images,
            data.conditions,
            data.labels,
            data.rows("train"),
            widths,
            options,
            options.symmetry,
            device,
        )
        self.plan = StepPlan(
            options.objective,
            Changes(options.symmetry),
            schema.slices(),
            tuple(attribute.kind == "categorical" for attribute in schema.attributes),
            autocast_dtype(options.precision, device),
        )
        self.validation = Validation(data, directory.judge, options.seed, device)
        self.began = time.monotonic()
        self.tick_began = self.began
        self.resumed_from = 0

    def go_on(self) -> TrainResult:
        """Trains from where the run stands to its end."""
        if self.directory.state.exists():
            self._resume()
        elif self.source is not None:
            taken = warm_start(self.state, self.source, self.data.schema)
            self.reporter.info(
                f"taken from {self.run.init}: {', '.join(taken.taken)}; new: {', '.join(taken.new)}"
            )
        if self.batches.balance:
            self.reporter.info(f"classes are balanced: sampled by n^-{self.batches.balance:g}")
        reason = self._over()
        if reason:
            return self._result(reason if self.resumed_from == 0 else "nothing to do", is_finished=True)
        total = None if self.options.kimg is None else int(self.options.kimg * 1000)
        with _stop_signals() as is_asked_to_stop, self.reporter.task("training", total, "images") as task:
            task.advance(self.state.images_seen)
            while not reason:
                self._step(task)
                reason = self._over()
                if is_asked_to_stop():
                    self._save()
                    return self._result("signal", is_finished=False)
                if reason or self._is_tick():
                    self._tick(task, reason)
                    reason = reason or self._over()
        return self._result(reason, is_finished=True)

    def _step(self, task: Task) -> None:
        options, state = self.options, self.state
        seen = state.images_seen
        state.set_rates(
            schedule.learning_rate_factors(options, seen, self._share_used(), self.source is not None)
        )
        index = seen // options.batch_size
        interval = options.objective.r1_interval
        terms = train_step(state, self.batches.at(seen), self.plan, has_penalty=index % interval == 0)
        state.update_average(schedule.average_keep(options, seen))
        values = {name: float(value) for name, value in terms.items()}
        health.check_finite(values, state.images_seen)
        if "real_sign" in values:
            state.augment_probability = schedule.next_augment_probability(
                options, state.augment_probability, values["real_sign"]
            )
        for name, value in values.items():
            # R1 comes once an interval and counts for all of it.
            weight = interval if name == "r1" else 1
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + weight * value
        self.progress.steps += 1
        task.advance(options.batch_size)

    def _is_tick(self) -> bool:
        """Whether this step crossed a tick; the first comes early, so that there is something to look at."""
        every, seen, before = 1000 * self.options.tick_kimg, self.state.images_seen, self.options.batch_size
        first = min(every, 2000.0)
        crossed = seen // every != (seen - before) // every
        return crossed or seen - before < first <= seen

    def _tick(self, task: Task, reason: str) -> None:
        """Stats, grid, validation measure, best model, checkpoint, in this order: a crash between two repeats them."""
        state, progress = self.state, self.progress
        ticks = self.directory.read_stats(up_to=state.images_seen - 1)
        elapsed = time.monotonic() - self.tick_began
        averages = {name: value / max(1, progress.steps) for name, value in sorted(progress.sums.items())}
        rate = progress.steps * self.options.batch_size / max(elapsed, 1e-9)
        self._draw_grid()
        is_first = not ticks and not reason
        # The judge is trained at the second tick: the first is there to be looked at within a minute.
        measures = {} if is_first else self.validation.measure(_Averaged(state, self.plan.autocast_dtype))
        score = measures.get("score", float(state.images_seen))
        if progress.best_score is None or is_first or score > progress.best_score:
            progress.best_score = None if is_first else score
            progress.best_images_seen, progress.best_measures = state.images_seen, measures
            progress.ticks_since_best = 0
            save_model(self.directory.model, self._header(), state.average)
        else:
            progress.ticks_since_best += 1
        for warning in health.warnings(**self._vital_signs(averages)):
            self.reporter.warn(warning)
        tick = {
            "images_seen": state.images_seen, "images_per_s": round(rate, 1), "elapsed_s": round(elapsed, 1),
            "augment_probability": round(state.augment_probability, 4), "terms": averages, "validation": measures,
            "best_images_seen": progress.best_images_seen,
        }  # fmt: skip
        self.directory.write_stats([*ticks, tick])
        progress.sums, progress.steps = {}, 0
        progress.finished_by = reason or self._over()
        self._save()
        shown_measures = ("agreement", "kept", "followed", "score")
        task.note(" ".join(f"{name} {measures[name]:.2f}" for name in shown_measures if name in measures))
        self.tick_began = time.monotonic()

    def _vital_signs(self, averages: Mapping[str, float]) -> dict[str, float]:
        """What `health.warnings` asks for, from a few validation images and samples."""
        rows = self.data.rows("validation")[: 4 * COLUMNS]
        if len(rows) < COLUMNS:
            rows = self.data.rows("train")[: 4 * COLUMNS]
        generator = torch.Generator().manual_seed(0)
        condition = torch.from_numpy(self.data.conditions[rows]).to(self.device)
        state = self.state
        with torch.inference_mode():
            content = state.average.content_prior(condition).mean
            style = torch.randn(len(rows), self.options.model.style_dim, generator=generator).to(self.device)
            made = state.average.generator(content, style)
            real = self.batches.to_device(rows)
            discriminator = state.adversaries.discriminator
            sign = discriminator.image(discriminator.trunk(real)).sign().mean()
        return {
            "spread": float(made.std(0).mean() / real.std(0).mean().clamp(min=1e-6)),
            "real_sign": averages.get("real_sign", 0.0),
            "held_out_sign": float(sign),
            "augment_probability": state.augment_probability,
        }

    def _draw_grid(self) -> None:
        rows = self.data.rows("validation")
        if len(rows) < COLUMNS:
            rows = self.data.rows("train")
        labels = self.data.labels[rows]
        # One image of each label in turn, so that the swaps show differing contents.
        turn = np.zeros(len(rows), np.int64)
        for label in np.unique(labels):
            turn[labels == label] = np.arange((labels == label).sum())
        chosen = rows[np.lexsort((labels, turn))[:COLUMNS]]
        schema = self.data.schema
        conditions = schema.encode([{schema.label.name: label} for label in schema.labels])
        sheet = draw_grid(
            self.state.average, self.data.images[np.sort(chosen)], torch.from_numpy(conditions),
            self.options.model.style_dim, self.device,
        )  # fmt: skip
        write_png(
            self.directory.grid(self.state.images_seen), sheet, {"Comment": "synthetic images made by drai"}
        )

    def _header(self) -> ModelHeader:
        options, data = self.options, self.data
        parts = {part: counts["images"] for part, counts in data.summary["parts"].items()}
        inherited = self.source.header if self.source is not None else None
        licence = self.run.licence or self.known.licence or (inherited.licence if inherited else "")
        texts = [
            self.known.attribution,
            f"Started from: {inherited.data}" if inherited and inherited.data else "",
        ]
        training = options.to_json()
        # The budget and the machine's part in it are no property of the weights.
        for name in ("kimg", "hours", "tick_kimg", "patience", "model"):
            training.pop(name)
        if inherited and inherited.licence not in ("", licence):
            licence = f"{licence} AND {inherited.licence}" if licence else inherited.licence
        largest = int(np.iinfo(data.images.dtype).max)
        return ModelHeader(
            architecture=options.model,
            schema=data.schema,
            method=options.method,
            intensity={"dtype": str(data.images.dtype), "low": 0, "high": largest, "unit": ""},
            training={
                "kind": data.summary["kind"],
                "images": parts,
                "label_counts": data.summary["parts"]["train"]["classes"],
                "fit": self.run.data.fit,
                "images_seen": self.state.images_seen,
                "seed": options.seed,
                "version": __version__,
                "is_warm_start": inherited is not None,
                "options": training,
            },
            data=" ".join(text for text in texts if text),
            licence=licence,
            intended_use=INTENDED_USE,
        )  # fmt: skip

    def _save(self) -> None:
        record = {
            **asdict(self.progress),
            "images_seen": self.state.images_seen,
            "augment_probability": self.state.augment_probability,
        }
        save_state(self.directory.state, self.state.tensors(), record)

    def _resume(self) -> None:
        tensors, record = load_state(self.directory.state)
        try:
            self.state.load_tensors(tensors)
            self.state.images_seen = int(record.pop("images_seen"))
            self.state.augment_probability = float(record.pop("augment_probability"))
            self.progress = Progress(**record)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise WeightsError(
                shown(self.directory.state),
                "the checkpoint does not belong to this run",
                "name another folder with --out",
            ) from error
        if self.progress.finished_by in ("kimg", "hours"):
            # A larger budget may be asked for now; `_over` decides.
            self.progress.finished_by = ""
        self.resumed_from = self.state.images_seen
        self.reporter.info(f"going on from {self.state.images_seen / 1000:g} kimg")

    def _share_used(self) -> float:
        """Share of the budget that is used, by images and by time, whichever is more; 0 without a budget."""
        shares = [0.0]
        if self.options.kimg is not None:
            shares.append(self.state.images_seen / (1000 * self.options.kimg))
        if self.options.hours is not None:
            shares.append((time.monotonic() - self.began) / (3600 * self.options.hours))
        return min(1.0, max(shares))

    def _over(self) -> str:
        """Why the run is over, or nothing."""
        options = self.options
        if self.progress.finished_by:
            return self.progress.finished_by
        if options.kimg is not None and self.state.images_seen >= 1000 * options.kimg:
            return "kimg"
        if options.hours is not None and time.monotonic() - self.began >= 3600 * options.hours:
            return "hours"
        is_limited = options.kimg is not None or options.hours is not None
        if not is_limited and self.progress.ticks_since_best >= options.patience:
            return "patience"
        return ""

    def _result(self, reason: str, *, is_finished: bool) -> TrainResult:
        return TrainResult(
            self.run.out, self.state.images_seen, self.resumed_from, is_finished, reason,
            self.progress.best_images_seen, self.progress.best_measures,
        )  # fmt: skip


class _Averaged:
    """The averaged networks as the measures want them: at the training's precision."""

    def __init__(self, state: TrainingState, dtype: torch.dtype | None) -> None:
        average, kind = state.average, state.device.type

        def at_precision(network: Any) -> Any:
            def call(*inputs: torch.Tensor) -> Any:
                with torch.autocast(kind, dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                    return network(*inputs)

            return call

        self.generator = at_precision(average.generator)
        self.encoder = None if average.encoder is None else at_precision(average.encoder)
        self.content_prior = average.content_prior
        self.style_dim = average.generator.style_dim


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """bfloat16 where it is asked for or faster, else None for float32."""
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported()
        else:
            # On CPUs without these instructions bfloat16 is emulated, and slower.
            fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if fast else None
    return torch.bfloat16 if precision == "bf16" else None


@contextmanager
def _stop_signals() -> Iterator[Any]:
    """Within it, the first SIGINT or SIGTERM only sets a flag, so that a step ends whole; a second acts as usual."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
