"""Images with the content of one image and the style of another: what is made, and the DICOM series they form."""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from drai_cli.inference.input_images import EncodedImages
from drai_cli.io.about import Member
from drai_cli.io.dicom.format import DICOM
from drai_cli.output.derived_images import DerivedImages


@dataclass(frozen=True)
class Swap:
    """One image to make.

    Attributes:
        content: Row, among the encoded images, of the one whose content it gets.
        style: Row of the one whose style it gets.
        stem: Its file name without suffix.
        label: Of the content image, for a model that infers no content; else None.
        change: How the content image's label is changed, as text; empty: not at all.
        label_before: With a change, the label in whose region the content was.
        label_after: With a change, the label in whose region it is now.
    """

    content: int
    style: int
    stem: str
    label: str | None = None
    change: str = ""
    label_before: str = ""
    label_after: str = ""


def find_members_of_series(
    swaps: Sequence[Swap], encoded: EncodedImages, derived: DerivedImages
) -> dict[str, Member]:
    """By stem, the place of each image in its series: slices of one series in one style are one series again."""
    if derived.format not in (None, DICOM.name):
        return {}
    from drai_cli.io.dicom.members import find_members

    by_style: defaultdict[tuple[int, str | None], list[Swap]] = defaultdict(list)
    for swap in swaps:
        by_style[swap.style, swap.label].append(swap)
    members: dict[str, Member] = {}
    for (style, label), alike in by_style.items():
        if len(alike) < 2:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = find_members(dict.fromkeys(encoded.paths[swap.content] for swap in alike))
        sizes = Counter(member.series for member in found.values())
        for swap in alike:
            member = found.get(encoded.paths[swap.content])
            if member is not None and sizes[member.series] > 1:
                weights = derived.inference.model.sha256  # nothing is shared with images that are converted
                changed = [swap.change] if swap.change else []
                made_by = [weights, encoded.images[style].sha256, label or "", member.series, *changed]
                members[swap.stem] = replace(
                    member,
                    study=f"{weights} {member.study}",
                    series=" ".join(made_by),
                    frame_of_reference=f"{weights} {member.frame_of_reference}",
                )
    return members
