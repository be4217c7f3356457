"""`drai inspect`: describes a data set or an image. Every image is decoded; only a figure is written, if asked for."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.data.archive import is_archive
from drai_cli.data.image_set import Entry, ImageSet, SetOptions
from drai_cli.data.label import NoLabelError
from drai_cli.data.label_candidates import LabelCandidates as LabelCandidates
from drai_cli.data.label_candidates import list_candidates
from drai_cli.data.overview import SetReport as SetReport
from drai_cli.data.overview import describe_set
from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import walk
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.dicom.format import DICOM
from drai_cli.io.image import fit_to_square
from drai_cli.io.raster import write_png
from drai_cli.io.read import is_readable, read_stack
from drai_cli.io.stack import ALPHA_LEFT_OUT
from drai_cli.io.tiles import to_eight_bit
from drai_cli.output.figure import draw_figure
from drai_cli.output.marks import read_marks
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import SourceOptions
from drai_cli.tables.table import is_table

_COLUMNS, _MOST_ROWS, _SIDE = 8, 30, 96


@dataclass(frozen=True)
class ImageReport:
    """What one image file holds.

    Attributes:
        path: The file, as given.
        kind: The name of its format, such as png or dicom.
        shape: Of the array of all its frames: `[H, W]`, `[H, W, C]`, or with a leading frame or slice axis, before that
            one of volumes where there are several.
        dtype: Of its samples as decoded.
        bits: Bits a sample was stored with.
        min: The least sample.
        max: The greatest sample.
        spacing_mm: Distance of samples along (slice, row, column) index, or (row, column) where only those are known;
            None where the file does not say.
        orientation: Where column, row and slice index grow towards in the patient, such as LPS; None where the file
            does not say.
        unit: What a sample means; empty for plain grey levels.
        sha256: Of the array's bytes, row by row, little-endian.
        marks: What a file that drai made says of itself, as `read_marks` gives it; empty for others.
    """

    path: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    bits: int
    min: float
    max: float
    spacing_mm: tuple[float, ...] | None
    orientation: str | None
    unit: str
    sha256: str
    marks: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def inspect(
    path: Path,
    options: SourceOptions | None = None,
    reporter: Reporter = SILENT,
    figure: Path | None = None,
) -> ImageReport | SetReport | LabelCandidates:
    """Describes a data set, or one image file; of DICOM files without a label, what their label could be.

    Args:
        path: An image file of any kind, a DICOM series in a folder or zip, or whatever `find_image_set` takes.
        options: How a set is to be understood.
        reporter: Shown the progress.
        figure: As in `inspect_set`.

    Raises:
        InputError: Nothing usable there. Unreadable images of a set are counted and listed, however many.
        UsageError: Options that do not go with what is there.
    """
    options = options or SourceOptions()
    if is_archive(path):
        if options == SourceOptions() and path.suffix.lower() == ".zip":
            with suppress(InputError):  # one series is read in memory
                return inspect_image(path, reporter)
        return inspect_set(path, options, reporter, figure)
    if path.suffix.lower() != ".npz" and not is_table(path.name) and is_readable(path):
        if options != SourceOptions():
            raise UsageError(path, "options of data sets do not apply to a single image", "leave them out")
        return inspect_image(path, reporter)
    if path.is_dir() and options == SourceOptions() and _holds_dicom_alone(path):
        # One series is one image; several are a set, which needs labels.
        with suppress(InputError):
            return inspect_image(path, reporter)
    try:
        return inspect_set(path, options, reporter, figure)
    except NoLabelError:
        if not path.is_dir() or figure is not None:
            raise
        return list_candidates(path)


def _holds_dicom_alone(path: Path) -> bool:
    tree = walk(path)
    names = tree.medical[DICOM.name]
    return bool(names) and len(names) == len(tree.names)


def inspect_image(path: Path, reporter: Reporter = SILENT) -> ImageReport:
    """Decodes every frame of an image file or series and describes it.

    Raises:
        InputError: It cannot be read.
    """
    stack = read_stack(path)
    array, notes = stack.array, stack.notes
    if stack.alpha is not None:
        colour = array if array.ndim == 4 else array[..., None]
        array = np.concatenate([colour, stack.alpha[..., None]], axis=-1)
        notes = tuple(note for note in notes if note != ALPHA_LEFT_OUT)
    for note in notes:
        reporter.warn(f"{path}: {note}")
    spacing_mm = None
    if stack.spacing_mm is not None:
        spacing_mm = tuple(spacing for spacing in stack.spacing_mm if spacing is not None)
    if stack.volumes > 1:
        array = array.reshape(stack.volumes, -1, *array.shape[1:])
    elif len(array) == 1:
        array = array[0]
    little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return ImageReport(
        path=str(path),
        kind=stack.kind,
        shape=array.shape,
        dtype=array.dtype.name,
        bits=stack.bits,
        min=array.min().item(),
        max=array.max().item(),
        spacing_mm=spacing_mm,
        orientation=None if stack.geometry is None else stack.geometry.orientation,
        unit=stack.unit,
        sha256=hashlib.sha256(little_endian.data).hexdigest(),
        marks=_marks(path),
    )


def _marks(path: Path) -> dict[str, str]:
    """Marks of a single file; of a series, of an archive, and where they cannot be read: none."""
    if not path.is_file() or is_archive(path):
        return {}
    try:
        return read_marks(path)
    except InputError:
        return {}


def inspect_set(
    path: Path,
    options: SourceOptions | None = None,
    reporter: Reporter = SILENT,
    figure: Path | None = None,
) -> SetReport:
    """Decodes every image of a set and describes it.

    Args:
        path: The set.
        options: How it is to be understood.
        reporter: Shown the progress.
        figure: Where a picture of the set is written: images of each class as a model sees them.

    Raises:
        InputError: No set, or no image of it can be read.
        UsageError: Options that do not go with what is there.
        OverwriteError: There is another file where the figure is to be.
    """
    if figure is not None and figure.exists():
        raise OverwriteError(figure, "the file exists", "choose another --figure")
    report, image_set = describe_set(path, options or SourceOptions(), reporter)
    if figure is not None:
        _write_figure(figure, image_set)
    return report


def _write_figure(path: Path, image_set: ImageSet) -> None:
    """Writes rows of images, one for each class or finding, cropped and resized as a model sees them."""
    findings, label = image_set.findings, image_set.label
    rows: dict[str, list[Entry]] = {}
    for entry in image_set.entries:
        text = entry.values[label]
        names = [text] if findings is None else findings.list_present(text) or (findings.none,)
        for name in names:
            rows.setdefault(name, []).append(entry)
    panels, row_names = [], []
    for name in sorted(rows)[:_MOST_ROWS]:
        places = np.linspace(0, len(rows[name]) - 1, min(_COLUMNS, len(rows[name]))).astype(int)
        shown = [image_set.read(rows[name][place]) for place in places]
        fitted = [to_eight_bit(fit_to_square(image, _SIDE, 3)) for image in shown]
        fitted += [np.full_like(fitted[0], 255)] * (_COLUMNS - len(fitted))
        panels += [("", image) for image in fitted]
        row_names.append(f"{name} ({len(rows[name])})")
    further = len(rows) - len(row_names)
    note = "Real images as a model sees them" + (
        f"; {further} further labels are not shown" if further else ""
    )
    write_png(path, draw_figure(panels, _COLUMNS, _SIDE, row_names=row_names, note=note))


def pick_images(path: Path, options: SourceOptions, most: int) -> list[np.ndarray]:
    """Some images of a set as arrays, evenly spread over it; those that cannot be read are left out."""
    image_set = find_image_set(path, SetOptions.of(options))
    count = len(image_set.entries)
    chosen = np.linspace(0, count - 1, min(most, count)).round().astype(int)
    images = []
    for row in chosen:
        with suppress(InputError):
            images.append(np.asarray(image_set.read(image_set.entries[row]).array))
    return images
