"""How many threads are faster now, one or all: a short trial. On a busy machine threads wait for each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch
import torch.nn.functional as F

from drai_cli.machine.cores import are_threads_given, usable_threads

_ROUNDS = 5
_WORTH_IT = 1.1
"""Several threads have to be so much faster: a smaller gain is lost when the machine gets busier."""


def faster_threads(work: Callable[[], object] | None = None) -> int:
    """1 or `usable_threads()`, whichever runs `work` faster at this moment.

    The user's OMP_NUM_THREADS is taken without a trial. The trial takes about half a second on two free cores.

    Args:
        work: Some tens of milliseconds of work that draws no random numbers; a convolution's passes if not given.
    """
    most = usable_threads()
    if most == 1 or are_threads_given():
        return most
    work = work or _convolve
    seconds: dict[int, list[float]] = {1: [], most: []}
    with set_threads(most):
        for number in range(_ROUNDS + 1):
            for threads in seconds:  # in turn, since other processes come and go
                torch.set_num_threads(threads)
                started = time.perf_counter()
                work()
                if number:  # the first is slower
                    seconds[threads].append(time.perf_counter() - started)
    return most if median(seconds[most]) * _WORTH_IT < median(seconds[1]) else 1


@contextmanager
def set_threads(threads: int) -> Iterator[None]:
    """Sets torch's number of threads, until the `with` ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _convolve() -> None:
    """Forward and backward of a few small layers: many short parallel parts, as in a step of training."""
    images = torch.ones(16, 32, 32, 32).to(memory_format=torch.channels_last)
    weight = torch.full((32, 32, 3, 3), 0.01, requires_grad=True)
    with torch.enable_grad():
        out = images
        for _ in range(4):
            out = F.leaky_relu(F.conv2d(out, weight, padding=1), 0.2)
        out.mean().backward()
