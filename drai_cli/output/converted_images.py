"""Files of images that are converted from one format to another: what they hold, and what they say of themselves."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli import __version__
from drai_cli.errors import InputError, UsageError
from drai_cli.io.about import About, Member
from drai_cli.io.dicom.format import DICOM, is_series, marks_of
from drai_cli.io.files import atomic_writer
from drai_cli.io.format import Format, WriteOptions
from drai_cli.io.registry import format_named
from drai_cli.io.stack import Stack
from drai_cli.io.stored import Stored
from drai_cli.io.window import centre_and_width, choose_scale, parse_window
from drai_cli.output.folder import check_file, make_parent
from drai_cli.output.marks import read_marks
from drai_cli.progress import Reporter
from drai_cli.settings.image_options import ConvertOptions

_PLAIN = ("uint8", "uint16", "bool")


@dataclass(frozen=True)
class PreparedImage:
    """One input, ready to be written whole or frame by frame: what all of its frames share is computed once.

    Attributes:
        stack: As read.
        stored: Its numbers as the format stores them; None for a format that keeps values of any type.
        about: What its files say; of one frame among several, with that frame's number.
    """

    stack: Stack
    stored: Stored | None
    about: About


@dataclass(frozen=True)
class ConvertedImages:
    """How the images of one command are written."""

    options: ConvertOptions
    format: Format
    reporter: Reporter

    def prepare(self, source: Path, stack: Stack, member: Member | None = None) -> PreparedImage:
        """Computes what an input's files hold and say; warns of losses.

        Args:
            source: The input.
            stack: As read.
            member: The series that it is a file of, where others of it are converted as well.

        Raises:
            InputError: Values that the format cannot hold.
            UsageError: Attributes of a patient asked of an image that is no DICOM, or no such window.
        """
        for note in stack.notes:
            self.reporter.warn(f"{source.name}: {note}")
        if member is not None and len(stack.array) == 1 and stack.spacing_mm is not None:
            stack = replace(stack, spacing_mm=(member.between_mm, *stack.spacing_mm[1:]))
        about = self._about(source, stack, member)
        try:
            return PreparedImage(stack, self._stored(source, stack), about)
        except ValueError as error:
            raise InputError(source, f"{self.format.name} cannot hold {error}", "--format nifti") from error

    def write(
        self, image: PreparedImage, start: Path, suffixes: tuple[str, ...], index: int | None = None
    ) -> list[Path]:
        """Writes all frames, or one, as one image; the caller calls `sync_disk` after the last.

        Args:
            image: The input.
            start: The files' path without suffix.
            suffixes: Of the image's file, and of those written next to it.
            index: Which frame; None: all in one file.

        Returns:
            The files. A real image has no sidecar, which would say that it is synthetic.
        """
        about = image.about
        if index is not None:
            about = replace(about, number=about.number + index, part=f"{about.part}{index}")
        files = self._bytes(image, about, suffixes[0], index)
        if not about.is_synthetic:
            files = files[:1]
        paths = [start.with_name(start.name + suffix) for suffix in suffixes[: len(files)]]
        for path in paths:
            check_file(path, self.options.overwrite, "OUT")
        for path, data in zip(paths, files, strict=True):
            make_parent(
                path, inside=self.options.out if path.parent.is_relative_to(self.options.out) else None
            )
            with atomic_writer(path, sync=False) as file:
                file.write(data)
        return paths

    def _about(self, source: Path, stack: Stack, member: Member | None) -> About:
        header = None
        if is_series(source):
            from drai_cli.io.dicom.series import read_first_header

            header = read_first_header(source, self.options.series)
            marks = marks_of(header)
        else:
            marks = {} if format_named(stack.kind).encode is None else read_marks(source)
        is_synthetic = marks.get("synthetic") == "yes"
        if not is_synthetic:
            marks = {"tool": f"drai {__version__}", "made_by": "convert"}
        kept: dict[str, Any] = {}
        if self.options.keep_patient:
            if stack.kind != DICOM.name:
                raise UsageError("--keep-patient", f"is for DICOM, got {stack.kind}", "leave it out")
            from drai_cli.io.dicom.file import patient_of, read_patient

            kept = read_patient(source) if header is None else patient_of(header)
        array = np.ascontiguousarray(stack.array)
        window = self._window(stack) if self.options.window else stack.window
        deciding = {
            "made_by": "convert",
            "shape": array.shape,
            "dtype": array.dtype.str,
            "sha256": hashlib.sha256(array.data).hexdigest(),
            "affine": None if stack.geometry is None else stack.geometry.affine.tolist(),
            "spacing_mm": stack.spacing_mm,
            "unit": stack.unit,
            "window": window,
            "kept": kept,
        }
        if stack.volumes > 1:
            deciding["volumes"] = stack.volumes
        if member is not None:  # the same series shown through another window is another series
            member = replace(member, series=f"{member.series} {self.options.window or ''}")
        return About(
            marks,
            deciding,
            number=1 if member is None else member.number,
            part="" if member is None else f"{member.number}.",
            member=member,
            kept={} if is_synthetic else kept,
            modality=stack.modality if stack.modality and not is_synthetic else "OT",
            window=window if stack.channels == 1 else None,
            lossy_ratio=array.nbytes / max(1, os.stat(source).st_size) if stack.kind == "jpeg" else None,
        )

    def _stored(self, source: Path, stack: Stack) -> Stored | None:
        """The numbers of all frames: one line from number to value holds for all files of a series."""
        if self.format.encode_values is not None:
            return None
        if not self.format.is_medical:
            if stack.geometry is not None or stack.spacing_mm is not None:
                self.reporter.warn(f"{source.name}: {self.format.name} cannot store spacing and orientation")
            return Stored.of_values(self._levels(source, stack))
        stored = Stored.of_values(stack.array, stack.unit)
        if stored.error:
            self.reporter.warn(
                f"{source.name}: 16 bits cannot hold its values exactly, "
                f"they are rounded by at most {stored.error:.3g}"
            )
        return stored

    def _bytes(self, image: PreparedImage, about: About, suffix: str, index: int | None) -> tuple[bytes, ...]:
        stack = image.stack if index is None else image.stack.frame(index)
        options = WriteOptions(
            stack.geometry, stack.spacing_mm, stack.volumes, suffix, self.options.compression, level=6
        )
        if image.stored is None:
            assert self.format.encode_values is not None
            return self.format.encode_values(stack.array, stack.unit, about, options)
        assert self.format.encode is not None
        frames = slice(None) if index is None else slice(index, index + 1)
        stored = replace(image.stored, array=image.stored.array[frames])
        return self.format.encode(stored, about, options)

    def _levels(self, source: Path, stack: Stack) -> np.ndarray:
        """Levels for a format that has no values: unchanged where they are plain, else through a window."""
        is_plain = not stack.unit and stack.array.dtype.name in _PLAIN
        if stack.channels != 1 or (is_plain and not self.options.window):
            return stack.array
        scale = choose_scale(stack, parse_window(self.options.window))
        levels = scale.apply(stack).array
        if not self.options.window and (window := self._window(stack)):
            self.reporter.warn(
                f"{source.name}: shown through the window {window[0]:g},{window[1]:g} "
                f"in {8 * levels.itemsize} bits (--window chooses another)"
            )
        return levels

    def _window(self, stack: Stack) -> tuple[float, float] | None:
        """Centre and width of what is asked for; None for colour and for a tone curve."""
        intensity = choose_scale(stack, parse_window(self.options.window)).intensity
        return None if intensity is None else centre_and_width(intensity.low, intensity.high)
