"""What a written image says of itself next to its pixels: its marks, what its UIDs follow from, how to show it.

Knows no format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drai_cli import __version__


@dataclass(frozen=True)
class Member:
    """What an image made of one file of a DICOM series shares with those made of the others.

    Attributes:
        study: Of the source: decides the UID of the study.
        series: Of the source: decides the UID of the series.
        frame_of_reference: Of the source: decides that UID.
        series_number: Of the source, as text.
        number: Of the file's first frame in its series, from 1, in spatial order.
        between_mm: Distance between slices, measured from their positions; None where they are uneven or unknown.
    """

    study: str
    series: str
    frame_of_reference: str
    series_number: str
    number: int
    between_mm: float | None


@dataclass(frozen=True)
class About:
    """What a file says next to its pixels.

    Attributes:
        marks: Keyword to text; `synthetic` is `yes` for an image that a model made.
        deciding: All that decides the image, as plain data: the UIDs of a DICOM file follow from it.
        number: Of the image in its series, from 1.
        part: Which file of several of one series; empty for the only one. Decides the UID of the instance alone.
        modality: Of the source, where it is a real image; DICOM's `OT` (other) where no modality made it.
        kept: Attributes of a DICOM source to keep, keyword to value.
        window: Centre and width to show it with, in values; None: as the format does without.
        member: The series of the source that it stays in; None: it makes a study and series of its own.
        lossy_ratio: By how much the source was compressed with loss (JPEG); None where it was not.
    """

    marks: Mapping[str, str]
    deciding: Mapping[str, Any]
    number: int = 1
    part: str = ""
    modality: str = "OT"
    kept: Mapping[str, Any] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    member: Member | None = None
    lossy_ratio: float | None = None

    @property
    def is_synthetic(self) -> bool:
        """Whether a model made it."""
        return self.marks.get("synthetic") == "yes"

    def summarise(self) -> str:
        """One line of at most 79 characters, as a NIfTI header holds."""
        if not self.is_synthetic:
            return f"converted by drai {__version__}"
        return f"SYNTHETIC, made by drai {__version__}, weights {self.marks.get('weights_sha256', '')[:16]}"


def as_description(marks: Mapping[str, str]) -> str:
    """Marks as TIFF's ImageDescription."""
    return "; ".join(f"{name}: {text}" for name, text in marks.items())


def as_json(marks: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Marks as a JSON object with its own types."""
    content: dict[str, Any] = dict(marks)
    if "synthetic" in content:
        content["synthetic"] = content["synthetic"] == "yes"
    for name in ("seed", "index"):
        if name in content:
            content[name] = int(content[name])
    if "condition" in content:
        content["condition"] = json.loads(content["condition"])
    return {**content, **more}


def parse_json_marks(raw: bytes) -> dict[str, str]:
    """Marks of what `as_json` made."""
    marks = {}
    for name, value in json.loads(raw).items():
        if isinstance(value, bool):
            marks[name] = "yes" if value else "no"
        elif isinstance(value, str):
            marks[name] = value
        else:
            marks[name] = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return marks
