"""Decodes a whole set in threads, in order, with bounded memory. Knows nothing of what the images are for."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from drai_cli.data.image_set import Entry, ImageSet, Read
from drai_cli.errors import InputError
from drai_cli.io.image import Image
from drai_cli.progress import Reporter

Result = TypeVar("Result")

_MAX_WORKERS = 16
_AHEAD = 8  # images under way per worker


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
) -> Iterator[Reading[Result]]:
    """Decodes every image and gives what `use` makes of it, in the set's order.

    Decoding and `use` run in threads: decoders, numpy and hashlib let go of the interpreter while they work.

    Args:
        image_set: The set.
        use: Called with each decoded image, in any thread.
        task: What the progress is called.
        reporter: Shown the progress.
    """
    workers = min(_MAX_WORKERS, usable_cores())
    under_way: deque[tuple[Entry, Future[Result | Unreadable]]] = deque()
    with (
        warnings.catch_warnings(),
        reporter.task(task, len(image_set.entries), "images") as progress,
        ThreadPoolExecutor(workers) as pool,
    ):
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what matters is raised
        try:
            for entry, read in image_set.pixels.reads(image_set.entries):
                under_way.append((entry, pool.submit(_read_one, read, use)))
                if len(under_way) > _AHEAD * workers:
                    first, future = under_way.popleft()
                    yield Reading(first, future.result())
                    progress.advance()
            while under_way:
                first, future = under_way.popleft()
                yield Reading(first, future.result())
                progress.advance()
        finally:
            pool.shutdown(cancel_futures=True)


def _read_one(read: Read, use: Callable[[Image], Result]) -> Result | Unreadable:
    try:
        return use(read())
    except InputError as error:
        return Unreadable(error.message)


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
