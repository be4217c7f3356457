"""The frames of several DICOM files in one array, which is filled file by file. Knows no files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod

import numpy as np

from drai_cli.errors import InputError
from drai_cli.io.stack import Stack
from drai_cli.io.values import check_memory, check_size


class JoinedFrames:
    """The frames of a series' files in one array, which is filled file by file.

    Args:
        subject: For messages.
        count: Of all frames.
        file_bytes: Of all files where they are stored.

    Attributes:
        parts: The stack of each file so far, without its frames.
    """

    def __init__(self, subject: str, count: int, file_bytes: int) -> None:
        self.subject, self.count, self.file_bytes = subject, count, file_bytes
        self.parts: list[Stack] = []
        self._array: np.ndarray | None = None
        self._padding: np.ndarray | None = None
        self._filled = 0

    def add(self, stack: Stack) -> None:
        """Adds a file's frames.

        Raises:
            InputError: They are of another shape, more than was said, or all of them too large.
        """
        frames, stop = stack.array, self._filled + len(stack.array)
        if self._array is not None and frames.shape[1:] != self._array.shape[1:]:
            raise InputError(self.subject, "its slices differ in shape")
        if stop > self.count:
            raise InputError(self.subject, f"expected {self.count} frames, got more")
        self._make_room(frames)
        assert self._array is not None
        self._array[self._filled : stop] = frames
        if stack.padding is not None:
            if self._padding is None:
                self._padding = np.zeros((self.count, *frames.shape[1:3]), np.bool_)
            self._padding[self._filled : stop] = stack.padding
        self._filled = stop
        kept = None if stack.padding is None else stack.padding[:0].copy()  # a view would keep the whole
        self.parts.append(replace(stack, array=frames[:0].copy(), padding=kept))

    def stack(self) -> Stack:
        """The frames of all, with each note once."""
        assert self._array is not None
        if self._filled < self.count:
            raise InputError(self.subject, f"expected {self.count} frames, got {self._filled}")
        notes = Counter(note for stack in self.parts for note in stack.notes)
        return replace(self.parts[0], array=self._array, padding=self._padding, notes=tuple(notes))

    def _make_room(self, frames: np.ndarray) -> None:
        """Makes the array, or one of a type that holds these frames too."""
        before = self._array
        dtype = frames.dtype if before is None else np.result_type(before, frames)
        if before is not None and dtype == before.dtype:
            return
        held = dtype.itemsize + 1 + (0 if before is None else before.itemsize)  # with padding
        shape = (self.count, *frames.shape[1:])
        check_size(self.subject, shape, held)
        check_memory(self.subject, prod(shape) * held + 2 * frames.nbytes, self.file_bytes)
        self._array = np.empty(shape, dtype)
        if before is not None:
            self._array[: self._filled] = before[: self._filled]
