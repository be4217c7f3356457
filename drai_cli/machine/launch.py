"""The place of this process among several, from the variables of a launcher (torchrun or a compatible one)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from drai_cli.errors import UsageError

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """The place of a process among those that a launcher started for one command.

    Attributes:
        rank: From 0; the first process writes and reports for all.
        size: Number of processes on all machines.
        local_rank: From 0 on this machine; also the number of this process's GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def read_place() -> Place:
    """The place of this process; without a launcher it is the only one.

    Raises:
        UsageError: The launcher's variables contradict each other.
    """
    if any(name not in os.environ for name in _VARIABLES):
        return Place()
    rank, size, local_rank = (os.environ.get(name, "0") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not all(text.isdecimal() for text in (rank, size, local_rank)) or int(rank) >= int(size):
        raise UsageError(
            f"RANK={rank} WORLD_SIZE={size} LOCAL_RANK={local_rank}",
            "expected a launcher's whole numbers, RANK below WORLD_SIZE",
            "start it with torchrun, or unset RANK",
        )
    return Place(int(rank), int(size), int(local_rank))
