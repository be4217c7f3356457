"""How many cores this process may use, and a limit on threads to match. Standard library only."""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
# Some tenths of a millisecond. On two free cores a training step is as fast as with libgomp's default, sampling an
# eighth faster. Next to a busy process, two threads on one core make 6.6 steps per second, not 1.1 (one thread: 16).
_SPINS = "10000"
_BY_QUOTA = "DRAI_THREADS_BY_QUOTA"  # for processes that this one starts


def usable_cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may use: those it is bound to, or its container's quota of them, rounded up.

    Args:
        quota: Linux's file of the control group's quota: microseconds (or `max`) per period.
    """
    return min(_bound_cores(), _given_cores(quota) or _bound_cores())


def usable_threads() -> int:
    """Threads for arithmetic: as `OMP_NUM_THREADS` says, else one per usable core."""
    said = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(said) if said.isdecimal() and int(said) > 0 else usable_cores()


def are_threads_given() -> bool:
    """Whether the user set the number of threads (`OMP_NUM_THREADS`); that of `prepare_threads` does not count."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return bool(said) and said != os.environ.get(_BY_QUOTA)


def prepare_threads(environment: MutableMapping[str, str], quota: Path = _QUOTA) -> None:
    """Sets OpenMP's number of threads and waiting time, before torch is imported. The user's own settings win.

    OpenMP sees the cores to which the process is bound, not the container's quota: with 64 visible cores and a quota of
    4, every step would wait for 60 threads. A waiting thread spins, by libgomp's default far longer than it takes to
    sleep. On a core that other work needs as well (another process, the encoding of images), it blocks the very thread
    for which it waits.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(environment):
        environment["GOMP_SPINCOUNT"] = _SPINS
    given = _given_cores(quota)
    if "OMP_NUM_THREADS" not in environment and given is not None and given < _bound_cores():
        environment["OMP_NUM_THREADS"] = environment[_BY_QUOTA] = str(given)


def _bound_cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _given_cores(quota: Path) -> int | None:
    """The quota in cores; None without one, or with `max`."""
    try:
        given, period = quota.read_text("ascii").split()
        return max(1, math.ceil(int(given) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        return None
