"""How the images that are looked at were kept apart from the others, and what of that flatters measures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drai_cli.data.prepared import AS_GIVEN, BY_FILE, BY_IMAGE, PreparedSet
from drai_cli.data.split import count_groups_across

APART = "DATA and the training images are separate sets"
_KEEP = "Named with --group COLUMN or --group-pattern REGEX,"


def how_apart(sets: Sequence[PreparedSet], has_split_file: bool) -> str:
    """In a few words; `PreparedSet.summary` has more of them.

    Args:
        sets: DATA, and the training images where they are a set of their own.
        has_split_file: Whether the user named the table of a split.
    """
    if len(sets) > 1:
        return APART
    how = str(sets[0].summary["split"])
    return "by a table" if has_split_file and how in (BY_IMAGE, BY_FILE) else how


def split_cautions(sets: Sequence[PreparedSet], parts: np.ndarray, part: str, how: str) -> tuple[str, ...]:
    """What a reader of the measures has to know of it; empty where groups are known and kept apart.

    Args:
        sets: As above.
        parts: Of all their rows, one set after the other.
        part: The one that is looked at.
        how: What `how_apart` says.
    """
    if all(one.summary["is_grouped"] for one in sets):
        across = _across(sets, parts, part)
        return (
            (
                f"{across} groups (patients, lesions or the like) have images both in the {part} part and outside it, "
                "which flatters every measure.",
            )
            if across
            else ()
        )
    if how == AS_GIVEN:  # made by those who know their patients, or not: the set does not say
        return ()
    may = f"images of one patient or lesion may stand in the {part} part and in training at once, which flatters every "
    if how in (BY_IMAGE, BY_FILE):
        return (
            f"The split was made {how}: {may}measure. {_KEEP} a new run keeps them together; named here, those on both "
            "sides are counted.",
        )
    return (
        f"It is not known which images share a patient or lesion ({how}): {may}measure. {_KEEP} those on both sides "
        "are counted.",
    )


def _across(sets: Sequence[PreparedSet], parts: np.ndarray, part: str) -> int:
    """Groups with images that are looked at and images that are not; images without a group count for nothing."""
    entries = [entry for one in sets for entry in one.entries]
    grouped = [
        (entry.group, "inside" if its == part else "outside")
        for entry, its in zip(entries, parts.tolist(), strict=True)
        if entry.group != entry.name
    ]
    return count_groups_across([group for group, _ in grouped], [side for _, side in grouped])
