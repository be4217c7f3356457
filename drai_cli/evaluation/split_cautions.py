"""How the evaluated images were separated from the others, and whether that makes measures look better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drai_cli.data.prepared import PreparedSet
from drai_cli.data.split import count_groups_across
from drai_cli.data.split_plan import AS_GIVEN, BY_FILE, BY_IMAGE

APART = "DATA and the training images are separate sets"
_KEEP = "Named with --group COLUMN or --group-pattern REGEX,"


def how_apart(sets: Sequence[PreparedSet], has_split_file: bool) -> str:
    """The kind of split in a few words, as in `PreparedSet.summary`.

    Args:
        sets: DATA, and the training images where they are a set of their own.
        has_split_file: Whether the user named the table of a split.
    """
    if len(sets) > 1:
        return APART
    how = str(sets[0].summary["split"])
    return "by a table" if has_split_file and how in (BY_IMAGE, BY_FILE) else how


def split_cautions(sets: Sequence[PreparedSet], parts: np.ndarray, part: str, how: str) -> tuple[str, ...]:
    """What readers of the measures have to know about the split; empty where groups are known and separated.

    Args:
        sets: As above.
        parts: Of all their rows, one set after the other.
        part: The evaluated one.
        how: The result of `how_apart`.
    """
    if all(one.summary["is_grouped"] for one in sets):
        across = _across(sets, parts, part)
        return (
            (
                f"{across} groups (patients, lesions or similar) have images both in the {part} part and outside it, "
                "so every measure looks better than it is.",
            )
            if across
            else ()
        )
    if how == AS_GIVEN:  # the data's own split; the set does not state whether it respects patients
        return ()
    may = f"images of one patient or lesion may be in both the {part} part and training, so measures may look better "
    if how in (BY_IMAGE, BY_FILE):
        return (
            f"The split was made {how}: {may}than they are. {_KEEP} a new run keeps them together; an evaluation "
            "counts those on both sides.",
        )
    return (
        f"It is not known which images share a patient or lesion ({how}): {may}than they are. {_KEEP} those on both "
        "sides are counted.",
    )


def _across(sets: Sequence[PreparedSet], parts: np.ndarray, part: str) -> int:
    """Number of groups with images both inside and outside the part; images without a group are ignored."""
    entries = [entry for one in sets for entry in one.entries]
    grouped = [
        (entry.group, "inside" if its == part else "outside")
        for entry, its in zip(entries, parts.tolist(), strict=True)
        if entry.group != entry.name
    ]
    return count_groups_across([group for group, _ in grouped], [side for _, side in grouped])
