"""How a data set is read for a model: by the settings of its run, or by what the model file implies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from drai_cli.data.alike import read_alike, with_label
from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.errors import UsageError
from drai_cli.model_file.header import ModelHeader, model_fit, model_intensity
from drai_cli.progress import Reporter
from drai_cli.run.directory import RunDirectory, run_of
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


def read_training_images(
    model: Path, header: ModelHeader, path: Path, *, needs_parts: bool, reporter: Reporter
) -> tuple[PreparedSet, bool]:
    """The images of `--train-data` as the model sees them, and whether the parts are those of the model's run.

    Without a run the set is split anew, by group.

    Args:
        model: Its file.
        header: Of that file.
        path: Of the data.
        needs_parts: Whether each part needs images of two labels.
        reporter: Receives progress.

    Raises:
        InputError: The data cannot be used, or is not what the run was trained on.
        UsageError: The images have another size than the model.
    """
    run = run_of(model)
    if run is None:
        data, found = with_label(as_model_needs(header, path), header.schema.label.name)
        data = read_alike(data, model_intensity(header), found)
    else:
        data = as_run_reads(run, path)
    split = run.split if run is not None and run.split.exists() else None
    prepared = prepare(data, seed=0, split_file=split, needs_parts=needs_parts, reporter=reporter)
    if prepared.images.shape[1] != header.architecture.image_size:
        raise UsageError(
            "--train-data", "its images have another size than the model's", "name the data it was trained on"
        )
    return prepared, split is not None
