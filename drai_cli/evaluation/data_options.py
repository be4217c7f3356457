"""How DATA and the training images are read: as the run reads its own, as the model needs, as the command says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from drai_cli.data.prepared import find_set
from drai_cli.errors import UsageError
from drai_cli.evaluation.subject import Subject
from drai_cli.progress import Reporter
from drai_cli.run.directory import RunDirectory
from drai_cli.run.model_data import as_model_needs, as_run_reads
from drai_cli.settings.config import check_image_size
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions

_GIVEN = ("metadata", "image_column", "label", "group", "group_pattern", "kind")
_GROUPS = ("--group", "--group-pattern")


def data_options(options: EvaluateOptions, subject: Subject, reporter: Reporter) -> DataOptions:
    """How DATA is read.

    Without the model's conditions that DATA has no column for, which are then missing of every image, and, where DATA
    is not the run's own, without what groups the run's images and does not go with these.

    Raises:
        InputError, UsageError: There is no such set; of what nobody typed it is said that the run has it so.
    """
    if subject.run is not None:
        base = as_run_reads(subject.run, options.data)
    elif subject.model is not None:
        header = subject.model.header
        base = replace(as_model_needs(header, options.data), conditions=header.schema.names[1:])
    else:
        size = options.size or DataOptions.size
        check_image_size(size)
        base = DataOptions(options.data, size=size)
    if subject.model is not None and options.size not in (None, base.size):
        raise UsageError(
            f"--size {options.size}", f"the model makes images of {base.size} px", "leave it out"
        )
    given = {name: getattr(options, name) for name in _GIVEN if getattr(options, name) is not None}
    if given.keys() & {"group", "group_pattern"}:  # one of them takes the place of whichever the run has
        base = replace(base, group=None, group_pattern=None)
    data = replace(base, **given)
    is_own = subject.run is not None and has_images(subject.run, data)
    with saying_whose(options, subject):
        while True:
            try:
                find_set(data)
            except UsageError as error:
                option, _, value = error.subject.partition(" ")
                if option == "--condition" and value in data.conditions:
                    reporter.warn(f"the data has no column {str(value)!r}: it is missing of every image")
                    kept = tuple(name for name in data.conditions if name != value)
                    data = replace(data, conditions=kept)
                elif option in _GROUPS and not is_own and not given.keys() & {"group", "group_pattern"}:
                    reporter.warn(
                        f"{error.subject}, by which the run keeps images together, does not go with this data: it is "
                        "grouped as it says itself, if it does; --group or --group-pattern decides"
                    )
                    data = replace(data, group=None, group_pattern=None)
                else:
                    raise
            else:
                return data


@contextmanager
def saying_whose(options: EvaluateOptions, subject: Subject) -> Iterator[None]:
    """Says of an option that was not typed, but is the run's own, where it comes from."""
    try:
        yield
    except UsageError as error:
        option, _, value = error.subject.partition(" ")
        name = option.removeprefix("--").replace("-", "_")
        is_option = option.startswith("--") and value
        if subject.run is None or not is_option or getattr(options, name, None) is not None:
            raise
        way_out = (
            f"say how this data has it with {option}"
            + (" (class folders: --label label)" if name == "label" else "")
            if name in _GIVEN
            else "give data of the kind that the run was trained on"
        )
        raise UsageError(
            f"{error.subject}, from the settings of the run {subject.run.path}", error.message, way_out
        ) from error


def training_options(options: EvaluateOptions, subject: Subject, data: DataOptions) -> DataOptions | None:
    """Where the training images are: what the command names, else what the run was trained on, if it is still there."""
    if options.train_data is not None:
        return replace(data, path=options.train_data, metadata=None, kind=None)
    assert subject.run is not None
    own = subject.run.read_data_options()
    return own if own.path.exists() else None


def has_images(run: RunDirectory, data: DataOptions) -> bool:
    """Whether DATA is what the run was trained on."""
    return run.split.exists() and run.read_data_options().path.resolve() == data.path.resolve()
