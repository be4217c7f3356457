"""`drai convert`: any image that is read as any kind that is written. What is synthetic stays marked as such."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.files import atomic_writer, open_regular
from drai_cli.io.read import read_stack
from drai_cli.io.stack import Stack
from drai_cli.io.stored import Stored
from drai_cli.io.window import centre_and_width, chosen_scale, parse_window
from drai_cli.output.folder import check_file, make_parent
from drai_cli.output.image_files import About, image_bytes, values_bytes
from drai_cli.output.marks import read_marks
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.rendering import check_compression
from drai_cli.settings.image_options import IMAGE_SUFFIXES, ConvertOptions

_KINDS = {
    ".png": "png",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".dcm": "dicom",
    ".nii": "nifti",
    ".nii.gz": "nifti",
}
_PLAIN = ("uint8", "uint16", "bool")


@dataclass(frozen=True)
class ConvertResult:
    """What a `convert` command did.

    Attributes:
        out: As given.
        files: What was written, sidecars included.
        format: The kind written.
        images: Images read.
        frames: Frames written.
        skipped: Files left out, with the reason.
        version: Of drai.
    """

    out: Path
    files: tuple[str, ...]
    format: str
    images: int
    frames: int
    skipped: tuple[tuple[str, str], ...] = ()
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


@dataclass(frozen=True)
class _Target:
    """Where an image goes: `path` is a file's name, or its beginning where frames or suffixes follow."""

    path: Path
    suffixes: tuple[str, ...]


def convert(options: ConvertOptions, reporter: Reporter = SILENT) -> ConvertResult:
    """Converts a file, a folder that is one series, or every image under a folder.

    OUT with a known suffix is one file. Without one it is a folder, and `format` says what goes into it: a file for
    each frame, or for NIfTI a file for each input.

    Raises:
        UsageError: Options that contradict each other.
        InputError: An image that cannot be read, or that the kind cannot hold.
        OverwriteError: OUT is there already.
    """
    suffix, kind = check_convert(options)
    if suffix:
        stack = _read(options.source)
        target = _Target(
            options.out.with_name(options.out.name[: -len(suffix)]), (suffix, *IMAGE_SUFFIXES[kind][1:])
        )
        if kind in ("png", "tiff") and len(stack.array) > 1:
            hint = f"name a folder as OUT with --format {kind}: a file a frame"
            raise InputError(options.source, f"expected one frame for {kind}, got {len(stack.array)}", hint)
        writing = _Writing(options, kind, reporter)
        written = writing.write(writing.prepare(options.source, stack), target)
        return ConvertResult(options.out, tuple(map(str, written)), kind, 1, len(stack.array))
    return _convert_into_folder(options, kind, reporter)


def check_convert(options: ConvertOptions, reporter: Reporter = SILENT) -> tuple[str, str]:
    """Checks the options and OUT as `convert` does before its work; raises its UsageError and OverwriteError.

    Returns:
        The suffix of OUT, empty for a folder, and the kind to write.
    """
    suffix, out = _suffix_of(options.out), options.out
    kind = _kind(options, suffix)
    check_compression(kind, options.compression)
    if options.keep_patient and kind != "dicom":
        raise UsageError("--keep-patient", f"is for DICOM, got {kind}", "--format dicom")
    if suffix:
        check_file(out, options.overwrite, "OUT")
    elif out.exists() and not (out.is_dir() and (options.overwrite or not any(out.iterdir()))):
        raise OverwriteError(out, "it exists and is not empty", "choose another OUT, or --overwrite")
    if not options.source.exists():
        open_regular(options.source)  # raises InputError
    return suffix, kind


def _convert_into_folder(options: ConvertOptions, kind: str, reporter: Reporter) -> ConvertResult:
    out = options.out
    writing = _Writing(options, kind, reporter)
    written: list[Path] = []
    skipped: list[tuple[str, str]] = []
    frames = 0
    sources = _sources(options.source)
    taken: set[Path] = set()
    with reporter.task("converting", len(sources), "files") as task:
        for source, name in sources:
            task.advance()
            try:
                stack = _read(source)
            except InputError as error:
                if not options.source.is_dir():
                    raise
                skipped.append((name, error.message))
                reporter.warn(f"{name}: left out, {error.message}")
                continue
            start = _unused(out / name, taken)
            prepared = writing.prepare(source, stack)
            count = len(stack.array)
            for index in [None] if kind == "nifti" or count == 1 else range(count):
                place = start if index is None else start.with_name(f"{start.name}_{index:06d}")
                written += writing.write(prepared, _Target(place, IMAGE_SUFFIXES[kind]), index)
            frames += count
    if not written:
        raise InputError(options.source, "expected images, got none that can be read")
    files = tuple(map(str, written))
    return ConvertResult(out, files, kind, len(sources) - len(skipped), frames, tuple(skipped))


@dataclass(frozen=True)
class _Prepared:
    """One input, ready to be written whole or frame by frame: what holds for all of its frames is found once.

    Attributes:
        stack: As read.
        stored: Its numbers as the kind stores them; None for NIfTI, which takes the values.
        about: What its files say; of one frame among several, with that frame's number.
    """

    stack: Stack
    stored: Stored | None
    about: About


class _Writing:
    """What is the same for all images of one command."""

    def __init__(self, options: ConvertOptions, kind: str, reporter: Reporter) -> None:
        self.options, self.kind, self.reporter = options, kind, reporter

    def prepare(self, source: Path, stack: Stack) -> _Prepared:
        """Finds out what an input's files hold and say; warns of what is lost."""
        for note in stack.notes:
            self.reporter.warn(f"{source.name}: {note}")
        about = self._about(source, stack)
        try:
            return _Prepared(stack, self._stored(source, stack), about)
        except ValueError as error:
            raise InputError(source, f"{self.kind} cannot hold {error}", "--format nifti") from error

    def write(self, prepared: _Prepared, target: _Target, index: int | None = None) -> list[Path]:
        """Writes all frames, or one, as one image."""
        about = prepared.about
        if index is not None:
            about = replace(about, number=index + 1, part=str(index))
        files = self._bytes(prepared, about, index)
        if target.suffixes[0].lower() == ".nii":
            files = (gzip.decompress(files[0]), *files[1:])
        if not about.is_synthetic:
            files = files[:1]  # what is real needs no sidecar that says otherwise
        paths = [target.path.with_name(target.path.name + suffix) for suffix in target.suffixes[: len(files)]]
        for path in paths:
            check_file(path, self.options.overwrite, "OUT")
        for path, data in zip(paths, files, strict=True):
            make_parent(path)
            with atomic_writer(path) as file:
                file.write(data)
        return paths

    def _about(self, source: Path, stack: Stack) -> About:
        first = _first_file(source)
        marks = read_marks(first) if stack.kind in ("png", "tiff", "dicom", "nifti") else {}
        is_synthetic = marks.get("synthetic") == "yes"
        if not is_synthetic:
            marks = {"tool": f"drai {__version__}", "made_by": "convert"}
        kept: dict[str, Any] = {}
        if self.options.keep_patient:
            if stack.kind != "dicom":
                raise UsageError("--keep-patient", f"is for DICOM, got {stack.kind}", "leave it out")
            from drai_cli.io.dicom.patient import read_patient

            kept = read_patient(first)
        array = np.ascontiguousarray(stack.array)
        window = self._window(stack) if self.options.window else stack.window
        deciding = {
            "made_by": "convert",
            "shape": array.shape,
            "dtype": array.dtype.str,
            "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
            "affine": None if stack.geometry is None else stack.geometry.affine.tolist(),
            "spacing_mm": stack.spacing_mm,
            "unit": stack.unit,
            "window": window,
            "kept": kept,
        }
        return About(
            marks,
            deciding,
            kept={} if is_synthetic else kept,
            modality=stack.modality if stack.modality and not is_synthetic else "OT",
            window=window if stack.channels == 1 else None,
            lossy_ratio=array.nbytes / max(1, os.stat(first).st_size) if stack.kind == "jpeg" else None,
        )

    def _stored(self, source: Path, stack: Stack) -> Stored | None:
        """The numbers of all frames: one line from number to value holds for all files of a series."""
        if self.kind == "nifti":
            return None
        if self.kind != "dicom":
            if stack.geometry is not None or stack.spacing_mm is not None:
                self.reporter.warn(f"{source.name}: {self.kind} has no place for spacing and orientation")
            return Stored.of_values(self._levels(source, stack))
        stored = Stored.of_values(stack.array, stack.unit)
        if stored.error:
            self.reporter.warn(
                f"{source.name}: 16 bits cannot hold its values exactly, "
                f"they are rounded by at most {stored.error:.3g}"
            )
        return stored

    def _bytes(self, prepared: _Prepared, about: About, index: int | None) -> tuple[bytes, ...]:
        part = prepared.stack if index is None else prepared.stack.frame(index)
        if prepared.stored is None:
            return values_bytes(
                part.array, part.unit, about, geometry=part.geometry, spacing_mm=part.spacing_mm
            )
        frames = slice(None) if index is None else slice(index, index + 1)
        return image_bytes(
            self.kind,
            replace(prepared.stored, array=prepared.stored.array[frames]),
            about,
            geometry=part.geometry,
            spacing_mm=part.spacing_mm,
            compression=self.options.compression,
            level=6,
        )

    def _levels(self, source: Path, stack: Stack) -> np.ndarray:
        """Levels for a kind that has no values: as they are where they are plain, else through a window."""
        is_plain = not stack.unit and stack.array.dtype.name in _PLAIN
        if stack.channels != 1 or (is_plain and not self.options.window):
            return stack.array
        scale = chosen_scale(stack, parse_window(self.options.window))
        levels = scale.apply(stack).array
        if not self.options.window and (window := self._window(stack)):
            self.reporter.warn(
                f"{source.name}: shown through the window {window[0]:g},{window[1]:g} "
                f"in {8 * levels.itemsize} bits (--window chooses another)"
            )
        return levels

    def _window(self, stack: Stack) -> tuple[float, float] | None:
        """Centre and width of what is asked for; None for colour and for a tone curve."""
        scale = chosen_scale(stack, parse_window(self.options.window))
        return (
            None if scale.intensity is None else centre_and_width(scale.intensity.low, scale.intensity.high)
        )


def _read(source: Path) -> Stack:
    """The place where what is to be converted is read."""
    return read_stack(source)


def _kind(options: ConvertOptions, suffix: str) -> str:
    """The kind to write.

    Raises:
        UsageError: OUT and `--format` contradict each other, or neither says it.
    """
    if suffix:
        kind = _KINDS[suffix.lower()]
        if options.format not in (None, kind):
            raise UsageError(
                f"--format {options.format}", f"contradicts {options.out.name}", "name a folder as OUT"
            )
        return kind
    if options.format is None:
        known = ", ".join(_KINDS)
        raise UsageError(
            options.out,
            f"expected a name in {known}, or a folder and --format",
            f"--format {next(iter(IMAGE_SUFFIXES))}",
        )
    return options.format


def _suffix_of(out: Path) -> str:
    """The suffix that says what a file is, as written; empty where the name has none that is known."""
    if out.is_dir():
        return ""
    for suffix in sorted(_KINDS, key=len, reverse=True):
        if out.name.lower().endswith(suffix) and len(out.name) > len(suffix):
            return out.name[-len(suffix) :]
    return ""


def _sources(source: Path) -> Sequence[tuple[Path, str]]:
    """Files to convert, each with its name below OUT without suffix; of a folder all, hidden ones left out."""
    if not source.is_dir():
        return [(source, _stem(source.name))]
    found = sorted(path for path in source.rglob("*") if path.is_file())
    names = [(path, path.relative_to(source)) for path in found]
    return [
        (path, str(name.with_name(_stem(name.name))))
        for path, name in names
        if not any(part.startswith(".") for part in name.parts) and not path.is_symlink()
    ]


def _stem(name: str) -> str:
    lower = name.lower()
    return name[:-7] if lower.endswith(".nii.gz") else Path(name).stem


def _unused(path: Path, taken: set[Path]) -> Path:
    """The path, numbered where another input has taken it (`a.png` beside `a.jpg`)."""
    for candidate in _numbered(path):
        if candidate not in taken:
            taken.add(candidate)
            return candidate
    raise AssertionError


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def _first_file(source: Path) -> Path:
    """The file itself, or of a series any one: it says whose all of them are."""
    if not source.is_dir():
        return source
    return min(path for path in source.rglob("*") if path.is_file() and not path.name.startswith("."))
