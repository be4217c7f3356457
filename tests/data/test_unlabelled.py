"""Layouts of public sets that name no label at first sight: what is said, and what of it is no label or no patient."""

from __future__ import annotations

import shutil
import zipfile
from functools import partial

import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, UsageError
from tests.data.laid_out import groups_of, labels_of, lay_out_images, parts_of, write


@pytest.fixture
def make(tmp_path, save_image):
    return partial(lay_out_images, tmp_path / "set", save_image)


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
