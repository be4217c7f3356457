"""`drai sample`: labelled images from a model, written while the next are made."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Condition
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.codes import draw_noise
from drai_cli.cores import usable_cores
from drai_cli.errors import UsageError
from drai_cli.header import ModelHeader, model_fit
from drai_cli.io.files import file_sha256
from drai_cli.io.room import check_room
from drai_cli.launch import Place, launched
from drai_cli.memory import warn_smaller
from drai_cli.progress import SILENT, Reporter, Task
from drai_cli.workflows.manifest import Job
from drai_cli.workflows.options import SAMPLE_FORMATS, SampleOptions
from drai_cli.workflows.sample_files import SampleEncoder, check_compression
from drai_cli.workflows.sample_output import SampleOutput
from drai_cli.workflows.sample_plan import Item, Plan, parse_attributes, plan_samples
from drai_cli.workflows.sample_store import Placed
from drai_cli.workflows.sampler import CopyCheck, Sampler, open_sampler

_MAX_WRITERS = 8
_BLOCK_BYTES = 4096
# Positions, and what is to be recorded of each: None of one that is left out.
Written = Future[list[tuple[int, Placed | None]]]


@dataclass(frozen=True)
class SampleResult:
    """What a `sample` command did.

    Attributes:
        out: The folder.
        images: Images that this command stands for (its shard's).
        made: Of these, made now.
        found: Of these, there already from the same command, interrupted or done.
        rejected: Of these, left out as copies of training images.
        labels: Images of each label in the whole job.
        is_complete: Whether the whole job, all shards, is done.
        seed: As given.
        shard: As given, or as the launcher's processes share the job; None: all of it.
        device: Where it was computed.
        precision: Arithmetic of the networks.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    out: Path
    images: int
    made: int
    found: int
    rejected: int
    labels: Mapping[str, int]
    is_complete: bool
    seed: int
    shard: str | None
    device: str
    precision: str
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out), "labels": dict(self.labels)}


def sample(options: SampleOptions, reporter: Reporter = SILENT) -> SampleResult:
    """Samples images into a folder; the same command goes on where it was interrupted.

    Raises:
        UsageError: Options that contradict each other or the model.
        InputError: A table or image that cannot be used, or a folder that cannot be written.
        WeightsError, NetworkError: A model that cannot be found or used.
        OverwriteError: The folder holds anything else than this job's images.
    """
    part = part_of(options.shard, launched())
    _check(options)
    sampler = open_sampler(options.weights, options.device, options.precision, options.runtime, reporter)
    plan = plan_samples(options, sampler.header, reporter)
    style = (
        None
        if options.style_from is None
        else style_of(sampler, options.style_from, options.frame, options.window, reporter)
    )
    copies = None
    if options.reject_copies:
        from drai_cli.workflows.copy_filter import copy_filter

        copies = copy_filter(options, sampler.header, reporter)
    settled = _job_options(options, plan) | ({} if copies is None else {"reject_copies": copies.key})
    job = Job(__version__, sampler.sha256, settled, sampler.origin)
    output = SampleOutput(options.out, plan, job, options.seed, part)
    images = output.stop - output.start
    if images == 0 and plan.tar_images is not None:
        reporter.warn(
            f"part {part[0]} of {part[1]} has nothing to do: there are fewer tar files of {plan.tar_images} images; "
            "--shard-size says how many are in one"
        )
    if not output.is_begun or options.overwrite:
        _check_room(options.out, images, options.format, sampler.header, reporter)
    if output.open(overwrite=options.overwrite):
        reporter.info(f"{options.out}: all {images} images are there already, nothing to do")
        made, is_complete = 0, (options.out / "manifest.json").exists()
    else:
        try:
            made = _Sampling(options, sampler, plan, output, job, style, copies).run(reporter)
            is_complete = output.finish()
        finally:
            output.close()
    rejected = output.count_rejected() if options.reject_copies else 0
    if rejected:
        reporter.warn(f"{rejected} of {images} images are copies of training images and are left out")
    return SampleResult(
        out=options.out,
        images=images,
        made=made,
        found=images - made,
        rejected=rejected,
        labels=plan.counts,
        is_complete=is_complete,
        seed=options.seed,
        shard=None if part[1] == 1 else f"{part[0]}/{part[1]}",
        device=sampler.place,
        precision=options.precision,
        weights_sha256=sampler.sha256,
    )


def part_of(shard: str | None, place: Place) -> tuple[int, int]:
    """Which part of the job a process makes: of its shard again one of equal parts, where it was launched with others.

    They need not hear of each other: an image depends on none but itself, and whoever ends last merges the tables.

    Raises:
        UsageError: As `parse_shard`.
    """
    number, count = parse_shard(shard)
    return (number - 1) * place.size + place.rank + 1, count * place.size


def parse_shard(shard: str | None) -> tuple[int, int]:
    """`i/n` as numbers; (1, 1) for none.

    Raises:
        UsageError: Not of that form, or i is not from 1 to n.
    """
    if shard is None:
        return 1, 1
    first, slash, second = shard.partition("/")
    if not (slash and first.strip().isdecimal() and second.strip().isdecimal()):
        raise UsageError(f"--shard {shard}", "expected I/N", "--shard 1/4")
    part = int(first), int(second)
    if not 1 <= part[0] <= part[1]:
        raise UsageError(
            f"--shard {shard}", f"expected I from 1 to {part[1]}", f"--shard 1/{max(part[1], 1)}"
        )
    return part


def draw_images(
    sampler: Sampler,
    items: Sequence[Item],
    seed: int,
    truncation: float = 1.0,
    style: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images of some items, `[N, H, W, C]`, with the content and style that they were made from.

    Args:
        sampler: The model.
        items: What to draw.
        seed: Decides, with each item, its codes.
        truncation: Scale of both codes' deviations from their means.
        style: One style `[style_dim]` for all of them; None: each its own.
    """
    architecture = sampler.header.architecture
    schema = sampler.header.schema
    conditions = np.empty((len(items), schema.dim), np.float32)
    contents = np.empty((len(items), architecture.content_dim), np.float32)
    styles = np.empty((len(items), architecture.style_dim), np.float32)
    rows_of: defaultdict[int, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        rows_of[id(item.condition)].append(row)
    for rows in rows_of.values():
        condition = items[rows[0]].condition
        indices = [items[row].index for row in rows]
        contents[rows], styles[rows] = draw_noise(
            seed, condition, indices, architecture.content_dim, architecture.style_dim
        )
        conditions[rows] = schema.encode([condition])
    used = styles * np.float32(truncation) if style is None else np.repeat(style[None], len(items), 0)
    images, content = sampler.sample(conditions, contents, used, truncation)
    return images, content, used


class _Turns:
    """Lets at most so many threads at once into a `with`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._inside = 0
        self._changed = Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._come_in()

    def __exit__(self, *error: object) -> None:
        with self._changed:
            self._go_out()

    def one_by_one(self) -> None:
        """From now on one thread at a time; called by one that is inside, which then waits for its turn."""
        with self._changed:
            self._go_out()
            self.most = 1
            self._come_in()

    def _come_in(self) -> None:
        self._changed.wait_for(lambda: self._inside < self.most)
        self._inside += 1

    def _go_out(self) -> None:
        self._inside -= 1
        self._changed.notify_all()


class _Sampling:
    """One run of the pipeline: threads that each take a micro-batch from its codes to its files."""

    def __init__(
        self,
        options: SampleOptions,
        sampler: Sampler,
        plan: Plan,
        output: SampleOutput,
        job: Job,
        style: np.ndarray | None,
        copies: CopyCheck | None,
    ) -> None:
        self.options, self.sampler, self.plan = options, sampler, plan
        self.output, self.style, self.copies = output, style, copies
        self.encoder = SampleEncoder(sampler.header, job.weights_sha256, job.options)
        self.turns = _Turns(max(1, min(sampler.at_once, options.batch_size // sampler.micro_batch)))

    def run(self, reporter: Reporter) -> int:
        """Makes what is missing; returns how many."""
        size, pending, made = self.sampler.micro_batch, deque[Written](), 0
        images = self.output.stop - self.output.start
        if images <= size:
            self.turns.most = 1
        # Where passes follow one another, others write what was made meanwhile.
        threads = self.turns.most if self.turns.most > 1 else min(_MAX_WRITERS, usable_cores())
        self.sampler.passes.let_go = self._let_go
        with (
            reporter.task("sampling", images, "images") as task,
            self.sampler.sharing(),
        ):
            pool = ThreadPoolExecutor(threads, "drai-maker")
            try:
                for start, wanted in self._missing(size, task):
                    pending.append(pool.submit(self._make, start, wanted))
                    while len(pending) > 2 * threads or (pending and pending[0].done()):
                        made += self._record(pending.popleft(), task)
                while pending:
                    made += self._record(pending.popleft(), task)
            finally:
                # After a failure or Ctrl-C: what is being written is finished and written down, the rest dropped.
                pool.shutdown(wait=True, cancel_futures=True)
                for future in pending:
                    if not future.cancelled() and future.exception() is None:
                        self._record(future, task)
        return made

    def _let_go(self) -> None:
        """Memory ran out: from now on one pass follows another."""
        most, size = self.turns.most, self.sampler.micro_batch
        self.turns.one_by_one()
        if most > 1:
            warn_smaller(most * size, size, " at once")

    def _missing(self, size: int, task: Task) -> Iterator[tuple[int, list[int]]]:
        """Micro-batches with something to do: their first position and the positions that are missing."""
        output = self.output
        for start in range(output.start // size * size, output.stop, size):
            first, last = max(start, output.start), min(start + size, output.stop)
            wanted = output.missing(first, last)
            task.advance(last - first - len(wanted))
            if wanted:
                yield start, wanted

    def _make(self, start: int, wanted: list[int]) -> list[tuple[int, Placed | None]]:
        """Draws, encodes and places images, and gives what is to be recorded: None of one that is left out.

        Runs in a thread.
        """
        # All rows of the micro-batch, so that a shard or a resumed job computes what the whole job does.
        items = list(self.plan.items(start, min(start + self.sampler.micro_batch, self.plan.total)))
        with self.turns:
            drawn = draw_images(self.sampler, items, self.options.seed, self.options.truncation, self.style)
        done: list[tuple[int, Placed | None]] = []
        rows = [position - start for position in wanted]
        is_copy = [False] * len(rows) if self.copies is None else self.copies.find(drawn[0][rows])
        for position, row, rejected in zip(wanted, rows, is_copy, strict=True):
            if rejected:
                done.append((position, None))
                continue
            files = self.encoder.encode(items[row], *(array[row] for array in drawn))
            done.append((position, self.output.place(items[row], files)))
        return done

    def _record(self, future: Written, task: Task) -> int:
        written = future.result()
        for position, placed in written:
            self.output.record(position, placed)
        task.advance(len(written))
        return len(written)


def _check_room(out: Path, images: int, format: str, header: ModelHeader, reporter: Reporter) -> None:
    """Whether the images fit. What is packed best is a twentieth of 16 bits a value; a file takes whole blocks."""
    shape = header.architecture
    values = shape.image_size**2 * shape.image_channels
    # In a tar file three members take their headers and what fills the last of their blocks of 512.
    around = (
        8 * 512 if format == "webdataset" else 2 * _BLOCK_BYTES + 4 * (shape.content_dim + shape.style_dim)
    )
    most = images * (2 * values + around)
    check_room(
        out, f"{images} images", most / 20, most, "make room, or name another folder with --out", reporter
    )


def _check(options: SampleOptions) -> None:
    if options.format not in SAMPLE_FORMATS:
        raise UsageError(
            f"--format {options.format}", "no such format", f"there is: {', '.join(SAMPLE_FORMATS)}"
        )
    check_compression(options.format, options.compression)
    if options.style_from is None:
        for option, value in {"--frame": options.frame, "--window": options.window}.items():
            if value is not None:
                raise UsageError(
                    f"{option} {value}", "says how to read an image, and none is given", "--style-from IMAGE"
                )
    if options.reject_copies != (options.train_data is not None):
        raise UsageError(
            "--reject-copies" if options.reject_copies else "--train-data",
            "copies are told by the training images, and only then are these looked at",
            "sample --reject-copies --train-data PATH",
        )
    if not (math.isfinite(options.truncation) and options.truncation >= 0):
        raise UsageError(
            f"--truncation {options.truncation}", "expected a number of at least 0", "--truncation 0.7"
        )
    if options.batch_size < 1:
        raise UsageError(f"--batch-size {options.batch_size}", "expected at least 1", "--batch-size 256")


def _job_options(options: SampleOptions, plan: Plan) -> dict[str, Any]:
    """The resolved options that change what is written; not those that only change how fast."""
    label_name = plan.schema.label.name
    settings = parse_attributes(options.attributes, plan.schema)
    settings.pop(label_name, None)
    return {
        "labels": plan.counts,
        "attributes": settings,
        "like_sha256": plan.source_sha256 or None,
        "style_from_sha256": None if options.style_from is None else file_sha256(options.style_from),
        **({} if options.frame is None else {"style_from_frame": options.frame}),
        **({} if options.window is None else {"style_from_window": options.window}),
        "truncation": options.truncation,
        "format": options.format,
        **({} if plan.tar_images is None else {"shard_size": plan.tar_images}),
        "compression": None if options.compression == "none" else options.compression,
        "seed": options.seed,
        "precision": options.precision,
        **({} if options.runtime == "torch" else {"runtime": options.runtime}),
    }


def style_of(
    sampler: Sampler, path: Path, frame: int | None, window: str | None, reporter: Reporter
) -> np.ndarray:
    """The style code of an image, read as `read_for_model` has it."""
    from drai_cli.workflows.inference import Inference
    from drai_cli.workflows.input_images import encode_files

    if not isinstance(sampler, Inference):
        raise UsageError(
            "--style-from", "needs the encoder, which --runtime onnx does not load", "leave one out"
        )
    encoded = encode_files(
        sampler, [path], model_fit(sampler.header), frame=frame, window=window, reporter=reporter
    )
    style: np.ndarray = encoded.codes.style[0]
    return style
