"""Sets in the layouts in which they are published: nothing that they say is dropped in silence."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import zipfile
from collections import Counter, defaultdict

import nibabel
import numpy as np
import pytest

from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.data.split_plan import plan_split
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.data_options import DataOptions


@pytest.fixture
def make(tmp_path, save_image):
    """Makes a set of files, each another image: PNG, or volumes for names that end in `.nii.gz`."""

    def build(*names: str, table: str = "", rows=(), delimiter: str = ","):
        root = tmp_path / "set"
        for seed, name in enumerate(names):
            if name.endswith((".nii", ".nii.gz")):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                array = np.random.default_rng(seed).integers(0, 99, (6, 6, 2)).astype(np.int16)
                nibabel.Nifti1Image(array, np.eye(4)).to_filename(root / name)
            else:
                save_image(root / name, seed, (8, 8))
        root.mkdir(exist_ok=True)
        if table:
            write(root / table, rows, delimiter)
        return root

    return build


def write(path, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def parts_of(found):
    return {found.pixels.file_of(entry): entry.part for entry in found.entries}


def labels_of(found):
    return {found.pixels.file_of(entry): entry.values[found.label] for entry in found.entries}


def groups_of(found):
    groups = defaultdict(set)
    for entry in found.entries:
        groups[entry.group].add(found.pixels.file_of(entry))
    return sorted(sorted(files) for files in groups.values())


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


# Tables


def test_participants_describe_all_files_of_a_subject(make):
    names = [
        f"sub-{p:02}/ses-{s:02}/anat/sub-{p:02}_ses-{s:02}_T1w.nii.gz" for p in range(1, 5) for s in (1, 2)
    ]
    rows = [
        ("participant_id", "age", "diagnosis"),
        *((f"sub-{p:02}", 60 + p, ("AD", "CN")[p % 2]) for p in range(1, 5)),
    ]
    root = make(*names, table="participants.tsv", rows=rows, delimiter="\t")
    found = find_image_set(root, label="diagnosis", conditions=("age",))
    assert len(found.entries) == 16
    assert found.group == "participant_id"
    assert sorted(map(len, groups_of(found))) == [2] * 4
    assert found.entries[0].values == {"diagnosis": "CN", "age": "61"}


def test_tables_are_joined_by_what_they_name_or_share(make):
    root = make(*(f"{i}.png" for i in range(4)))
    write(root / "images.csv", [("image", "patient_id"), *((str(i), f"P{i // 2}") for i in range(4))])
    write(root / "patients.csv", [("patient_id", "dx"), ("P0", "a"), ("P1", "b")])
    write(root / "tone.csv", [("file", "tone"), *((f"{i}.png", i) for i in range(3))])
    metadata = tuple(root / name for name in ("images.csv", "patients.csv", "tone.csv"))
    found = find_image_set(root, metadata=metadata, label="dx", conditions=("tone",))
    assert list(labels_of(found).values()) == ["a", "a", "b", "b"]
    assert [entry.values["tone"] for entry in found.entries] == ["0", "1", "2", ""]
    assert sorted(map(len, groups_of(found))) == [2, 2]
    write(root / "patients.csv", [("who", "dx"), ("P0", "a")])
    with pytest.raises(InputError, match=r"names no image, and shares no column with images\.csv"):
        find_image_set(root, metadata=metadata, label="dx")


def test_one_hot_columns_are_the_label(make, reporter):
    rows = [
        ("image", "MEL", "NV", "UNK", "weight"),
        ("0", "1.0", "0.0", "0.0", "1"),
        ("1", "0", "1", "0", "1"),
        ("2", "0", "0", "1", "1"),
    ]
    root = make("0.png", "1.png", "2.png", table="t.csv", rows=rows)
    found = find_image_set(root, reporter=reporter)
    assert list(labels_of(found).values()) == ["MEL", "NV", "UNK"]
    assert any("which of the columns MEL, NV, UNK of t.csv is 1" in line for line in reporter.remarks)
    find_image_set(root, label="MEL", reporter=reporter)
    assert any("label 'MEL' is one of 3 columns" in line for line in reporter.warnings)
    write(root / "t.csv", [rows[0], ("0", "1", "1", "0", "1"), *rows[2:]])  # a row with two
    with pytest.raises(UsageError, match=r"expected the column of t\.csv that is the label"):
        find_image_set(root)


@pytest.mark.parametrize(
    ("missing", "kept"),
    [
        ((), {"mel": 2}),
        (("NA",), {"mel": 2, "unknown": 2}),
        (("",), {"mel": 2, "unknown": 2, "NA": 1}),
        (("mel",), {"unknown": 2, "NA": 1}),
    ],
)
def test_values_that_mean_missing_can_be_said(make, reporter, missing, kept):
    values = ("mel", "unknown", "NA", "mel", "unknown")
    rows = [("image", "label"), *((str(i), value) for i, value in enumerate(values))]
    root = make(*(f"{i}.png" for i in range(5)), table="t.csv", rows=rows)
    found = find_image_set(root, missing=missing, reporter=reporter)
    assert Counter(labels_of(found).values()) == kept
    if not missing:
        (warning,) = reporter.warnings
        assert "3 of 5 rows have no 'label'" in warning
        assert "2 'unknown', 1 'NA'" in warning
        assert "--missing" in warning


def test_a_class_called_unknown_is_a_class(make):
    rows = [("image", "label"), *((str(i), ("unknown", "mel")[i % 2]) for i in range(20))]
    root = make(*(f"{i}.png" for i in range(20)), table="t.csv", rows=rows)
    data = prepare(DataOptions(root, size=16, missing=("NA",)), seed=0)
    assert data.schema.labels == ("mel", "unknown")
    vector = data.conditions[[entry.values["label"] for entry in data.entries].index("unknown")]
    assert vector.tolist() == [0, 1, 0]


def test_minus_one_is_missing_only_as_a_code(make):
    rows = [
        ("image", "label", "score"),
        *((str(i), "-1.0" if i == 0 else str(i % 2), str(i - 1)) for i in range(4)),
    ]
    root = make(*(f"{i}.png" for i in range(4)), table="t.csv", rows=rows)
    found = find_image_set(root)
    assert "0.png" not in labels_of(found)
    write(root / "t.csv", [("image", "label"), *((str(i), str(i - 2)) for i in range(4))])
    assert len(find_image_set(root).entries) == 4  # -2 is no code: these are numbers


@pytest.mark.parametrize("suffix", [".png", ".nii.gz"])
def test_a_table_of_patients_beside_class_folders(make, reporter, suffix):
    names = [f"{'ab'[i % 2]}/{i}{suffix}" for i in range(8)]
    rows = [("file", "patient_id"), *((name, f"P{i // 4}") for i, name in enumerate(names))]
    found = find_image_set(make(*names, table="patients.csv", rows=rows), reporter=reporter)
    assert set(labels_of(found).values()) == {"a", "b"}
    assert sorted(map(len, groups_of(found))) == [4, 4]
    assert any("the folders are the label" in line for line in reporter.remarks)


def test_ages_and_several_labels(make, reporter):
    rows = [
        ("Image Index", "Finding", "Patient Age"),
        ("0.png", "Mass", "060Y"),
        ("1.png", "Mass|Effusion", "018M"),
    ]
    root = make("0.png", "1.png", table="t.csv", rows=rows)
    found = find_image_set(root, label="Finding", conditions=("Patient Age",), reporter=reporter)
    assert [entry.values["Patient Age"] for entry in found.entries] == ["60", "1.5"]
    assert any("a set of findings (names joined by '|' in " in line for line in reporter.remarks)
    assert [entry.values["Finding"] for entry in found.entries] == ["Mass", "Effusion|Mass"]
    assert found.findings is not None
    assert found.findings.names == ("Effusion", "Mass")


def test_several_rows_an_image(make):
    rows = [
        ("image", "label", "reader"),
        *(("0", label, str(i)) for i, label in enumerate("abb")),
        ("1", "c", "0"),
        ("1", "c", "1"),
    ]
    root = make("0.png", "1.png", table="t.csv", rows=rows)
    with pytest.raises(
        InputError, match=r"1 images have two rows that differ, such as 0\.png \(label: a, b\)"
    ) as caught:
        find_image_set(root)
    assert "--rows first, --rows majority or --rows all" in caught.value.hint
    assert labels_of(find_image_set(root, rows="first")) == {"0.png": "a", "1.png": "c"}
    assert labels_of(find_image_set(root, rows="majority")) == {"0.png": "b", "1.png": "c"}


def test_a_table_without_column_names_is_said(make, reporter):
    rows = [("TRAIN", "0.png", "0"), ("TEST", "1.png", "1"), ("VAL", "2.png", "0")]
    root = make("0.png", "1.png", "2.png", table="t.csv", rows=rows)
    with pytest.raises(
        InputError, match=r"expected column names in the first line, got the name of an image"
    ) as caught:
        find_image_set(root)
    assert "--no-header" in caught.value.hint
    write(root / "t.csv", [(name.removesuffix(".png"), f"c{label}") for _, name, label in rows])
    with pytest.raises(InputError, match=r"got the name of an image \(0\)"):
        find_image_set(root)
    write(root / "t.csv", rows)
    found = find_image_set(root, header=False, label="column 3", reporter=reporter)
    assert list(parts_of(found).values()) == ["train", "test", "validation"]


def test_a_column_without_a_name_that_may_hold_patients_is_said(make, reporter):
    names = [f"{number}.png" for number in range(36)]
    rows = [(f"pat{number // 3}", name, "ab"[number % 2]) for number, name in enumerate(names)]
    root = make(*names, table="t.csv", rows=rows)
    found = find_image_set(root, header=False, label="column 3", reporter=reporter)
    assert not found.is_grouped
    (warning,) = reporter.warnings
    assert "'column 1' has 12 values in 36 rows" in warning
    assert "--group 'column 1'" in warning
    reporter.warnings.clear()
    grouped = find_image_set(root, header=False, label="column 3", group="column 1", reporter=reporter)
    assert grouped.is_grouped
    assert reporter.warnings == []


def test_text_files_with_labels_are_named_where_images_have_none(make):
    names = [f"{part}/{number}.png" for number, part in enumerate(["train"] * 8 + ["test"] * 4)]
    root = make(*names)
    for part in ("train", "test"):
        lines = [f"p{n} {name.split('/')[1]} {'ab'[n % 2]} x" for n, name in enumerate(names) if part in name]
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="got 12 images in none") as caught:
        find_image_set(root)
    assert "--metadata test.txt --metadata train.txt --no-header --label 'column 3'" in caught.value.hint
    found = find_image_set(
        root, metadata=(root / "test.txt", root / "train.txt"), header=False, label="column 3"
    )
    assert parts_of(found) == {name: name.split("/")[0] for name in names}


def test_a_table_that_names_no_image_is_named_where_images_have_no_label(make):
    root = make("FundusImages/RET001.png", "FundusImages/RET002.png")
    write(root / "ClinicalData" / "eyes.csv", [("ID", "dx"), ("#001", 0), ("#002", 1)])
    with pytest.raises(InputError, match="got 2 images in none") as caught:
        find_image_set(root)
    assert "--metadata ClinicalData/eyes.csv --label COLUMN" in caught.value.hint


def test_numbers_of_folders_are_classes_where_that_is_said(make):
    root = make(*(f"train/00{number % 3}/{number}.png" for number in range(6)))
    with pytest.raises(InputError, match=r"folders that are no labels: train; 000, 001, 002") as caught:
        find_image_set(root)
    assert "if the folders' numbers are the classes: --label folder" in caught.value.hint
    found = find_image_set(root, label="folder")
    assert set(labels_of(found).values()) == {"000", "001", "002"}


def test_archives_are_named_with_what_unpacks_them(make, tmp_path):
    root = make()
    for name in ("a", "b"):
        with zipfile.ZipFile(root / f"{name}.zip", "w") as archive:
            archive.write(make(f"../{name}.png").parent / f"{name}.png", "1.png")
    with pytest.raises(InputError, match="expected images, got 0") as caught:
        find_image_set(root)
    line = caught.value.hint.partition("python -c ")[2]
    exec(line.strip('"'))  # what the user is told to type
    assert labels_of(find_image_set(root)) == {"a/1.png": "a", "b/1.png": "b"}
    (root / "b.zip").rename(tmp_path / "b.zip")
    shutil.rmtree(root / "a")
    shutil.rmtree(root / "b")
    with pytest.raises(InputError) as caught:
        find_image_set(root)
    assert f"give it as the path: {root / 'a.zip'}" in caught.value.hint


def test_columns_that_name_the_same_files_are_one(make):
    rows = [(f"x{n}", f"/x/im/x{n}.png", "ab"[n % 2]) for n in range(12)]
    root = make(*(f"im/x{n}.png" for n in range(12)), table="t.csv", rows=[("id", "path", "label"), *rows])
    assert len(find_image_set(root).entries) == 12
    other = [(f"x{n}", f"/x/im/x{11 - n}.png", "a") for n in range(12)]
    write(root / "t.csv", [("id", "path", "label"), *other])
    with pytest.raises(UsageError, match="2 columns do"):
        find_image_set(root)


def test_versions_of_the_same_classes_are_no_labels(make):
    names = [f"Original Images/{kind}/{n}.png" for kind in ("Monkey Pox", "Others") for n in range(3)]
    changed = [
        name.replace("Original", "Augmented").replace("Monkey Pox", "MonkeyPox_augmented") for name in names
    ]
    with pytest.raises(UsageError, match="the same folders") as caught:
        find_image_set(make(*names, *changed))
    assert "give one alone: Original Images" in caught.value.hint


def test_a_table_that_names_no_image_is_said_beside_one_that_does(make, reporter):
    names = [f"{n}.png" for n in range(4)]
    root = make(
        *names,
        table="image_level.csv",
        rows=[("image", "label"), *((name, "ab"[n % 2]) for n, name in enumerate(names))],
    )
    write(root / "study_level.csv", [("id", "dx"), *((f"{n}x_study", "ab"[n % 2]) for n in range(4))])
    find_image_set(root, reporter=reporter)
    assert "tables that name none of the set's files are not used: study_level.csv" in reporter.remarks


def test_tables_of_folds_are_said(make, reporter):
    root = make(*(f"a/{n}.png" for n in range(4)), *(f"b/{n}.png" for n in range(4, 8)))
    for fold in range(2):
        rows = [(f"{n}.png", "ab"[n // 4]) for n in range(8) if n % 2 == fold]
        write(root / "splits" / f"split_{fold}.csv", [("filename", "label"), *rows])
    assert len(find_image_set(root, reporter=reporter).entries) == 8
    assert any("folds of a cross-validation" in warning for warning in reporter.warnings)


@pytest.mark.parametrize("column", ["empi_anon", "patient_anon"])
def test_patients_under_an_institutions_number(make, column):
    rows = [(f"{n}.png", "ab"[n // 2 % 2], 10000 + n // 2) for n in range(24)]
    found = find_image_set(
        make(*(f"{n}.png" for n in range(24)), table="t.csv", rows=[("image", "label", column), *rows])
    )
    assert [len(one) for one in groups_of(found)] == [2] * 12


def test_equal_copies_in_two_folders_are_taken_once(make, reporter):
    rows = [("image", "label"), ("0", "a"), ("1", "b")]
    root = make("one/0.png", "one/1.png", table="t.csv", rows=rows)
    (root / "two").mkdir()
    for name in ("0.png", "1.png"):
        (root / "two" / name).write_bytes((root / "one" / name).read_bytes())
    assert [entry.name for entry in find_image_set(root, reporter=reporter).entries] == [
        "one/0.png",
        "one/1.png",
    ]
    assert reporter.warnings == []
    assert any(
        "2 images of t.csv lie in several folders, equal byte for byte" in line for line in reporter.remarks
    )
    (root / "two" / "0.png").write_bytes(b"another")
    with pytest.raises(InputError, match="1 of 2 rows name an image that exists several times"):
        find_image_set(root)


def test_a_folder_that_a_zip_doubled_is_taken_once(make, reporter):
    names = [f"x/{part}/{label}/{i}.png" for part in ("train", "test") for label in "ab" for i in "01"]
    root = make(*names)
    for name in names:
        (root / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "x" / name).write_bytes((root / name).read_bytes())
    found = find_image_set(root, reporter=reporter)
    assert sorted(parts_of(found)) == sorted(names)
    assert any("8 images lie twice, equal byte for byte" in line for line in reporter.remarks)


def test_paths_of_another_machine(make):
    rows = [("path", "label"), ("/home/me/d/im/0.png", "a"), ("/home/me/d/im/1.png", "b")]
    root = make("im/0.png", "im/1.png", table="t.csv", rows=rows)
    assert list(labels_of(find_image_set(root)).values()) == ["a", "b"]
    write(root / "t.csv", [("path", "label"), ("/home/me/x.png", "a"), ("/home/me/y.png", "b")])
    with pytest.raises(InputError, match="expected labelled images, got 0") as caught:
        find_image_set(root, metadata=root / "t.csv", image_column="path")
    assert "of another machine" in caught.value.hint


def test_masks_are_no_images_of_a_class(make, reporter):
    names = [
        f"Dataset001/{folder}/la_{i:03}{end}.nii.gz"
        for folder, end in (("imagesTr", "_0000"), ("labelsTr", ""))
        for i in range(4)
    ]
    root = make(*names)
    with pytest.raises(InputError, match="got 4 volumes in none"):
        find_image_set(root, reporter=reporter)
    assert any("4 files are masks or label maps" in line for line in reporter.remarks)
    write(root / "cases.csv", [("case", "label"), *((f"la_{i:03}", "ab"[i % 2]) for i in range(4))])
    assert len(labels_of(find_image_set(root))) == 4


def test_a_compressed_table_and_what_systems_leave(make, reporter):
    root = make("a/0.png", "b/1.png")
    (root / "t.csv.gz").write_bytes(gzip.compress(b"image,label\n0,x\n1,y\n"))
    for name in ("Thumbs.db", "desktop.ini", "._t.csv", "a/._0.png", "a/Thumbs.db"):
        (root / name).write_bytes(b"?")
    (root / "__MACOSX").mkdir()
    (root / "__MACOSX" / "0.png").write_bytes(b"?")
    assert list(labels_of(find_image_set(root, reporter=reporter)).values()) == ["x", "y"]
    assert not any("skipped" in line for line in reporter.remarks)


def test_every_frame_of_a_file_is_an_image_of_one_group(make, monkeypatch, reporter):
    monkeypatch.setattr(
        "drai_cli.data.raster_sets.count_frames", lambda root, name: 3 if name == "a/0.png" else 1
    )
    found = find_image_set(make("a/0.png", "b/1.png"), reporter=reporter)
    assert [entry.name for entry in found.entries] == ["a/0.png#0", "a/0.png#1", "a/0.png#2", "b/1.png"]
    assert [len(files) for files in groups_of(found)] == [1, 1]
    assert found.group == "file"
    assert not found.is_grouped
    assert any("each of their 3 frames is an image" in line for line in reporter.remarks)
