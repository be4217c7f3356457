"""Which part of a job one process makes: `--shard I/N`, divided again among processes of a launcher."""

from __future__ import annotations

from drai_cli.errors import UsageError
from drai_cli.machine.launch import Place


def part_of(shard: str | None, place: Place) -> tuple[int, int]:
    """The part i of n that a process makes: one of equal parts of its shard, if it was launched with others.

    The processes do not communicate: images do not depend on each other, and the last process merges the tables.

    Raises:
        UsageError: As `parse_shard`.
    """
    number, count = parse_shard(shard)
    return (number - 1) * place.size + place.rank + 1, count * place.size


def parse_shard(shard: str | None) -> tuple[int, int]:
    """`i/n` as numbers; (1, 1) for none.

    Raises:
        UsageError: Another form, or i is not from 1 to n.
    """
    if shard is None:
        return 1, 1
    first, slash, second = shard.partition("/")
    if not (slash and first.strip().isdecimal() and second.strip().isdecimal()):
        raise UsageError(f"--shard {shard}", "expected I/N", "--shard 1/4")
    part = int(first), int(second)
    if not 1 <= part[0] <= part[1]:
        raise UsageError(
            f"--shard {shard}", f"expected I from 1 to {part[1]}", f"--shard 1/{max(part[1], 1)}"
        )
    return part
