"""Decoding a whole set."""

import os
from functools import partial

import numpy as np
import pytest

from drai_cli.data import reading
from drai_cli.data.image_set import Entry, ImageSet, group_reads
from drai_cli.data.reading import Unreadable, hash_pixels, read_all
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError
from drai_cli.io.image import Image


def test_digests_are_equal_for_exact_duplicates_only():
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)
    same = np.asfortranarray(array)
    others = [array.reshape(6, 4), array.reshape(2, 4, 3), array.view(np.uint16), array ^ np.uint8(1)]
    assert hash_pixels(Image(array)) == hash_pixels(Image(same)) == hash_pixels(Image(array, source="x"))
    assert len({hash_pixels(Image(a)) for a in (array, *others)}) == 5


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


def test_a_lack_of_memory_is_no_broken_image(folders, reporter, monkeypatch):
    found = find_image_set(folders(a=2, b=2))

    def decode(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", decode)
    readings = list(read_all(found, hash_pixels, task="x", reporter=reporter))
    assert all(isinstance(r.result, Unreadable) for r in readings)  # sizes that broken files claim
    monkeypatch.setattr("drai_cli.machine.memory._ENOUGH", 1 << 60)
    with pytest.raises(MemoryError, match=r"ran out while .*\.png was read"):
        list(read_all(found, hash_pixels, task="x", reporter=reporter))


def test_stopping_early_ends_the_task(folders, reporter):
    readings = read_all(find_image_set(folders(a=60, b=30)), id, task="x", reporter=reporter)
    next(readings)
    readings.close()
    assert reporter.done <= 1


class _Crashing:
    """A source of images whose second one ends its process, as a decoder with a bug would."""

    holds_interpreter = True

    def __init__(self, count: int) -> None:
        self.entries = tuple(Entry(f"{i}.dcm", {"label": "ab"[i % 2]}, str(i)) for i in range(count))

    def batches(self, entries):
        return group_reads((entry, partial(_crash_at_one, entry.name)) for entry in entries)


def _crash_at_one(name: str) -> Image:
    if name == "1.dcm":
        os._exit(1)
    return Image(np.zeros((2, 2), np.uint8), source=name)


def test_processes_give_what_threads_give(tmp_path, make_dicom, reporter, monkeypatch):
    for index in range(20):
        array = np.full((3, 8, 8), index, np.uint8)
        make_dicom(tmp_path / "set" / f"{index:02}.dcm", array, BodyPartExamined="AB"[index % 2])
    (tmp_path / "set" / "07.dcm").write_bytes((tmp_path / "set" / "07.dcm").read_bytes()[:-80])
    found = find_image_set(tmp_path / "set", label="BodyPartExamined")
    in_threads = list(read_all(found, hash_pixels, task="x", reporter=reporter))
    monkeypatch.setattr(reading, "_PROCESSES_FROM", 1)
    monkeypatch.setattr(reading, "usable_cores", lambda: 2)
    in_processes = list(read_all(found, hash_pixels, task="x", reporter=reporter))
    assert in_processes == in_threads
    assert sum(isinstance(r.result, Unreadable) for r in in_processes) == 3


def test_a_decoder_that_crashes_is_an_error_that_names_where(reporter, monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "_PROCESSES_FROM", 1)
    monkeypatch.setattr(reading, "usable_cores", lambda: 2)
    source = _Crashing(4)
    found = ImageSet("dicom", tmp_path, "label", (), None, source.entries, source)
    with pytest.raises(InputError, match=r"0\.dcm.*ended unexpectedly"):
        list(read_all(found, hash_pixels, task="x", reporter=reporter))
