"""Checks before the work that the disk has room for the results."""

from __future__ import annotations

from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.io.files import free_bytes
from drai_cli.progress import Reporter, show_bytes


def check_room(
    folder: Path, what: str, least_bytes: float, most_bytes: float, hint: str, reporter: Reporter
) -> None:
    """Says what will be written and what is free; warns where that may not be enough.

    Args:
        folder: Where; it need not exist yet.
        what: What is written, as the subject of a sentence (`the images`).
        least_bytes: At least so much.
        most_bytes: At most so much.
        hint: What to do where it does not fit.
        reporter: Shown the sizes.

    Raises:
        InputError: Even the least does not fit.
    """
    try:
        free = free_bytes(folder)
    except OSError:  # reported when it is written
        return
    if least_bytes > free:
        raise InputError(
            folder,
            f"expected room for {what}, at least {show_bytes(round(least_bytes))}, got {show_bytes(free)} free",
            hint,
        )
    size = f"{what}: at most {show_bytes(round(most_bytes))}, {show_bytes(free)} free"
    if most_bytes > free:
        reporter.warn(f"{size}, which may not be enough")
    else:
        reporter.info(size)
