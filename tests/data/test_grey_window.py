"""One window for the plain grey images of a set: chosen, asked for, and not where nothing needs one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data.cache import build_cache
from drai_cli.data.grey_window import options_for
from drai_cli.data.image_set import Entry
from drai_cli.data.prepared import find_set
from drai_cli.data.sources import find_image_set
from drai_cli.data.tree import FilePixels, split_frame
from drai_cli.errors import InputError, UsageError
from drai_cli.io.about import About
from drai_cli.io.intensity import Intensity
from drai_cli.io.raster import write_png
from drai_cli.io.read import read_stack
from drai_cli.io.stored import Stored
from drai_cli.io.write import encode_image
from drai_cli.settings.data_options import DataOptions
from tests.support.levels import values_of
from tests.support.tiff_file import page, tiff

RANDOM = np.random.default_rng(0)


class Listener:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def info(self, text: str) -> None:
        self.said.append(text)

    warn = info


def make_set(
    folder: Path, low: float, high: float, suffix: str = ".png", dtype: str = "uint16", n: int = 6
) -> Path:
    """Two classes of grey images whose values fill a range."""
    for index in range(n):
        values = RANDOM.uniform(low, high, (20, 20))
        values[0, :2] = low, high
        array = values.astype(dtype)
        path = folder / "ab"[index % 2] / f"{index}{suffix}"
        path.parent.mkdir(exist_ok=True, parents=True)
        if suffix == ".png":
            write_png(path, array)
        else:
            path.write_bytes(tiff([page(array)]))
    return folder


@pytest.mark.parametrize(
    ("suffix", "dtype", "low", "high"),
    [
        (".png", "uint16", 1296, 3184), (".tif", "uint16", 0, 4095), (".tif", "int16", -1000, 2000),
        (".tif", "float32", 0.25, 0.75), (".tif", "uint32", 70_000, 90_000),
    ],
)  # fmt: skip
def test_a_part_of_the_range_becomes_black_to_white(tmp_path: Path, suffix, dtype, low, high):
    make_set(tmp_path, low, high, suffix, dtype)
    heard = Listener()
    found = find_image_set(tmp_path, reporter=heard)
    assert found.intensity == Intensity("", low, high, "uint16", 0.0)
    assert f"values {low:g} to {high:g}" in heard.said[0]
    assert "--window CENTRE,WIDTH changes this" in heard.said[0]
    for entry in found.entries:
        levels = found.read(entry).array
        assert (levels.dtype, levels.min(), levels.max()) == (np.uint16, 0, 65535)
        stored = read_stack(tmp_path / entry.name).array[0]
        np.testing.assert_allclose(values_of(found.intensity, levels), stored, atol=(high - low) / 65535)


@pytest.mark.parametrize(
    ("high", "dtype"), [(60_000, "uint16"), (40_000, "uint16"), (255, "uint8"), (60, "uint8")]
)
def test_a_set_that_needs_no_window_is_untouched(tmp_path: Path, high, dtype):
    make_set(tmp_path, 0, high, dtype=dtype)
    heard = Listener()
    found = find_image_set(tmp_path, reporter=heard)
    assert found.intensity is None
    assert found.settings == ""
    assert found.pixels == FilePixels(tmp_path)
    assert not any("values" in text for text in heard.said)
    stored = read_stack(tmp_path / found.entries[0].name).array[0]
    np.testing.assert_array_equal(found.read(found.entries[0]).array, stored)


def test_colour_is_untouched(tmp_path: Path):
    for name in ("a/0.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        write_png(tmp_path / name, RANDOM.integers(0, 3000, (8, 8, 3), np.uint16))
    assert find_image_set(tmp_path).intensity is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_window_that_is_asked_for(tmp_path: Path, dtype):
    make_set(tmp_path, 10, 200, dtype=dtype)
    found = find_image_set(tmp_path, window="100.5,101")  # 50 to 150
    levels, stored = found.read(found.entries[0]).array, read_stack(tmp_path / found.entries[0].name).array[0]
    top = np.iinfo(dtype).max
    expected = np.clip((stored - 50.0) / 100 * top, 0, top)
    assert levels.dtype == dtype
    np.testing.assert_allclose(levels, expected, atol=0.51)
    full = find_image_set(tmp_path, window="full")
    assert full.read(full.entries[0]).array.max() == top
    assert full.intensity is None
    with pytest.raises(UsageError, match="plain images name no windows"):
        find_image_set(tmp_path, window="lung")
    assert (
        find_image_set(tmp_path, window="100.5,101").settings
        != find_image_set(tmp_path, window="9,9").settings
    )


def test_an_outlier_does_not_make_the_rest_dark(tmp_path: Path):
    make_set(tmp_path, 1000, 1500, n=60)
    array = read_stack(tmp_path / "a/0.png").array[0]
    array[5, 5] = 65535
    write_png(tmp_path / "a/0.png", array)
    heard = Listener()
    intensity = find_image_set(tmp_path, reporter=heard).intensity
    assert intensity.low == 1000
    assert 1490 < intensity.high < 1510
    assert "0.00% of their pixels lie outside" in heard.said[0]


def test_images_that_were_not_looked_at_have_a_margin(tmp_path: Path):
    make_set(tmp_path, 1000, 2000, n=120)
    assert find_image_set(tmp_path).intensity == Intensity("", 950, 2050, "uint16", 0.0)


def test_hounsfield_units_by_an_offset(tmp_path: Path):
    make_set(tmp_path, 32768 - 1200, 32768 + 1500)
    found = find_image_set(tmp_path, hu_offset=-32768.0)
    assert found.intensity == Intensity("HU", -1000, 1000, "uint16", -32768.0)
    narrow = find_image_set(tmp_path, window="138,626", hu_offset=-32768.0)  # -175 to 450
    assert (narrow.intensity.low, narrow.intensity.high) == (-175, 450)
    stored = read_stack(tmp_path / found.entries[0].name).array[0].astype(float) - 32768
    expected = np.rint(np.clip((stored + 175) / 625, 0, 1) * 65535)
    np.testing.assert_allclose(narrow.read(narrow.entries[0]).array, expected, atol=1)


def test_images_of_both_depths_are_said(tmp_path: Path):
    make_set(tmp_path, 1000, 2000)
    write_png(tmp_path / "a/8.png", RANDOM.integers(0, 255, (20, 20), np.uint8))
    heard = Listener()
    found = find_image_set(tmp_path, reporter=heard)
    assert any("1 of 7 images looked at are not grey of more than 8 bits" in text for text in heard.said)
    assert found.intensity is None
    by_name = {entry.name: entry for entry in found.entries}
    assert found.read(by_name["a/8.png"]).array.dtype == np.uint8
    assert found.read(by_name["a/0.png"]).array.max() == 65535


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize(("offset", "unit"), [(0.0, ""), (-32768.0, "HU")])
def test_samples_are_written_in_the_same_values(tmp_path: Path, kind, offset, unit):
    low, high = (1296, 3184) if not unit else (-1000, 1000)
    intensity = Intensity(unit, low, high, "uint16", offset)
    numbers = RANDOM.integers(low - int(offset), high - int(offset), (8, 8), np.uint16, endpoint=True)
    levels = intensity.to_levels(numbers + offset)
    files = encode_image(kind, Stored.of_levels(levels[..., None], intensity), About({}, {}))
    path = tmp_path / f"a.{kind[:3]}"
    path.write_bytes(files[0])
    np.testing.assert_array_equal(read_stack(path).array[0], numbers)
    # DICOM and NIfTI say what a level means, and keep all 16 bits.
    (data,) = encode_image("dicom", Stored.of_levels(levels[..., None], intensity), About({}, {}))
    (tmp_path / "a.dcm").write_bytes(data)
    np.testing.assert_allclose(read_stack(tmp_path / "a.dcm").array[0], numbers + offset, atol=0.05)


def test_another_set_is_read_by_the_same_window(tmp_path: Path):
    intensity = find_image_set(make_set(tmp_path / "real", 1000, 3000)).intensity
    other = make_set(tmp_path / "synthetic", 1800, 2200)
    found = find_set(DataOptions(other, **options_for(intensity)))
    assert found.intensity == replace(intensity)
    assert options_for(Intensity()) == options_for(None) == {}


def test_a_cache_is_built_of_windowed_images(tmp_path: Path):
    found = find_image_set(make_set(tmp_path / "set", 1000, 3000))
    cache = build_cache(found, size=16, cache_dir=tmp_path / "cache")
    assert cache.images.max() > 60_000
    assert cache.images.dtype == np.uint16


def test_npz_of_16_bits(tmp_path: Path):
    path = tmp_path / "a.npz"
    images = RANDOM.integers(500, 2500, (4, 8, 8), np.uint16)
    images[:, 0, :2] = 500, 2500
    arrays = {f"{part}_images": images for part in ("train", "val", "test")}
    labels = {f"{part}_labels": np.arange(4) % 2 for part in ("train", "val", "test")}
    np.savez(path, **arrays, **labels)
    found = find_image_set(path)
    assert found.intensity == Intensity("", 500, 2500, "uint16", 0.0)
    levels = found.read(found.entries[1]).array
    np.testing.assert_allclose(values_of(found.intensity, levels), images[1], atol=0.02)
    np.savez(path, **{name: array[..., None] for name, array in arrays.items()}, **labels)
    assert find_image_set(path).read(found.entries[1]).array.max() == 65535


def test_frames_are_decoded_once_and_in_order(tmp_path: Path, monkeypatch):
    import drai_cli.data.tree as tree

    frames = [PillowImage.fromarray(np.full((6, 6), level, np.uint8)) for level in (10, 20, 30)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    frames[2].save(tmp_path / "b#1.png")
    decoded: list[Path] = []
    real = tree.decode_stack
    monkeypatch.setattr(tree, "decode_stack", lambda path: decoded.append(path) or real(path))
    pixels = FilePixels(tmp_path)
    names = ["a.tif#0", "a.tif#1", "b#1.png", "a.tif#2", "a.tif#3"]
    reads = [read for batch in pixels.batches(Entry(name, {}, name) for name in names) for _, read in batch]
    assert [int(read().array[0, 0]) for read in reads[:4]] == [10, 20, 30, 30]
    with pytest.raises(InputError, match="expected a frame from 0 to 2, got 3"):
        reads[4]()
    assert decoded == [tmp_path / "a.tif"] * 2
    assert [pixels.file_of(Entry(name, {}, name)) for name in names[1:3]] == ["a.tif", "b#1.png"]
    assert split_frame("a.tif#x") == ("a.tif#x", None)
