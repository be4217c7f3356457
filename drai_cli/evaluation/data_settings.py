"""How DATA and the training images are read, from the run's settings, the model's needs and the command's options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from drai_cli.data.alike import read_alike
from drai_cli.data.prepared import find_set
from drai_cli.errors import UsageError
from drai_cli.evaluation.subject import Subject
from drai_cli.model_file.header import model_intensity
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

    Conditions of the model that DATA has no column for are left out; they are then missing for every image. Where DATA
    is not the run's own, the run's grouping is left out if it does not fit.

    Raises:
        InputError, UsageError: There is no such set; options that come from the run's settings are named as such.
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
    given = {name: getattr(options, name) for name in _GIVEN if getattr(options, name) not in (None, ())}
    if given.keys() & {"group", "group_pattern"}:  # either of them replaces both of the run's
        base = replace(base, group=None, group_pattern=None)
    data = replace(base, **given)
    if subject.model is not None:
        data = read_alike(data, model_intensity(subject.model.header))
    is_own = subject.run is not None and has_images(subject.run, data)
    with naming_the_run(options, subject):
        while True:
            try:
                find_set(data)
            except UsageError as error:
                option, _, value = error.subject.partition(" ")
                if option == "--condition" and value in data.conditions:
                    reporter.warn(
                        f"the data has no column {str(value)!r}: the attribute is missing for every image"
                    )
                    known = tuple(name for name in data.conditions if name != value)
                    data = replace(data, conditions=known)
                elif option == "--hu-offset":  # the model's; other kinds of files have their own
                    data = replace(data, hu_offset=None)
                elif option in _GROUPS and not is_own and not given.keys() & {"group", "group_pattern"}:
                    reporter.warn(
                        f"{error.subject}, the run's grouping of images, does not fit this data: groups are those "
                        "that the data names, if any; set them with --group or --group-pattern"
                    )
                    data = replace(data, group=None, group_pattern=None)
                else:
                    raise
            else:
                return data


@contextmanager
def naming_the_run(options: EvaluateOptions, subject: Subject) -> Iterator[None]:
    """Adds to a usage error where an option comes from, if it was not typed but is one of the run's settings."""
    try:
        yield
    except UsageError as error:
        option, _, value = error.subject.partition(" ")
        name = option.removeprefix("--").replace("-", "_")
        is_option = option.startswith("--") and value
        if subject.run is None or not is_option or getattr(options, name, None) not in (None, ()):
            raise
        way_out = (
            f"set it for this data with {option}"
            + (" (class folders: --label label)" if name == "label" else "")
            if name in _GIVEN
            else "use data of the kind that the run was trained on"
        )
        raise UsageError(
            f"{error.subject}, from the settings of the run {subject.run.path}", error.message, way_out
        ) from error


def training_options(options: EvaluateOptions, subject: Subject, data: DataOptions) -> DataOptions | None:
    """Where the training images are: named by the command, else what the run was trained on, if it still exists."""
    if options.train_data is not None:
        return replace(data, path=options.train_data, metadata=(), kind=None)
    assert subject.run is not None
    own = subject.run.read_data_options()
    return own if own.path.exists() else None


def has_images(run: RunDirectory, data: DataOptions) -> bool:
    """Whether DATA is what the run was trained on."""
    return run.split.exists() and run.read_data_options().path.resolve() == data.path.resolve()
