"""Decoding a whole set."""

import numpy as np
import pytest

from drai_cli.data.reading import Unreadable, pixel_digest, read_all
from drai_cli.data.sources import find_image_set
from drai_cli.io.image import Image


def test_digests_are_equal_for_exact_duplicates_only():
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    same = np.asfortranarray(array)
    others = [array.reshape(6, 4), array.reshape(2, 4, 3), array.view(np.uint16), array ^ np.uint8(1)]
    assert pixel_digest(Image(array)) == pixel_digest(Image(same)) == pixel_digest(Image(array, source="x"))
    assert len({pixel_digest(Image(a)) for a in (array, *others)}) == 5


def test_order_is_kept_and_all_is_counted(folders, reporter):
    root = folders(a=60, b=30)
    (root / "a" / "a_007.png").write_text("")
    found = find_image_set(root)
    readings = list(read_all(found, lambda image: image.source, task="x", reporter=reporter))
    assert tuple(reading.entry for reading in readings) == found.entries
    assert [r.entry.name for r in readings if isinstance(r.result, Unreadable)] == ["a/a_007.png"]
    assert reporter.done == 90


def test_a_mistake_of_ours_is_not_taken_for_a_broken_image(folders, reporter):
    def wrong(image: Image) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(read_all(find_image_set(folders(a=2, b=2)), wrong, task="x", reporter=reporter))


def test_stopping_early_ends_the_task(folders, reporter):
    readings = read_all(find_image_set(folders(a=60, b=30)), id, task="x", reporter=reporter)
    next(readings)
    readings.close()
    assert reporter.done <= 1
