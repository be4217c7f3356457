"""A short run of `fuzz_layouts.py`; a long one is done by hand."""

import dataclasses

from tests.stress import fuzz_layouts


def test_every_image_is_in_the_set_or_spoken_of(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAI_CACHE", "")  # it is set there
    results, wrong = fuzz_layouts.fuzz(40, 0, tmp_path)
    assert not wrong
    assert min(results["class-folders"], results["csv"], results["with images left out"]) > 0


def test_an_image_that_is_left_out_in_silence_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("DRAI_CACHE", "")
    find = fuzz_layouts.find_image_set

    def lose(*arguments, **more):
        found = find(*arguments, **more)
        return dataclasses.replace(found, entries=found.entries[1:])

    monkeypatch.setattr(fuzz_layouts, "find_image_set", lose)
    assert fuzz_layouts.fuzz(20, 0, tmp_path)[1]
