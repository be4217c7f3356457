"""Losses and measures of a run as TensorBoard events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drai_cli.errors import UsageError


def open_events(folder: Path) -> Any:
    """A TensorBoard writer.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "--tensorboard", "TensorBoard is not installed", "pip install 'drai-cli[tensorboard]'"
        ) from error
    return SummaryWriter(folder)
