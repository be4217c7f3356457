"""How much memory a test process has had."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_bytes() -> int:
    """The most memory that this process has had. On Linux getrusage counts what its parent had when it started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
