"""Reading a further set as the one it is compared with: by the same label, the same values black and white."""

from __future__ import annotations

from dataclasses import replace

from drai_cli.data.grey_window import options_for, spell_window
from drai_cli.data.image_set import ImageSet
from drai_cli.data.medmnist import NpzPixels
from drai_cli.data.prepared import find_set
from drai_cli.data.tree import FilePixels
from drai_cli.errors import DraiError, UsageError
from drai_cli.io.intensity import Intensity
from drai_cli.settings.data_options import DataOptions


def read_alike(
    options: DataOptions, intensity: Intensity | None, found: ImageSet | None = None
) -> DataOptions:
    """These options with the window of images whose levels mean `intensity`, unless they name a window themselves.

    Plain files of images that came from medical ones hold levels, so they keep theirs. Nothing is changed where the
    set cannot be found: the error is raised where it is read.

    Args:
        options: Of the further set.
        intensity: What levels of the first set mean.
        found: The set that these options find, where it is known: a large one takes seconds to list.
    """
    if intensity is None or options.window is not None or options.hu_offset is not None:
        return options
    plain = options_for(intensity)
    if not plain and _is_plain(intensity):
        return options
    try:
        found = found or find_set(options)
    except DraiError:
        return replace(options, **plain)
    if isinstance(found.pixels, FilePixels | NpzPixels):
        return replace(options, **plain)
    return replace(options, window=spell_window(intensity))


def with_label(options: DataOptions, *names: str) -> tuple[DataOptions, ImageSet | None]:
    """These options with the first of `names` that is a label of the set, and that set; unchanged without one."""
    for name in names:
        named = replace(options, label=(name,))
        try:
            return named, find_set(named)
        except UsageError as error:
            if not error.subject.startswith("--label"):
                raise
    return options, None


def _is_plain(intensity: Intensity) -> bool:
    """Whether levels mean nothing but themselves, or each image has a window of its own."""
    return not intensity.unit and (intensity.low, intensity.high) in ((0.0, 255.0), (0.0, 65535.0))
