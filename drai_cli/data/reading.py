"""Decodes a whole set on all cores, in order, with bounded memory."""

from __future__ import annotations

import hashlib
import multiprocessing
import multiprocessing.context
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import forkserver
from typing import Generic, TypeVar

import numpy as np

from drai_cli.data.image_set import Batch, Entry, ImageSet
from drai_cli.errors import InputError
from drai_cli.io import registry
from drai_cli.io.image import Image
from drai_cli.machine.cores import usable_cores
from drai_cli.machine.memory import raise_if_short
from drai_cli.progress import Reporter

Result = TypeVar("Result")

_MAX_WORKERS = 16
_AHEAD = 2  # batches waiting per worker
# A fork server imports once for all workers; without one, each worker imports for itself.
_START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
_PROCESSES_FROM = 100  # images: fewer are decoded before processes have started


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be used, and why."""

    reason: str


@dataclass(frozen=True)
class Reading(Generic[Result]):
    """The result for one image."""

    entry: Entry
    result: Result | Unreadable


def read_all(
    image_set: ImageSet, use: Callable[[Image], Result], *, task: str, reporter: Reporter
) -> Generator[Reading[Result], None, None]:
    """Decodes every image and yields what `use` makes of it, in the set's order. Close it if you stop early.

    Decoding and `use` run in threads where the decoders release the interpreter, else in processes.

    Args:
        image_set: The set.
        use: Called with each decoded image, in any thread or process: it has to be picklable.
        task: The name of the progress.
        reporter: Shown the progress.

    Raises:
        InputError: A decoder crashed its process, or took more memory than there is.
        MemoryError: Memory is short; what could not be read for that reason is not left out.
    """
    workers = min(_MAX_WORKERS, usable_cores())
    under_way: deque[tuple[Batch, Future[list[Result | Unreadable]]]] = deque()
    with (
        warnings.catch_warnings(),
        reporter.task(task, len(image_set.entries), "images") as progress,
        _pool(image_set, workers) as pool,
    ):
        warnings.simplefilter("ignore")  # of Pillow about unusual files; errors are raised

        def finished() -> Generator[Reading[Result], None, None]:
            batch, future = under_way.popleft()
            try:
                results = future.result()
            except BrokenProcessPool as error:
                raise InputError(
                    batch[0][0].name,
                    "the process that decoded this file or one after it ended unexpectedly",
                    "a decoder crashed or memory ran out: try the files that follow it one by one with drai inspect",
                ) from error
            for (entry, _), result in zip(batch, results, strict=True):
                yield Reading(entry, result)
                progress.advance()

        try:
            for batch in image_set.pixels.batches(image_set.entries):
                under_way.append((batch, pool.submit(_read_batch, batch, use)))
                if len(under_way) > _AHEAD * workers:
                    yield from finished()
            while under_way:
                yield from finished()
        finally:
            pool.shutdown(cancel_futures=True)


def start_workers_early(count: int) -> None:
    """Starts the fork server early where `count` files will be decoded in worker processes."""
    if count >= _PROCESSES_FROM and usable_cores() > 1 and _START == "forkserver":
        _context()
        forkserver.ensure_running()


def _pool(image_set: ImageSet, workers: int) -> Executor:
    if image_set.pixels.holds_interpreter and workers > 1 and len(image_set.entries) >= _PROCESSES_FROM:
        return ProcessPoolExecutor(workers, _context(), initializer=_begin_process)
    return ThreadPoolExecutor(workers)


def _context() -> multiprocessing.context.BaseContext:
    """How workers start: never by a fork of this process, which would copy the locks of its threads."""
    context = multiprocessing.get_context(_START)
    if _START == "forkserver":
        decoders = [module for format in registry.FORMATS for module in format.modules]
        context.set_forkserver_preload(["drai_cli.data.cache", "drai_cli.data.volumes", *decoders])
    return context


def _begin_process() -> None:
    """Leaves Ctrl-C to the parent, and ends when it ends, even by a kill."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _read_batch(batch: Batch, use: Callable[[Image], Result]) -> list[Result | Unreadable]:
    results: list[Result | Unreadable] = []
    for entry, read in batch:
        try:
            results.append(use(read()))
        except InputError as error:
            raise_if_short(error, entry.name)
            results.append(Unreadable(error.message))
    return results


def hash_pixels(image: Image) -> str:
    """The sha256 of an image's decoded pixels, its shape and its type: equal for exact duplicates only."""
    array = np.ascontiguousarray(image.array)
    digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    digest.update(array.data)
    return digest.hexdigest()


def list_first(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names, for a message."""
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
