"""Labels that read as a measured number, such as a diameter, and would make a class of every value."""

from __future__ import annotations

from drai_cli.conditions.schema import as_numbers
from drai_cli.data.image_set import ImageSet, count_classes
from drai_cli.progress import Reporter

_ENOUGH_IMAGES = 10
_MANY_VALUES = 12


def warn_of_number_labels(image_set: ImageSet, reporter: Reporter) -> None:
    """Warns where the labels are numbers that hardly repeat, unless they seem to name classes or are folders' names.

    Numbers name classes if there are twelve at most, or if they are whole with ten images or more each on average.
    """
    if image_set.kind in ("class-folders", "medmnist"):
        return
    counts = count_classes(image_set.entries, image_set.label)
    numbers = as_numbers(list(counts))
    if numbers is None or len(counts) <= _MANY_VALUES:
        return
    is_whole = all(number.is_integer() for number in numbers.tolist())
    if is_whole and len(image_set.entries) >= _ENOUGH_IMAGES * len(counts):
        return
    single = sum(count == 1 for count in counts.values())
    label = image_set.label
    reporter.warn(
        f"label {label!r} reads as a number: its {len(counts)} values become as many classes, {single} of them with "
        f"one image; did you mean --condition {label} with another --label?"
    )
