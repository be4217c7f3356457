"""Where images go, by name: any number of them, whole folders and tars, labels mixed evenly in these."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.sampling.layout import made_patterns
from drai_cli.sampling.plan import Plan, Run, mixing_stride

LABELS = ("mel", "v1.2", "Nv")


def plan(*counts: int, tar_images: int | None = None) -> Plan:
    schema = ConditionSchema((Attribute("dx", "categorical", LABELS),))
    runs = [Run({"dx": label}, 0, count) for label, count in zip(LABELS, counts, strict=False)]
    return Plan(schema, tuple(runs), (".png",) if tar_images is None else (".png", ".json"), tar_images)


def name_at(job: Plan, position: int) -> str:
    (item,) = job.items(position, position + 1)
    return job.file_name(item)


def test_a_folder_holds_ten_thousand_images_at_most():
    job = plan(10_000, 20_001)
    assert name_at(job, 9_999) == "mel/mel_009999.png"
    assert name_at(job, 10_000) == "v1.2/000/v1.2_000000.png"
    assert name_at(job, 30_000) == "v1.2/002/v1.2_020000.png"
    assert job.layout.folders == ["mel", "v1.2", "v1.2/000", "v1.2/001", "v1.2/002"]


def test_a_million_images_and_more_have_names_of_their_own():
    job = plan(0, 0, 10_000_001)
    assert name_at(job, 999_999) == "Nv/099/Nv_999999.png"
    assert name_at(job, 1_000_000) == "Nv/100/Nv_1000000.png"
    assert name_at(job, 10_000_000) == "Nv/1000/Nv_10000000.png"
    for position in (0, 999_999, 1_000_000, 10_000_000):
        assert job.layout.makes(name_at(job, position))


@pytest.mark.parametrize(
    "name",
    [
        "mel/mel_000003.png", "mel/mel_000000.json", "mel/000/mel_000000.png", "mel/mel_00000.png", "mel_000000.png",
        "mel/mel_0000000.png", "Nv/Nv_000000.png", "v1.2/v1.2_000000.png", "v1.2/001/v1.2_000000.png", "mel",
        "images-000000.tar",
    ],
)  # fmt: skip
def test_names_that_the_job_does_not_make(name):
    job = plan(3, 10_001)
    assert not job.layout.makes(name)
    assert job.layout.makes("mel/mel_000002.png")
    assert job.layout.makes("v1.2/001/v1.2_010000.png")


def test_keys_of_a_tar_have_no_dot_and_give_the_label_back():
    job = plan(5, 5, tar_images=4)
    rule = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")  # by which WebDataset tells a sample's key from its parts
    for item in job.items(0, 10):
        for name, part in zip(job.file_names(item), ("png", "json"), strict=True):
            member = name.partition("/")[2]
            match = rule.fullmatch(member)
            assert match is not None
            assert match[2] == part
            assert unquote(match[1]) == f"{item.label}_{item.index:06d}"
    assert job.layout.makes("images-000002.tar")
    for other in ("images-000003.tar", "images-0000002.tar", "mel", "images-000000.tar/mel_000000.png"):
        assert not job.layout.makes(other)


@pytest.mark.parametrize("counts", [(1,), (2,), (1, 1), (700, 200, 100), (3, 997), (1000, 1000, 1)])
def test_every_image_is_in_a_tar_once_and_labels_are_mixed(counts):
    total = sum(counts)
    job = plan(*counts, tar_images=64)
    items = list(job.items(0, total))
    expected = {(label, i) for label, count in zip(LABELS, counts, strict=False) for i in range(count)}
    assert len(items) == total
    assert {(item.label, item.index) for item in items} == expected
    for label, count in zip(LABELS, counts, strict=False):
        for start in range(0, total - 100, 50):
            found = sum(item.label == label for item in items[start : start + 100])
            assert abs(found - 100 * count / total) <= 4


@pytest.mark.parametrize("total", [1, 2, 3, 4, 6, 10, 12, 30, 97, 100, 1000])
def test_the_stride_meets_every_place_once(total):
    assert sorted(position * mixing_stride(total) % total for position in range(total)) == list(range(total))


@pytest.mark.parametrize("tar_images", [None, 1, 7, 100, 1000])
@pytest.mark.parametrize("parts", [1, 2, 3, 16, 40])
def test_parts_join_and_are_cut_between_tars(tar_images, parts):
    job = plan(60, 41, tar_images=tar_images)
    ends = [job.part(number, parts) for number in range(1, parts + 1)]
    assert ends[0][0] == 0
    assert ends[-1][1] == 101
    assert [stop for _, stop in ends[:-1]] == [start for start, _ in ends[1:]]
    assert all(start % (tar_images or 1) == 0 or start == 101 for start, _ in ends)


@pytest.mark.parametrize("layout", ["flat", "isic", "bids"])
def test_other_layouts_name_each_image_once_and_know_their_names(layout):
    schema = ConditionSchema((Attribute("dx", "categorical", LABELS),))
    runs = tuple(Run({"dx": label}, 0, 4) for label in LABELS)
    job = Plan(schema, runs, (".nii.gz", ".json"), layout_name=layout)
    names = [name for item in job.items(0, 12) for name in job.file_names(item)]
    assert len(set(names)) == 24
    assert all(job.layout.makes(name) for name in names)
    folders, files = made_patterns(layout)
    for name in names:
        assert files.fullmatch(name)
        assert all(folders.fullmatch(folder) for folder in job.layout.folders)
        assert name.rpartition("/")[0] in job.layout.folders
    last = names[-1]
    others = [
        last.replace("json", "png"),
        last.replace("11", "12").replace("000003", "000004"),
        f"x/{last}",
        "mel",
    ]
    if layout == "bids":
        others = [last.replace("000012", "000013"), "sub-000000/anat/sub-000000_desc-synthetic_image.json",
                  last.replace("000012", "000011", 1)]  # fmt: skip
    assert not [name for name in others if job.layout.makes(name)]
