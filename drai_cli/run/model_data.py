"""Options to read a data set for a model: those of its run, or those that the model file implies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drai_cli.model_file.header import ModelHeader, model_fit
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.data_options import DataOptions


def as_run_reads(run: RunDirectory, path: Path) -> DataOptions:
    """The run's options for another path; those on its table, kind and split only apply if the path is the same."""
    own = run.read_data_options()
    if own.path.resolve() == path.resolve():
        return replace(own, path=path)
    return replace(
        own, path=path, metadata=(), header=None, rows=None, kind=None, split=None, split_column=None
    )


def as_model_needs(header: ModelHeader, path: Path) -> DataOptions:
    """Images at the model's size, with its channels."""
    shape = header.architecture
    return DataOptions(
        path, size=shape.image_size, channels=1 if shape.image_channels == 1 else 3, fit=model_fit(header)
    )
