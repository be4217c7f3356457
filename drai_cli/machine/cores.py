"""How many cores this process may use, and that its arithmetic takes no more. Standard library only."""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
# Some tenths of a millisecond. On two free cores a training step is as fast as by libgomp's default, sampling an eighth
# faster; beside a busy process two threads on one core make 6.6 steps a second instead of 1.1 (one thread alone 16).
_SPINS = "10000"


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may use: those it is bound to, or what its container is given of them, rounded up.

    Args:
        quota: Where Linux says what the process's control group is given: microseconds, or `max`, of a period.
    """
    return min(_bound_cores(), _given_cores(quota) or _bound_cores())


def usable_threads() -> int:
    """Threads that arithmetic may have: what `OMP_NUM_THREADS` says, else one a usable core."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(said) if said.isdecimal() and int(said) > 0 else usable_cores()


def prepare_threads(environment: MutableMapping[str, str], quota: Path = _QUOTA) -> None:
    """Says to OpenMP, before torch is imported, how many threads are of use and how long they wait at work.

    It sees what the process is bound to, and not what a container is given: of 64 cores that it sees and 4 that it has,
    60 threads would be waited for at every step. And a thread that waits for another spins, for which libgomp by itself
    takes far longer than it takes to sleep: on a core that something else wants, too (another process, the encoding of
    images that are written), it keeps out the very thread that it waits for. What the user has said goes first.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(environment):
        environment["GOMP_SPINCOUNT"] = _SPINS
    given = _given_cores(quota)
    if "OMP_NUM_THREADS" not in environment and given is not None and given < _bound_cores():
        environment["OMP_NUM_THREADS"] = str(given)


def _bound_cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _given_cores(quota: Path) -> int | None:
    """None where nothing is said, or `max`."""
    try:
        given, period = quota.read_text("ascii").split()
        return max(1, math.ceil(int(given) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
