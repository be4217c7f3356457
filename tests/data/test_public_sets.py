"""Sets in the layouts in which they are published: nothing that they say is dropped in silence."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import numpy as np
import pytest

from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.data.split_plan import plan_split
from drai_cli.errors import InputError
from drai_cli.settings.data_options import DataOptions
from tests.data.laid_out import groups_of, labels_of, lay_out_images, parts_of, write


@pytest.fixture
def make(tmp_path, save_image):
    return partial(lay_out_images, tmp_path / "set", save_image)


# Splits


@pytest.mark.parametrize("suffix", [".png", ".nii.gz"])
def test_folders_of_parts_are_a_split_for_every_kind(make, reporter, suffix):
    names = [
        f"{part}/{label}/{i}{suffix}"
        for part in ("train", "val", "test")
        for label in ("AD", "CN")
        for i in "01"
    ]
    found = find_image_set(make(*names), reporter=reporter)
    assert set(labels_of(found).values()) == {"AD", "CN"}
    assert parts_of(found)["val/AD/1" + suffix] == "validation"
    assert any("own split is kept, by its folders: " in line for line in reporter.remarks)
    assert {entry.part for entry in find_image_set(make(*names), split="new").entries} == {None}


def test_folders_of_parts_of_dicom(tmp_path, make_dicom):
    for index, part in enumerate(("train", "test")):
        for label in "ab":
            make_dicom(
                tmp_path / part / label / "x.dcm",
                np.full((4, 4), index, np.uint8),
                uid=f"1.{index}.{ord(label)}",
            )
    found = find_image_set(tmp_path, label="folder")
    assert parts_of(found) == {f"{part}/{label}/x.dcm": part for part in ("train", "test") for label in "ab"}
    assert set(labels_of(found).values()) == {"a", "b"}


@pytest.mark.parametrize("suffix", [".png", ".nii.gz"])
@pytest.mark.parametrize(
    "lists", [("train_val_list.txt", "test_list.txt"), ("splits/train.csv", "splits/test.csv")]
)
def test_lists_of_files_are_a_split(make, reporter, lists, suffix):
    names = [f"{label}/{label}{i}{suffix}" for label in "ab" for i in range(4)]
    root = make(*names)
    for path, numbers in zip(lists, ("012", "3"), strict=True):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("".join(f"{label}{i}{suffix} 0\n" for label in "ab" for i in numbers))
    found = find_image_set(root, reporter=reporter, kind=None if suffix != ".png" else "class-folders")
    assert Counter(parts_of(found).values()) == {"train": 6, "test": 2}
    assert any(
        f"own split is kept, by {lists[1]}" in line or f"{lists[0]}" in line for line in reporter.remarks
    )


def test_lists_that_contradict(make):
    root = make("a/1.png", "b/2.png")
    (root / "train.txt").write_text("1.png\n2.png\n")
    (root / "test.txt").write_text("2.png\n")
    with pytest.raises(InputError, match=r"both name b/2\.png, in different parts"):
        find_image_set(root)


def test_a_table_for_each_part(make, reporter):
    root = make("im/0.png", "im/1.png", "im/2.png", "im/3.png")
    write(root / "train.csv", [("path", "label"), ("im/0.png", "a"), ("im/1.png", "b")])
    write(root / "valid.csv", [("path", "label"), ("im/2.png", "a")])
    write(root / "test.csv", [("path", "label"), ("im/3.png", "b")])
    assert list(parts_of(find_image_set(root, reporter=reporter)).values()) == [
        "test",
        "train",
        "train",
        "validation",
    ]
    assert any("by its tables: 2 train, 1 validation, 1 test" in line for line in reporter.remarks)
    asked = find_image_set(root, metadata=(root / "train.csv", root / "test.csv"))
    assert Counter(parts_of(asked).values()) == {"train": 2, "test": 1}


def test_a_table_called_after_a_part_means_the_files_in_it(make):
    names = [f"{part}/{i}.png" for part in ("train", "test") for i in range(2)]
    root = make(*names)
    for part in ("train", "test"):
        write(root / f"{part}.csv", [("image", "label"), *((f"{i}.png", f"{part}{i}") for i in range(2))])
    assert labels_of(find_image_set(root)) == {
        f"{part}/{i}.png": f"{part}{i}" for part in ("train", "test") for i in range(2)
    }


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_imagefolder_with_a_table_in_each_part(make, kind):
    names = [f"{part}/{i}.png" for part in ("train", "validation", "test") for i in range(2)]
    root = make(*names)
    for part in ("train", "validation", "test"):
        rows = [(f"{i}.png", "ab"[i]) for i in range(2)]
        if kind == "csv":
            write(root / part / "metadata.csv", [("file_name", "label"), *rows])
        else:
            lines = [json.dumps({"file_name": name, "label": label}) for name, label in rows]
            (root / part / "metadata.jsonl").write_text("\n".join(lines))
    found = find_image_set(root)
    assert Counter(parts_of(found).values()) == {"train": 2, "validation": 2, "test": 2}
    assert labels_of(found)["test/1.png"] == "b"


# Groups


def test_images_that_share_a_patient_or_a_lesion_are_one_group(make, reporter):
    rows = [("image", "label", "lesion_id", "patient_id")]
    rows += [
        ("0", "a", "L0", "P0"),
        ("1", "b", "L0", "P1"),
        ("2", "a", "L2", "P1"),
        ("3", "b", "L3", ""),
        ("4", "a", "L3", ""),
    ]
    root = make(*(f"{i}.png" for i in range(5)), table="t.csv", rows=rows)
    found = find_image_set(root, reporter=reporter)
    assert groups_of(found) == [["0.png", "1.png", "2.png"], ["3.png", "4.png"]]
    assert found.group == "patient_id + lesion_id"


def test_a_finer_column_that_would_join_everything_is_left_out(make, reporter):
    rows = [("image", "label", "patient_id", "case")]
    rows += [(str(i), "ab"[i % 2], f"P{i // 2}", f"{i % 12}") for i in range(48)]
    root = make(*(f"{i}.png" for i in range(48)), table="t.csv", rows=rows)
    found = find_image_set(root, reporter=reporter)
    assert len(groups_of(found)) == 24
    assert any("'case' is not used besides 'patient_id'" in line for line in reporter.warnings)


@pytest.mark.parametrize(
    ("template", "groups"),
    [
        ("{c}/sub-{p:02}_ses-{i}_T1w.nii.gz", 6),
        ("{c}/TCGA-AB-{p:04}-01A-{i}.png", 6),
        ("{c}/patient{p:05}/study{i}/view1.png", 6),
        ("{c}/OAS1_{p:04}_MR{i}_s.png", 6),
        ("{c}/LIDC-IDRI-{p:04}/{i}.png", 6),
        ("{c}/SOB_B_A-14-{p:05}AB-{m}-001.png", 6),
        ("{c}/{p:08}_{i:03}.png", 6),
        ("{c}/002_S_{p:04}_{i}.png", 6),
    ],
)
def test_names_of_public_sets_group(make, reporter, template, groups):
    names = [template.format(c="ab"[p % 2], p=p, i=i, m=(40, 400)[i]) for p in range(6) for i in range(2)]
    found = find_image_set(make(*names), reporter=reporter)
    assert sorted(map(len, groups_of(found))) == [2] * groups
    assert any("images are grouped by" in line and "6 groups" in line for line in reporter.remarks)
    assert not plan_split(found).groups_across


@pytest.mark.parametrize("name", ["{c}/20210304_{i:03}.png", "{c}/ISIC_{n:07}.png", "{c}/p{p}_{i}.png"])
def test_names_that_only_may_group_do_not(make, name):
    names = [name.format(c="ab"[p % 2], p=p, i=p * 2 + i, n=p * 2 + i) for p in range(6) for i in range(2)]
    assert find_image_set(make(*names)).group is None


def test_advice_names_the_coarsest_groups(make, reporter):
    names = [f"{'ab'[p % 2]}/case_{p:02}_v{v}_{i}.png" for p in range(12) for v in range(2) for i in range(2)]
    prepare(DataOptions(make(*names), size=16), seed=0, reporter=reporter)
    (warning,) = [line for line in reporter.warnings if "--group-pattern" in line]
    assert "(12 groups; " in warning
    assert "would make 24" in warning


def test_a_blank_patient_is_grouped_by_study(tmp_path, make_dicom):
    for index in range(8):
        patient = {"PatientID": f"p{index // 2}"} if index < 4 else {"PatientID": ""}
        make_dicom(
            tmp_path / "ab"[index % 2] / f"{index}.dcm", np.full((4, 4), index, np.uint8), uid=f"1.2.{index}",
            StudyInstanceUID=f"1.9.{index // 2}", **patient,
        )  # fmt: skip
    assert sorted(map(len, groups_of(find_image_set(tmp_path, label="folder")))) == [2] * 4


def test_one_group_alone_and_empty_parts_stop(make):
    rows = [("image", "label", "patient_id"), *((str(i), "ab"[i % 2], "P0") for i in range(12))]
    root = make(*(f"{i}.png" for i in range(12)), table="t.csv", rows=rows)
    with pytest.raises(
        InputError, match="expected several groups to split, got one: all 12 images"
    ) as caught:
        prepare(DataOptions(root, size=16), seed=0)
    assert "--group" in caught.value.hint
    assert "several groups" in plan_split(find_image_set(root)).problem
    write(root / "t.csv", [rows[0], *((str(i), "ab"[i % 2], f"P{i // 6}") for i in range(12))])
    with pytest.raises(InputError, match="got none to validate"):
        prepare(DataOptions(root, size=16), seed=0)


def test_what_leaks_is_known_before_decoding(make):
    names = [
        f"{part}/{label}/sub-{p:02}_{part}.png"
        for part in ("train", "val", "test")
        for label in "ab"
        for p in range(3)
    ]
    plan = plan_split(find_image_set(make(*names)))
    assert (plan.how, plan.groups_across) == ("as given", 3)
    assert plan.images == {"train": 6, "validation": 6, "test": 6}
    assert plan.examples[0] == "test/a/sub-00_test.png"


def test_groups_beside_a_table_that_is_named(make, reporter):
    root = make(*(f"{i}.png" for i in range(6)), table="all.csv", rows=[
        ("image", "dx", "lesion_id"), *((str(i), "a", f"L{i // 2}") for i in range(6)),
    ])  # fmt: skip
    write(root / "task.csv", [("image", "label"), *((str(i), "ab"[i % 2]) for i in range(4))])
    found = find_image_set(root, metadata=root / "task.csv", reporter=reporter)
    assert groups_of(found) == [["0.png", "1.png"], ["2.png", "3.png"]]
    assert any(
        "all.csv in the set's folder says which images belong together" in line for line in reporter.remarks
    )
