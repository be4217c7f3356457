"""Whether there is room on the disk for what is going to be written, asked before the work and not when it is full."""

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
        folder: Where; it need not be there yet.
        what: That is written, as the subject of a sentence (`the images`).
        least_bytes: What it takes for sure.
        most_bytes: What it may take.
        hint: The way out.
        reporter: Told the sizes.

    Raises:
        InputError: For sure it does not fit.
    """
    try:
        free = free_bytes(folder)
    except OSError:  # told when it is written
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
