"""Decodes a whole set in threads, in order, with bounded memory. Knows nothing of what the images are for."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from drai_cli.data.image_set import Entry, ImageSet, Read
from drai_cli.errors import InputError
from drai_cli.io.image import Image
from drai_cli.progress import Reporter, Task

Result = TypeVar("Result")

_MAX_WORKERS = 16
_AT_ONCE = (
    8  # images a thread takes at a time: passing on small ones alone would cost more than decoding them
)
_AHEAD = 2  # such batches waiting per worker


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be used, and why."""

    reason: str


@dataclass(frozen=True)
class Reading(Generic[Result]):
    """What became of one image."""

    entry: Entry
    result: Result | Unreadable


def read_all(
    image_set: ImageSet, use: Callable[[Image], Result], *, task: str, reporter: Reporter
) -> Generator[Reading[Result], None, None]:
    """Decodes every image and gives what `use` makes of it, in the set's order. Close it, should you stop early.

    Decoding and `use` run in threads: decoders, numpy and hashlib let go of the interpreter while they work.

    Args:
        image_set: The set.
        use: Called with each decoded image, in any thread.
        task: What the progress is called.
        reporter: Shown the progress.
    """
    workers = min(_MAX_WORKERS, usable_cores())
    under_way: deque[Future[list[Reading[Result]]]] = deque()
    with (
        warnings.catch_warnings(),
        reporter.task(task, len(image_set.entries), "images") as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters is raised
        try:
            reads = image_set.pixels.reads(image_set.entries)
            while some := list(islice(reads, _AT_ONCE)):
                under_way.append(pool.submit(_read_some, some, use))
                if len(under_way) > _AHEAD * workers:
                    yield from _finished(under_way.popleft(), progress)
            while under_way:
                yield from _finished(under_way.popleft(), progress)
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(future: Future[list[Reading[Result]]], progress: Task) -> Iterator[Reading[Result]]:
    for reading in future.result():
        yield reading
        progress.advance()


def _read_some(reads: Sequence[tuple[Entry, Read]], use: Callable[[Image], Result]) -> list[Reading[Result]]:
    readings: list[Reading[Result]] = []
    for entry, read in reads:
        try:
            readings.append(Reading(entry, use(read())))
        except InputError as error:
            readings.append(Reading(entry, Unreadable(error.message)))
    return readings


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def pixel_digest(image: Image) -> str:
    """The sha256 of an image's decoded pixels, its shape and its type: equal for exact duplicates only."""
    array = np.ascontiguousarray(image.array)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data)
    return digest.hexdigest()


def first_names(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names, for a message."""
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
