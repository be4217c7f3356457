"""Train, validation and test: by group, stratified, seeded. Knows names, labels and groups, no images.

The rule, class by class from the rarest: the groups of a class, the largest first and in an order drawn from
the seed among equals, each go to a part that has none of the class yet (train, then test, then validation), else
to the part with the highest claim: its share over what it has of the class and half the group (Sainte-Laguë's
rule of seats). So a class with three groups or more is in every part (with two: train and test; with one:
train). A group with several labels counts towards each of them and is placed by its rarest. Where such groups
leave a class out of a part, another is moved there if no other class is lost by it.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from drai_cli.data.image_set import PARTS, Entry, Part
from drai_cli.errors import InputError
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.files import atomic_writer
from drai_cli.tables.table import read_table

_ORDER: tuple[Part, ...] = ("train", "test", "validation")
"""Which part comes first where several lack as much: two groups are trained on and measured."""


def split_by_group(
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    seed: int,
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
) -> list[Part]:
    """The part of each row; the same whatever the order of the rows.

    Args:
        labels: The label of each row.
        groups: The group of each row; a group is never divided.
        seed: Decides between groups of equal size.
        fractions: Shares of train, validation and test, each >= 0.

    Raises:
        ValueError: Lengths differ, or fractions that sum to nothing.
    """
    if len(labels) != len(groups) or min(fractions) < 0 or sum(fractions) <= 0:
        raise ValueError(f"{len(labels)} labels, {len(groups)} groups, fractions {fractions}")
    shares = {part: share / sum(fractions) for part, share in zip(PARTS, fractions, strict=True) if share > 0}
    members: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    totals = Counter(labels)
    group_counts = Counter(label for counts in members.values() for label in counts)
    rarity = {label: (group_counts[label], totals[label], label) for label in totals}

    strata: defaultdict[str, list[str]] = defaultdict(list)
    for group, counts in members.items():
        strata[min(counts, key=rarity.__getitem__)].append(group)
    placed: dict[str, Part] = {}
    filled: Counter[tuple[str, Part]] = Counter()
    for label in sorted(strata, key=rarity.__getitem__):
        for group in sorted(strata[label], key=lambda g: (-members[g].total(), _rank(seed, g))):
            others = sorted(members[group], key=rarity.__getitem__)

            def claim(part: Part, group: str = group, others: list[str] = others) -> tuple[float, ...]:
                return tuple(
                    shares[part] / (filled[other, part] + members[group][other] / 2)
                    if filled[other, part]
                    else math.inf
                    for other in others
                )

            part = max((part for part in _ORDER if part in shares), key=claim)
            placed[group] = part
            for other, count in members[group].items():
                filled[other, part] += count
    _mend(placed, members, sorted(totals, key=rarity.__getitem__), tuple(shares))
    return [placed[group] for group in groups]


def _rank(seed: int, group: str) -> bytes:
    """A place in a seeded order that depends on nothing but the seed and the group's name."""
    return hashlib.sha256(f"{seed}\0{group}".encode("utf-8", "surrogateescape")).digest()


def _mend(
    placed: dict[str, Part],
    members: Mapping[str, Mapping[str, int]],
    labels: Sequence[str],
    parts: Sequence[Part],
) -> None:
    """Moves groups so that classes with as many groups as parts are in every part, where that is possible."""
    holders: defaultdict[tuple[str, Part], set[str]] = defaultdict(set)
    for group, part in placed.items():
        for label in members[group]:
            holders[label, part].add(group)
    for label in labels:
        if sum(len(holders[label, part]) for part in parts) < len(parts):
            continue
        for empty in parts:
            if holders[label, empty]:
                continue
            movable = [
                group
                for part in parts
                for group in holders[label, part]
                if all(len(holders[other, part]) > 1 for other in members[group])
            ]
            if not movable:
                continue
            group = min(movable, key=lambda g: (sum(members[g].values()), g))
            for other in members[group]:
                holders[other, placed[group]].discard(group)
                holders[other, empty].add(group)
            placed[group] = empty


def count_groups_across(groups: Sequence[str], parts: Sequence[str]) -> int:
    """How many groups are in several parts: none of a split by these groups."""
    parts_of: defaultdict[str, set[str]] = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        parts_of[group].add(part)
    return sum(len(several) > 1 for several in parts_of.values())


def write_split(path: Path, entries: Sequence[Entry], parts: Sequence[str]) -> None:
    """Writes which image is in which part, as a table with the columns `name` and `part`.

    Raises:
        InputError: It cannot be written.
    """
    rows = ((entry.name, part) for entry, part in zip(entries, parts, strict=True))
    with atomic_writer(path) as file:
        file.write(encode_csv([("name", "part"), *rows]))


def read_split(path: Path) -> dict[str, Part]:
    """Reads what `write_split` wrote: the part of each name.

    Raises:
        InputError: It is no such table, doubles a name or has another part than train, validation and test.
    """
    table = read_table(path)
    if not {"name", "part"} <= set(table.columns):
        raise InputError(path, "expected the columns name and part")
    parts: dict[str, Part] = {}
    for row in table.rows:
        part = next((part for part in PARTS if part == row["part"]), None)
        if part is None:
            raise InputError(path, f"expected train, validation or test, got {row['part']!r}")
        if row["name"] in parts:
            raise InputError(path, f"{row['name']} is listed twice")
        parts[row["name"]] = part
    return parts
