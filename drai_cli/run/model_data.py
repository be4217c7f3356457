"""How a data set is read for a model: as its run read its own, or as the model itself needs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drai_cli.model_file.header import ModelHeader, model_fit
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.data_options import DataOptions


def as_run_reads(run: RunDirectory, path: Path) -> DataOptions:
    """The run's own options for another place; those that say what stands there only where it is the same place."""
    own = run.read_data_options()
    is_own = own.path.resolve() == path.resolve()
    return replace(own, path=path) if is_own else replace(own, path=path, metadata=None, kind=None)


def as_model_needs(header: ModelHeader, path: Path) -> DataOptions:
    """Images at the model's size, with its channels."""
    shape = header.architecture
    return DataOptions(
        path, size=shape.image_size, channels=1 if shape.image_channels == 1 else 3, fit=model_fit(header)
    )
