"""What folders are: parts, masks, numbering, wrappers, classes; by names alone."""

from __future__ import annotations

from collections import Counter

import pytest

from drai_cli.data.derived_files import find_doubled, find_masks
from drai_cli.data.folders import read_folders


def names(*folders: str, files: int = 2, suffix: str = ".nii.gz") -> list[str]:
    return [f"{folder}/{index:03}{suffix}" for folder in folders for index in range(files)]


@pytest.mark.parametrize(
    ("folders", "classes", "parts"),
    [
        (("mel", "nv"), {"mel", "nv"}, set()),
        (("train/AD", "val/AD", "test/CN"), {"AD", "CN"}, {"train", "validation", "test"}),
        (("Training Set/AD", "test_set/CN"), {"AD", "CN"}, {"train", "test"}),
        (("AD/train", "AD/test", "CN/train"), {"AD", "CN"}, {"train", "test"}),
        (("x/x/train/a", "x/x/test/b"), {"a", "b"}, {"train", "test"}),
        (("wrapper/images/a", "wrapper/images/b"), {"a", "b"}, set()),
        (("sub-01/ses-01/anat", "sub-02/ses-01/anat"), set(), set()),
        (("sub-01/anat", "sub-01/func"), set(), set()),
        (("patient1/benign", "patient2/malignant"), {"benign", "malignant"}, set()),
        (("benign/patient1", "malignant/patient2"), {"benign", "malignant"}, set()),
        (("00000", "00001", "00002"), set(), set()),
        (("0", "1"), {"0", "1"}, set()),  # grades, as in sets of knees
        (("grade1", "grade2"), {"grade1", "grade2"}, set()),
        (("imagesTr", "imagesTs"), set(), {"train", "test"}),
        (("images",), set(), set()),
        (("HAM_images_part_1", "HAM_images_part_2"), set(), set()),
        (("train",), set(), set()),
        (("TCGA-02-0003", "TCGA-02-0006"), set(), set()),
        (tuple(f"scanner{index}" for index in range(30)), set(), set()),
        (("train/images", "test/images"), set(), {"train", "test"}),
    ],
)
def test_levels(folders, classes, parts):
    found = read_folders(names(*folders))
    assert set(found.classes.values()) == classes
    assert set(found.parts.values()) == parts
    assert found.masks == frozenset()


def test_parts_next_to_other_folders_are_said():
    assert read_folders(names("train/a", "test/a", "other/a")).beside_parts == ("test, train", "other")
    assert read_folders(names("a", "b")).beside_parts == ()


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (names("images"), names("masks")),
        (names("imagesTr", "imagesTs"), names("labelsTr")),
        (names("a/images", "b/images"), names("a/masks", "b/masks")),
        (names("train/img", "test/img"), names("train/labels", "test/labels")),
        (["c/1.png", "c/2.png"], ["c/1_mask.png", "c/2_mask_1.png"]),
        (["p1/p1_flair.nii.gz", "p1/p1_t1.nii.gz"], ["p1/p1_seg.nii.gz"]),
        (["x/1.png", "x/2.png"], ["x/masks/1.png", "x/masks/2.png"]),
        (names("sub-01/anat", "sub-02/anat"), names("derivatives/lesions/sub-01")),
        (
            names("ISIC_Input"),
            ["ISIC_GroundTruth/000_segmentation.png", "ISIC_GroundTruth/001_segmentation.png"],
        ),
    ],
)
def test_masks_beside_images(images, masks):
    assert find_masks([*images, *masks]) == frozenset(masks)


@pytest.mark.parametrize(
    "files",
    [
        names("seg", "band", "mono"),  # segmented neutrophils are a class of cells
        names("labels", "plain"),
        names("masks"),
        ["a/face_mask.png", "a/2.png"],
        names("covid_masked", "covid_bare"),
    ],
)
def test_images_that_are_no_masks(files):
    assert find_masks(files) == frozenset()


def test_a_folder_within_itself():
    outer = names("x/train/a", "x/test/a")
    inner = [f"x/{name}" for name in outer]
    assert find_doubled([*outer, *inner]) == dict(zip(inner, outer, strict=True))
    assert find_doubled(inner) == {}
    assert Counter(read_folders(inner).parts.values()) == {"train": 2, "test": 2}
