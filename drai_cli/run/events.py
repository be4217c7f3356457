"""Losses and measures of a run as TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drai_cli.errors import UsageError


def import_writer() -> Any:
    """The class of TensorBoard's writers.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "--tensorboard", "TensorBoard is not installed", "pip install 'drai-cli[tensorboard]'"
        ) from error
    return SummaryWriter


def open_events(folder: Path, images_seen: int) -> Any:
    """A TensorBoard writer; raises as `import_writer`.

    Args:
        folder: Where to.
        images_seen: Of the checkpoint that the run is resumed from. What a killed process has written after it is not
            shown: it comes again.
    """
    return import_writer()(folder, purge_step=images_seen + 1 if images_seen else None)


def write_events(events: Any, values: Mapping[str, float], images_seen: int) -> None:
    """Adds the values of a tick to a writer."""
    for name, value in values.items():
        events.add_scalar(name, value, images_seen)
    events.flush()
