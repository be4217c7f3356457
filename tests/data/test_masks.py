"""Masks of a set: found by their names, read as they are stored, fitted as their images are; faults are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data.mask_pixels import join_readers
from drai_cli.data.prepared import prepare
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.data_options import DataOptions


def save(path: Path, array: np.ndarray, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(array).save(path, **options)


@pytest.fixture
def corner() -> np.ndarray:
    """A mask whose rows and columns cannot be mistaken: inside is the upper left of a wide image."""
    mask = np.zeros((16, 24), np.uint8)
    mask[2:8, 6:12] = 255
    return mask


@pytest.fixture
def lesions(tmp_path: Path, corner: np.ndarray) -> DataOptions:
    """Twelve images in two classes, bright where their mask is, and masks beside them."""
    for number in range(12):
        name = f"{'ab'[number % 2]}/x{number:02d}"
        save(tmp_path / f"set/{name}.png", np.where(corner > 0, 200 + number, 10).astype(np.uint8))
        save(tmp_path / f"masks/{name}_segmentation.png", corner)
    return DataOptions(tmp_path / "set", size=16, cache_dir=tmp_path / "cache", masks=tmp_path / "masks")


def read(options: DataOptions, reporter=None):
    more = {} if reporter is None else {"reporter": reporter}
    return prepare(options, seed=0, needs_parts=False, **more)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_mask_lies_on_its_image(lesions, fit):
    data = read(replace(lesions, fit=fit))
    assert data.mask_names == ("mask",)
    assert data.masks.shape == (12, 16, 16, 1)
    inside = data.masks[..., 0] > 127
    assert 0.03 < inside.mean() < 0.2
    covered = data.masks[..., 0] / 255
    levels = 10 + covered * (200 - 10)
    # Beside the frame of padding an image is as bright as its mask covers it, up to 11 levels between images.
    framed = data.images[..., 0] > 5
    assert np.abs(data.images[..., 0] - levels)[framed].max() <= 25


@pytest.mark.parametrize("suffix", ["", "_mask", "-Segmentation", " gt", "_seg_1", ".label", "_reader2"])
def test_names_of_masks(lesions, corner, suffix, tmp_path):
    for number in range(12):
        word = "_mask" + suffix if "reader" in suffix else suffix
        save(tmp_path / f"named/x{number:02d}{word}.png", corner)
    assert len(read(replace(lesions, masks=tmp_path / "named")).masks) == 12


def test_images_of_one_name_are_told_apart_by_their_folders(tmp_path, corner):
    for number in range(8):
        folder = f"{'ab'[number % 2]}/case{number}"
        save(tmp_path / f"set/{folder}/slice.png", corner // 2 + number)
        save(tmp_path / f"masks/{folder}/slice.png", corner if number else corner * 0)
    options = DataOptions(tmp_path / "set", size=16, cache_dir=tmp_path / "cache", masks=tmp_path / "masks")
    data = read(options)
    empty = [entry.name for entry, mask in zip(data.entries, data.masks, strict=True) if not mask.any()]
    assert empty == ["a/case0/slice.png"]


def test_images_without_a_mask(lesions, reporter, tmp_path):
    (tmp_path / "masks/a/x00_segmentation.png").unlink()
    assert len(read(lesions, reporter).entries) == 11
    assert any(
        "1 of 12 images have no mask (a/x00.png) and are left out" in line for line in reporter.warnings
    )
    data = read(replace(lesions, missing_masks="empty"), reporter)
    assert [bool(mask.any()) for mask in data.masks].count(False) == 1
    assert not data.masks[[entry.name for entry in data.entries].index("a/x00.png")].any()
    assert any("1 images: empty masks" in line for line in reporter.warnings)


def test_a_changed_mask_is_read_again(lesions, corner, tmp_path):
    before = read(lesions).masks.copy()
    save(tmp_path / "masks/a/x00_segmentation.png", corner[:, ::-1])
    after = read(lesions).masks
    assert not np.array_equal(before[0], after[0])
    assert np.array_equal(before[1:], after[1:])


def test_label_values_become_masks_by_name(lesions, corner, tmp_path):
    labels = (corner > 0).astype(np.uint8)
    labels[12:, :] = 2
    labels[0, :] = 7
    for number in range(12):
        save(tmp_path / f"labels/x{number:02d}.png", labels)
    options = replace(lesions, masks=tmp_path / "labels")
    with pytest.raises(InputError, match="value 1 besides 0 and 7"):
        read(options)
    with pytest.raises(InputError, match=r"value 7 has no name \(--mask-names 7=NAME"):
        read(replace(options, mask_names=("1=core", "2=rim")))
    data = read(replace(options, mask_names=("1=core", "2=rim", "7=")))
    assert data.mask_names == ("core", "rim")
    core, rim = data.masks[0, ..., 0] > 127, data.masks[0, ..., 1] > 127
    assert not (core & rim).any()
    assert rim[12:].all()
    both = read(replace(options, mask_names=("1=any", "2=any", "7=")))
    assert np.array_equal(both.masks[0, ..., 0] > 127, core | rim)


@pytest.mark.parametrize("folder", ["masks", "drawn"])
def test_masks_inside_the_set_are_no_class(lesions, corner, tmp_path, folder):
    for number in range(12):
        save(tmp_path / f"set/{folder}/x{number:02d}.png", corner)
    data = read(replace(lesions, masks=tmp_path / "set" / folder))
    assert data.schema.labels == ("a", "b")
    assert np.array_equal(data.masks, read(lesions).masks)


def test_masks_beside_their_images(lesions, corner, tmp_path):
    for number in range(12):
        save(tmp_path / f"set/{'ab'[number % 2]}/x{number:02d}_mask.png", corner)
    data = read(replace(lesions, masks=tmp_path / "set"))
    assert len(data.entries) == 12
    assert np.array_equal(data.masks, read(lesions).masks)


def test_masks_in_folders_of_their_own(lesions, corner, tmp_path):
    for number in range(12):
        save(tmp_path / f"many/hair/x{number:02d}.png", corner[::-1])
        save(tmp_path / f"many/lesion/x{number:02d}.png", corner)
    data = read(replace(lesions, masks=tmp_path / "many", mask_names=("lesion", "hair")))
    assert data.mask_names == ("lesion", "hair")
    assert np.array_equal(data.masks[..., 0], read(lesions).masks[..., 0])
    assert np.array_equal(data.masks[:, ::-1, :, 1], data.masks[..., 0])


def test_readers_as_files_and_as_bits(lesions, tmp_path, reporter):
    outlines = np.zeros((3, 16, 24), bool)
    outlines[0, :4], outlines[1, :8], outlines[2, :12] = True, True, True
    for number in range(12):
        for reader, outline in enumerate(outlines):
            save(tmp_path / f"files/x{number:02d}_mask_{reader}.png", outline.astype(np.uint8) * 255)
        bits = np.array(sum((outline.astype(np.uint8) << r) for r, outline in enumerate(outlines)), np.uint8)
        save(tmp_path / f"bits/x{number:02d}.png", bits)
    for how, rows in {"majority": 8, "any": 12, "all": 4}.items():
        files = read(replace(lesions, masks=tmp_path / "files", mask_readers=how), reporter)
        bits_ = read(replace(lesions, masks=tmp_path / "bits", mask_readers=how, mask_bits=True))
        assert int((files.masks[0, :, 8, 0] > 127).sum()) == rows
        assert np.array_equal(files.masks, bits_.masks)
    assert any("12 images have several files of one mask" in line for line in reporter.warnings)


def test_half_of_the_readers_is_a_majority():
    one, other = np.array([[True, False]]), np.array([[False, False]])
    assert join_readers([one, other], "majority").tolist() == [[True, False]]
    assert join_readers([one, other, other], "majority").tolist() == [[False, False]]


def test_lossy_masks_are_cut_and_said(lesions, corner, tmp_path, reporter):
    noise = np.random.default_rng(0).integers(-20, 21, corner.shape)
    for number in range(12):
        save(tmp_path / f"grey/x{number:02d}.png", np.clip(corner + noise, 0, 255).astype(np.uint8))
    data = read(replace(lesions, masks=tmp_path / "grey"), reporter)
    assert np.array_equal(data.masks, read(lesions).masks)
    assert any("12 images: masks that hold grey values" in line for line in reporter.warnings)


def test_a_mask_of_another_size_is_scaled_and_one_of_other_proportions_named(lesions, corner, tmp_path):
    for number in range(12):
        save(tmp_path / f"large/x{number:02d}.png", np.kron(corner, np.ones((4, 4), np.uint8)))
    large = read(replace(lesions, masks=tmp_path / "large"))
    assert np.abs(large.masks.astype(int) - read(lesions).masks).mean() < 5
    save(tmp_path / "large/x03.png", corner[:, :16])
    with pytest.raises(
        InputError, match=r"1 masks have other proportions than their image: x03.png \(16 × 16 for"
    ):
        read(replace(lesions, masks=tmp_path / "large"))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_proportions_are_compared_in_every_format(tmp_path, corner, suffix):
    for number in range(4):
        save(tmp_path / f"set/{'ab'[number % 2]}/x{number}.{suffix}", corner)
        save(tmp_path / f"masks/x{number}.png", corner[:, :16])
    options = DataOptions(tmp_path / "set", size=16, cache_dir=tmp_path / "cache", masks=tmp_path / "masks")
    with pytest.raises(InputError, match="4 masks have other proportions than their image"):
        read(options)


def test_masks_of_no_image_and_broken_masks_are_named(lesions, corner, tmp_path):
    save(tmp_path / "other/y1_mask.png", corner)
    with pytest.raises(
        InputError, match=r"none of 1 mask files belongs to an image: their names are like y1_mask.png"
    ):
        read(replace(lesions, masks=tmp_path / "other"))
    (tmp_path / "masks/a/x02_segmentation.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a/x02.png: mask"):
        read(lesions)
    colours = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    save(tmp_path / "masks/a/x02_segmentation.png", colours)
    with pytest.raises(InputError, match="got colours"):
        read(lesions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"masks": None, "mask_names": ("lesion",)},
            "--mask-names: applies to masks, and --masks is not given",
        ),
        ({"masks": None, "mask_bits": True}, "--mask-bits"),
        ({"mask_names": ("1=a", "b")}, "by value and some without"),
        ({"mask_names": ("x=a",)}, "expected VALUE=NAME"),
        ({"mask_names": ("1=",)}, "at least one value with a name"),
        ({"mask_names": ("1=a",), "mask_bits": True}, "--mask-bits: contradicts"),
        ({"mask_names": ("..",)}, "a name that a folder can have"),
    ],
)
def test_options_that_contradict_each_other(lesions, options, message):
    with pytest.raises(UsageError, match=message):
        read(replace(lesions, **options))
