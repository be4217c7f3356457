"""Runs independent trainings of small networks side by side on a CPU, each on one thread.

A small network keeps two threads of one step waiting for each other; two trainings keep two cores busy. The results do
not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

import torch

from drai_cli.machine.cores import usable_threads

Job = TypeVar("Job")
Result = TypeVar("Result")


class StoppedError(Exception):
    """Another training has failed, or the command is being stopped."""


def side_by_side(
    work: Callable[[Job, Callable[[int], None]], Result],
    jobs: Sequence[Job],
    count: Callable[[int], None],
    device: torch.device | str,
) -> list[Result]:
    """The results of `work` for each job, in order; one after the other on anything but a CPU.

    Args:
        work: Called with a job and a function to call after each step with the images it saw. It draws no numbers from
            torch's global generator.
        jobs: What to do.
        count: Called with those images, by one thread at a time.
        device: Where the work computes.

    Raises:
        Exception: The first that `work` raises; the others stop at their next step.
    """
    threads = torch.get_num_threads()
    workers = min(usable_threads(), threads, len(jobs))
    if torch.device(device).type != "cpu" or workers < 2:
        return [work(job, count) for job in jobs]
    stop, lock = Event(), Lock()

    def step(images: int) -> None:
        if stop.is_set():
            raise StoppedError
        with lock:
            count(images)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(work, job, step) for job in jobs]
            try:
                return [future.result() for future in futures]
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)
