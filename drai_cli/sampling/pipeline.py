"""Makes the images of a job, from codes to files: files are written while the next images are computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import Protocol

import numpy as np
from jaxtyping import UInt

from drai_cli.inference.masks import split_masks
from drai_cli.inference.sampler import Sampler
from drai_cli.machine.cores import usable_cores
from drai_cli.machine.memory import warn_smaller
from drai_cli.progress import Reporter, Task
from drai_cli.sampling.draw import draw_images
from drai_cli.sampling.job import Job, PixelOptions
from drai_cli.sampling.journal import Reason
from drai_cli.sampling.move import Move
from drai_cli.sampling.output import SampleOutput
from drai_cli.sampling.plan import Plan
from drai_cli.sampling.rendering import SampleEncoder
from drai_cli.sampling.store import Placed

_MAX_WRITERS = 8
# Position of each image and what to record of it: where it is, or why it is left out.
Written = Future[list[tuple[int, Placed | Reason]]]


class Check(Protocol):
    """Tells which images are left out, and why."""

    @property
    def key(self) -> str: ...
    def reasons(
        self, images: UInt[np.ndarray, "images height width channels"], labels: Sequence[str]
    ) -> list[Reason | None]: ...


class _Turns:
    """Lets at most `most` threads at once into a `with`."""

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
        """Lets in one thread at a time from now on; the caller is inside, and waits for its turn again."""
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


class SamplePipeline:
    """One run of the pipeline: each thread makes the files of one micro-batch at a time.

    Args:
        sampler: The model.
        plan: All images of the job.
        output: Where this part of the job is written.
        job: What decides the images.
        batch_size: Most images to compute at once.
        style: One style `[style_dim]` for all images; None: a random style for each.
        checks: Tell which images to leave out; the first that has a reason gives it.
    """

    def __init__(
        self,
        sampler: Sampler,
        plan: Plan,
        output: SampleOutput,
        job: Job,
        batch_size: int,
        style: np.ndarray | None = None,
        checks: Sequence[Check] = (),
    ) -> None:
        self.sampler, self.plan, self.output = sampler, plan, output
        self.style, self.checks = style, checks
        self.pixels = PixelOptions.from_json(job.options)
        self.move = Move.parse(self.pixels.move_content, self.pixels.move_style, sampler.header)
        self.encoder = SampleEncoder(sampler.header, job.weights_sha256, job.options)
        self.turns = _Turns(max(1, min(sampler.at_once, batch_size // sampler.micro_batch)))

    def run(self, reporter: Reporter) -> int:
        """Makes the missing images; returns how many."""
        size, pending, made = self.sampler.micro_batch, deque[Written](), 0
        images = self.output.stop - self.output.start
        if images <= size:
            self.turns.most = 1
        # Where only one pass runs at a time, further threads write files meanwhile.
        threads = self.turns.most if self.turns.most > 1 else min(_MAX_WRITERS, usable_cores())
        self.sampler.passes.let_go = self._reduce_memory
        with reporter.task("sampling", images, "images") as task, self.sampler.allow_threads():
            pool = ThreadPoolExecutor(threads, "drai-maker")
            try:
                for start, wanted in self._find_missing(size, task):
                    pending.append(pool.submit(self._make, start, wanted))
                    while len(pending) > 2 * threads or (pending and pending[0].done()):
                        made += self._record(pending.popleft(), task)
                while pending:
                    made += self._record(pending.popleft(), task)
            finally:
                # After a failure or Ctrl-C: started micro-batches are finished and recorded, the others dropped.
                pool.shutdown(wait=True, cancel_futures=True)
                for future in pending:
                    if not future.cancelled() and future.exception() is None:
                        self._record(future, task)
        return made

    def _reduce_memory(self) -> None:
        """Runs one pass at a time from now on; called when memory ran out."""
        most, size = self.turns.most, self.sampler.micro_batch
        self.turns.one_by_one()
        if most > 1:
            warn_smaller(most * size, size, " at once")

    def _find_missing(self, size: int, task: Task) -> Iterator[tuple[int, list[int]]]:
        """Micro-batches with missing images: the batch's first position and the missing positions."""
        output = self.output
        for start in range(output.start // size * size, output.stop, size):
            first, last = max(start, output.start), min(start + size, output.stop)
            wanted = output.find_missing(first, last)
            task.advance(last - first - len(wanted))
            if wanted:
                yield start, wanted

    def _make(self, start: int, wanted: list[int]) -> list[tuple[int, Placed | Reason]]:
        """Draws, encodes and writes images in a thread; returns what to record of each."""
        # All rows of the micro-batch, so that a shard or a resumed job computes the same as the whole job.
        items = list(self.plan.items(start, min(start + self.sampler.micro_batch, self.plan.total)))
        with self.turns:
            images, _, _ = draw_images(
                self.sampler, items, self.pixels.seed, self.pixels.truncation, self.style, self.move,
                with_masks=bool(self.plan.mask_names),
            )  # fmt: skip
        images, masks = split_masks(images, self.sampler.header)
        done: list[tuple[int, Placed | Reason]] = []
        # Of all rows here too: a classifier's rounding depends on how many images it sees at once.
        labels = [item.label for item in items]
        found = [check.reasons(images, labels) for check in self.checks]
        for position in wanted:
            row = position - start
            reason = next((of_check[row] for of_check in found if of_check[row] is not None), None)
            if reason is not None:
                done.append((position, reason))
                continue
            files = self.encoder.encode(items[row], images[row], masks[row])
            done.append((position, self.output.place(items[row], files)))
        return done

    def _record(self, future: Written, task: Task) -> int:
        written = future.result()
        for position, placed in written:
            self.output.record(position, placed)
        task.advance(len(written))
        return len(written)
