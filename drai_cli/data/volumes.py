"""Frames of medical files as the images of a set: each file is decoded once, however many of its frames are wanted."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from drai_cli.data.image_set import BATCH, Batch, Entry, Read, Stamp
from drai_cli.data.tree import stamp_files
from drai_cli.errors import InputError, UsageError
from drai_cli.io.image import Image, plausible_aspect
from drai_cli.io.read import decode_stack
from drai_cli.io.registry import find_format
from drai_cli.io.stack import Spacing, Stack
from drai_cli.io.window import AUTO, Scale, Window, choose_scale, frame_image

Axis = Literal["axial", "coronal", "sagittal"]
_MOVES: Mapping[str, tuple[int, int, int]] = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}


@dataclass(frozen=True)
class VolumePixels:
    """Images that are frames of files under a root.

    Attributes:
        root: The set's folder.
        frames: File and frame of each entry, by the entry's name.
        window: Which values become black and white.
        axis: Across which axis volumes are cut; None for the frames of the file.
        aspects: Height of a pixel over its width, of files in which it is not 1: keys of caches say it, since pixels
            follow from it.
    """

    root: Path
    frames: Mapping[str, tuple[str, int]]
    window: Window = AUTO
    axis: Axis | None = None
    aspects: Mapping[str, float] = field(default_factory=dict)
    holds_interpreter = True

    def file_of(self, entry: Entry) -> str:
        """The file that holds an image, relative to the set's root with `/`."""
        return self.frames[entry.name][0]

    def batches(self, entries: Iterable[Entry]) -> Iterator[Batch]:
        """All frames of a file that follow one another; of files with one frame a few."""
        batch: list[tuple[Entry, Read]] = []
        last, volume = "", None
        for entry in entries:
            name, frame = self.frames[entry.name]
            if volume is None or name != last:
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
                last, volume = name, _Volume(self.root / name, self.window, self.axis)
            batch.append((entry, partial(volume.image, frame)))
        if batch:
            yield batch

    def stamps(self, entries: Iterable[Entry]) -> Iterator[Stamp]:
        """Names of the entries, sizes and times of the files."""
        return stamp_files(self.root, ((self._stamped(entry), self.file_of(entry)) for entry in entries))

    def _stamped(self, entry: Entry) -> str:
        aspect = self.aspects.get(self.file_of(entry), 1.0)
        return entry.name if aspect == 1 else f"{entry.name}\0aspect {aspect!r}"


@dataclass
class _Volume:
    """A file that is decoded when its first frame is read."""

    path: Path
    window: Window
    axis: Axis | None
    _found: tuple[Stack, Scale] | InputError | None = None

    def image(self, frame: int) -> Image:
        if self._found is None:
            try:
                stack = cut(decode_stack(self.path), self.axis)
                self._found = stack, choose_scale(stack, self.window)
            except InputError as error:
                self._found = error
        if isinstance(self._found, InputError):
            raise self._found
        stack, scale = self._found
        if not 0 <= frame < len(stack.array):
            raise InputError(stack.source, f"expected a frame from 0 to {len(stack.array) - 1}, got {frame}")
        return frame_image(stack, frame, self.window, scale)


def cut(stack: Stack, axis: Axis | None) -> Stack:
    """The frames across another axis: `coronal` and `sagittal` have the head on top, the patient's left on the right.

    Sagittal slices have the back on the right. Geometry is dropped, spacing turns with the axes.
    """
    if axis is None:
        return stack
    slices = len(stack.array) // stack.volumes
    arrays: list[np.ndarray | None] = []
    for array in (stack.array, stack.padding):
        if array is None:
            arrays.append(None)
            continue
        volumes = array.reshape(stack.volumes, slices, *array.shape[1:])
        order = (0, *(1 + place for place in _MOVES[axis]), *range(4, volumes.ndim))
        turned = volumes.transpose(order)
        if axis != "axial":
            turned = turned[:, :, ::-1]  # rows run down, slices run up
        arrays.append(np.ascontiguousarray(turned).reshape(-1, *turned.shape[2:]))
    assert arrays[0] is not None
    spacing_mm = turn_spacing(stack.spacing_mm, axis)
    return replace(
        stack, array=arrays[0], padding=arrays[1], alpha=None, geometry=None, spacing_mm=spacing_mm
    )


def turn_spacing(spacing_mm: Spacing | None, axis: Axis) -> Spacing | None:
    """Spacing (slice, row, column) of the frames across another axis; None where a plane's is not known."""
    if spacing_mm is None:
        return None
    between, down, across = (spacing_mm[place] for place in _MOVES[axis])
    return None if down is None or across is None else (between, down, across)


def plane_aspect(path: Path, axis: Axis) -> float:
    """Height of a pixel over its width in the frames of a volume across an axis, by the header where that says it.

    Raises:
        InputError: The file cannot be read.
    """
    format = find_format(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if format is not None and format.measure is not None:
            spacing_mm = format.measure(path).spacing_mm
        else:
            spacing_mm = decode_stack(path).spacing_mm
    turned = turn_spacing(spacing_mm, axis)
    return 1.0 if turned is None else plausible_aspect(turned[1] / turned[2])


def choose_slices(path: Path, name: str, axis: Axis, slices: str) -> list[int]:
    """Frames of a volume that `--slices` selects. `nonempty` decodes the volume, as does a format without `measure`.

    Raises:
        InputError: The file cannot be read, or has no such slice.
        UsageError: Not one of the choices.
    """
    if slices not in ("all", "central", "nonempty") and not slices.isdecimal():
        raise UsageError(f"--slices {slices}", "expected all, central, nonempty or an index")
    format = find_format(path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if slices == "nonempty":
            array = cut(decode_stack(path / name), axis).array
            return [index for index, values in enumerate(array) if values.min() != values.max()]
        if format is not None and format.measure is not None:
            volumes, *extents = format.measure(path / name).extents
        else:
            stack = decode_stack(path / name)
            volumes, extents = stack.volumes, [len(stack.array) // stack.volumes, *stack.array.shape[1:3]]
    count = extents[_MOVES[axis][0]]
    if slices == "all":
        return list(range(volumes * count))
    index = count // 2 if slices == "central" else int(slices)
    if index >= count:
        raise InputError(
            path / name, f"expected a slice from 0 to {count - 1}, got {index}", "--slices central"
        )
    return [volume * count + index for volume in range(volumes)]
