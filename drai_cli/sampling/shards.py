"""Which part of a job one command makes: `--shard I/N`, and its share where a launcher started several processes."""

from __future__ import annotations

from drai_cli.errors import UsageError
from drai_cli.machine.launch import Place


def part_of(shard: str | None, place: Place) -> tuple[int, int]:
    """Which part of the job a process makes: of its shard again one of equal parts, where it was launched with others.

    They need not hear of each other: an image depends on none but itself, and whoever ends last merges the tables.

    Raises:
        UsageError: As `parse_shard`.
    """
    number, count = parse_shard(shard)
    return (number - 1) * place.size + place.rank + 1, count * place.size


def parse_shard(shard: str | None) -> tuple[int, int]:
    """`i/n` as numbers; (1, 1) for none.

    Raises:
        UsageError: Not of that form, or i is not from 1 to n.
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
