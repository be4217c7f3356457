"""The files of a set before anything is known of labels: names, frames, and what DICOM headers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drai_cli.data.reading import start_workers_early
from drai_cli.data.tree import Tree
from drai_cli.errors import InputError
from drai_cli.io.dicom.file import parse, text, whole
from drai_cli.io.dicom.foreign import Role, role_of
from drai_cli.io.dicom.placement import aspect_of
from drai_cli.io.dicom.read import check_is_image
from drai_cli.io.raster_kinds import may_be_animated
from drai_cli.io.registry import format_by_suffix
from drai_cli.machine.memory import raise_if_short

PATIENT, STUDY = "PatientID", "StudyInstanceUID"
HEADER_KEYS = ("SOPInstanceUID", "SeriesInstanceUID", "AccessionNumber", STUDY, PATIENT)
"""What a table may name DICOM files by besides their names, the finest first."""
SOP_CLASS = "SOPClassUID"


@dataclass(frozen=True, slots=True)
class Item:
    """A file of a set.

    Attributes:
        name: Its path relative to the set's root, with `/`.
        frames: Images in it, where that is known before it is decoded.
        values: What its header says, by DICOM keyword; empty for other formats.
        refusal: Why it is no image of the set; empty for one that is.
        is_broken: Whether that is because it cannot be read.
        aspect: Height of a pixel over its width, by the header.
        role: What a DICOM file says of its part in an examination.
    """

    name: str
    frames: int = 1
    values: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    is_broken: bool = False
    aspect: float = 1.0
    role: Role | None = None


def list_files(names: Sequence[str]) -> list[Item]:
    """Files of whose content nothing is known."""
    return [Item(name) for name in names]


def count_frames(root: Path, name: str) -> int:
    """Images in a plain image file: more than one only where its format may hold several and can count them.

    Raises:
        InputError: It cannot be read.
    """
    format = format_by_suffix(name)
    if format is None or format.is_medical or format.measure is None:
        return 1
    if format.name == "png" and not may_be_animated(root / name):
        return 1  # without the cost of a reader
    volumes, slices, _, _ = format.measure(root / name).extents
    return volumes * slices


def read_dicom_items(tree: Tree, names: Sequence[str], keywords: Sequence[str]) -> Iterator[Item]:
    """What the headers of DICOM files say, in order and in one thread: threads that parse in Python are slower."""
    start_workers_early(len(names))
    wanted = sorted({*keywords, *HEADER_KEYS, SOP_CLASS})

    def look(name: str) -> Item:
        path = tree.root / name
        try:
            dataset = parse(path, header_only=True)
        except InputError as error:
            raise_if_short(error, name)
            return Item(name, 0, {}, error.message, True)
        try:
            check_is_image("", dataset, header_only=True)
        except InputError as error:
            return Item(name, 0, {}, error.message)
        frames = max(1, min(whole(dataset, "NumberOfFrames", 1) or 1, 100_000))
        values = {keyword: text(dataset, keyword) for keyword in wanted}
        return Item(name, frames, values, aspect=aspect_of(dataset), role=role_of(dataset))

    return map(look, names)
