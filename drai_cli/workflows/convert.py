"""`drai convert`: any image that can be read, in any format that can be written. Synthetic images stay marked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io import registry
from drai_cli.io.about import Member
from drai_cli.io.dicom.format import DICOM, is_series
from drai_cli.io.durable import sync_disk
from drai_cli.io.files import open_regular
from drai_cli.io.format import Format
from drai_cli.io.read import read_stack
from drai_cli.io.registry import format_by_suffix, format_named, stem_of, strip_suffix
from drai_cli.io.stack import Stack
from drai_cli.machine.memory import raise_if_short
from drai_cli.output.converted_images import ConvertedImages
from drai_cli.output.folder import check_file
from drai_cli.progress import SILENT, Reporter
from drai_cli.sampling.rendering import check_compression
from drai_cli.settings.image_options import ConvertOptions


@dataclass(frozen=True)
class ConvertResult:
    """What a `convert` command did.

    Attributes:
        out: As given.
        files: What was written, sidecars included.
        format: The name of the format written.
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


def convert(options: ConvertOptions, reporter: Reporter = SILENT) -> ConvertResult:
    """Converts a file, a folder that is one series, or every image under a folder.

    OUT with a known suffix is one file. Without one it is a folder, and `format` says what goes into it: a file for
    each frame, or for NIfTI a file for each input.

    Raises:
        UsageError: Options that contradict each other.
        InputError: An image that cannot be read, or that the format cannot hold.
        OverwriteError: OUT is there already.
    """
    suffix, format = check_convert(options)
    images = ConvertedImages(options, format, reporter)
    if not suffix:
        return _convert_into_folder(options, images)
    stack = _read(options.source, options)
    if not format.holds_frames and len(stack.array) > 1:
        hint = f"name a folder as OUT with --format {format.name}: a file a frame"
        raise InputError(
            options.source, f"expected one frame for {format.name}, got {len(stack.array)}", hint
        )
    start = options.out.with_name(options.out.name.removesuffix(suffix))
    written = images.write(
        images.prepare(options.source, stack), start, (suffix, *format.written_suffixes[1:])
    )
    sync_disk(options.out.parent)
    return ConvertResult(options.out, tuple(map(str, written)), format.name, 1, len(stack.array))


def check_convert(options: ConvertOptions, reporter: Reporter = SILENT) -> tuple[str, Format]:
    """Checks the options and OUT as `convert` does before its work; raises its UsageError and OverwriteError.

    Returns:
        The suffix of OUT, empty for a folder, and the format to write.
    """
    suffix, out = _suffix_of(options.out), options.out
    format = _chosen_format(options, suffix)
    check_compression(format.name, options.compression)
    if options.keep_patient and format is not DICOM:
        raise UsageError("--keep-patient", f"is for DICOM, got {format.name}", "--format dicom")
    if options.series is not None and not is_series(options.source):
        raise UsageError(
            f"--series {options.series}", "expected a folder, zip or DICOMDIR of series", "leave it out"
        )
    if suffix:
        check_file(out, options.overwrite, "OUT")
    elif out.exists() and not (out.is_dir() and (options.overwrite or not any(out.iterdir()))):
        raise OverwriteError(out, "it exists and is not empty", "choose another OUT, or --overwrite")
    if not options.source.exists():
        open_regular(options.source)  # raises InputError
    return suffix, format


def _convert_into_folder(options: ConvertOptions, images: ConvertedImages) -> ConvertResult:
    out, format, reporter = options.out, images.format, images.reporter
    written: list[Path] = []
    skipped: list[tuple[str, str]] = []
    frames = 0
    sources = _sources(options)
    members = _members([path for path, _ in sources]) if format is DICOM and len(sources) > 1 else {}
    taken: set[Path] = set()
    with reporter.task("converting", len(sources), "files") as task:
        for source, name in sources:
            task.advance()
            try:
                stack = _read(source, options)
            except InputError as error:
                if not options.source.is_dir():
                    raise
                raise_if_short(error, name)
                skipped.append((name, error.message))
                reporter.warn(f"{name}: left out, {error.message}")
                continue
            start = _unused(out / name, taken)
            image = images.prepare(source, stack, members.get(source))
            is_one_file = len(stack.array) == 1 or format.encode_values is not None
            for index in [None] if is_one_file else range(len(stack.array)):
                place = start if index is None else start.with_name(f"{start.name}_{index:06d}")
                written += images.write(image, place, format.written_suffixes, index)
            frames += len(stack.array)
    if not written:
        raise InputError(options.source, "expected images, got none that can be read")
    sync_disk(out)
    files = tuple(map(str, written))
    return ConvertResult(out, files, format.name, len(sources) - len(skipped), frames, tuple(skipped))


def _chosen_format(options: ConvertOptions, suffix: str) -> Format:
    """The format to write.

    Raises:
        UsageError: OUT and `--format` contradict each other, or neither says it.
    """
    by_suffix = format_by_suffix(options.out.name) if suffix else None
    if by_suffix is not None and options.format not in (None, by_suffix.name):
        raise UsageError(
            f"--format {options.format}", f"contradicts {options.out.name}", "name a folder as OUT"
        )
    if by_suffix is None and options.format is None:
        written = [one for one in registry.FORMATS if one.encode is not None]
        suffixes = ", ".join(suffix for one in written for suffix in one.suffixes)
        raise UsageError(
            options.out,
            f"expected a name in {suffixes}, or a folder and --format",
            f"--format {written[0].name}",
        )
    return by_suffix or format_named(str(options.format))


def _suffix_of(out: Path) -> str:
    """The suffix that says which format a file is to have, as given; empty for a folder or an unknown suffix."""
    by_suffix = format_by_suffix(out.name)
    if out.is_dir() or by_suffix is None or by_suffix.encode is None:
        return ""
    return out.name.removeprefix(strip_suffix(out.name))


def _read(source: Path, options: ConvertOptions) -> Stack:
    """A file or series; of several series the one that is asked for."""
    if options.series is None:
        return read_stack(source)
    from drai_cli.io.dicom.series import read_series

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_series(source, options.series)


def _members(paths: Sequence[Path]) -> dict[Path, Member]:
    """The series of each DICOM file: what is made of one series stays one."""
    from drai_cli.io.dicom.members import find_members

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_members(paths)


def _sources(options: ConvertOptions) -> Sequence[tuple[Path, str]]:
    """Files to convert, each with its name below OUT without suffix; of a folder all but hidden files and links."""
    source = options.source
    if not source.is_dir() or options.series is not None:
        return [(source, stem_of(source.name))]
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    names = [(path, path.relative_to(source)) for path in paths]
    return [
        (path, str(name.with_name(stem_of(name.name))))
        for path, name in names
        if not any(part.startswith(".") for part in name.parts) and not path.is_symlink()
    ]


def _unused(path: Path, taken: set[Path]) -> Path:
    """The path, numbered where another input has taken it (`a.png` next to `a.jpg`)."""
    candidate = path
    for number in count(2):
        if candidate not in taken:
            break
        candidate = path.with_name(f"{path.name}-{number}")
    taken.add(candidate)
    return candidate
