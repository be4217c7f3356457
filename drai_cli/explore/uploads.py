"""Images that the page sends: read from memory by the readers of files, and gone afterwards."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.inference.input_images import InputImage, read_for_model
from drai_cli.io.registry import FORMATS
from drai_cli.model_file.header import ModelHeader, model_fit

MOST_BYTES = 128 << 20
"""Largest image that is taken (128 MiB)."""

HAS_MEMORY_FILES = sys.platform == "linux" and hasattr(os, "memfd_create")
"""Whether an image stays in memory. Elsewhere it is written to a private temporary file, which is removed at once."""


def read_upload(
    data: bytes, name: str, header: ModelHeader, *, frame: int | None = None, window: str | None = None
) -> InputImage:
    """One image for a model, from the bytes of a file of any format.

    Args:
        data: The file.
        name: Its name, for its suffix and for messages alone.
        header: Of the model.
        frame: Which of several frames.
        window: Which values become black and white.

    Raises:
        InputError: It cannot be read; the message names it as the visitor does.
        UsageError: No such window.
    """
    shown = name.replace("\\", "/").rpartition("/")[2] or "image"
    with _as_file(data, _suffix_of(shown)) as path:
        try:
            image = read_for_model(path, header, model_fit(header), frame=frame, window=window)
        except InputError as error:
            place, message = str(path), error.message
            # A page has fields in place of options.
            hint = error.hint.replace("pick one with --frame N", "choose one under Frame")
            hint = hint.replace("--window ", "").replace(place, shown)
            raise InputError(shown, message.replace(place, shown), hint) from error
    # A page has no options to type, and a file has no path there.
    changes = (change.partition(" (--")[0].replace(str(path), shown) for change in image.changes)
    return replace(image, changes=tuple(changes))


def _suffix_of(name: str) -> str:
    """The suffix of a known format; empty for any other, whose format is then found by its content."""
    known = sorted((s for one in FORMATS for s in one.suffixes), key=len, reverse=True)
    lower = name.lower()
    return next((suffix for suffix in (*known, ".zip") if lower.endswith(suffix)), "")


@contextmanager
def _as_file(data: bytes, suffix: str) -> Iterator[Path]:
    """A path with this suffix under which the bytes can be read."""
    # Readers choose the format by the suffix, so the memory is given a name in a private folder.
    with tempfile.TemporaryDirectory(prefix="drai-explore-") as folder:
        path = Path(folder) / f"image{suffix}"
        if not HAS_MEMORY_FILES:
            path.write_bytes(data)
            yield path
            return
        descriptor = os.memfd_create("drai-explore", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            path.symlink_to(f"/proc/{os.getpid()}/fd/{descriptor}")
            yield path
