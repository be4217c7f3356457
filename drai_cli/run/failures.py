"""Failures during a run, told with what is saved and how to resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from drai_cli.errors import InputError
from drai_cli.machine.memory import is_device_lost, is_out_of_memory

SavedAt = Callable[[], int | None]
"""Images seen at the last checkpoint; None if there is none."""


@contextmanager
def explain_write_failure(saved_at: SavedAt) -> Iterator[None]:
    """Adds to a failure to write which checkpoint is kept.

    Raises:
        InputError: What failed.
    """
    try:
        yield
    except InputError as error:
        images = saved_at()
        if images is None:
            raise
        raise InputError(
            error.subject, error.message,
            f"the checkpoint at {images / 1000:g} kimg is kept: make room, then run the same command to resume",
        ) from error  # fmt: skip


@contextmanager
def explain_device_failure(
    device: torch.device, batch_size: int, is_first: bool, saved_at: SavedAt
) -> Iterator[None]:
    """Explains that memory ran out or that a GPU was lost.

    A step cannot be repeated with fewer images: its terms compare all rows of the batch with each other.

    Args:
        device: Where the run trains.
        batch_size: Images per step.
        is_first: Whether this process writes the checkpoints.
        saved_at: The last of them.

    Raises:
        InputError: What failed.
    """
    try:
        yield
    except Exception as error:
        is_full = is_out_of_memory(error)
        if not is_full and not is_device_lost(error):
            raise
        detail = (str(error).splitlines() or ["out of memory"])[0]
        images = saved_at()
        if not is_first:
            kept = "the last checkpoint is complete"
        elif images is None:
            kept = "there is no checkpoint yet"
        else:
            kept = f"the checkpoint at {images / 1000:g} kimg is complete"
        way_out = "run the same command to resume when the GPU works again, or add --device cpu to resume now"
        if is_full:
            way_out = (
                "free memory, or share the batch among more processes with torchrun, and run the same command to "
                f"resume; or start another run (--out) with --batch-size {max(2, batch_size // 2)}"
            )
        raise InputError(
            "memory" if is_full else str(device), f"{detail.rstrip('.')}, at {batch_size} images per step",
            f"{kept}: {way_out}",
        ) from error  # fmt: skip
