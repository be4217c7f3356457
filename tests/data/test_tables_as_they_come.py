"""Tables as publishers and hospitals hand them out, rebuilt small: read as they were meant, or a message says so."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial

import openpyxl
import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, UsageError
from tests.data.laid_out import groups_of, labels_of, lay_out_names, parts_of, write


@pytest.fixture
def make(tmp_path):
    return partial(lay_out_names, tmp_path / "set")


IMAGES = tuple(f"im/{i:03}.png" for i in range(12))
ROWS = [(f"{i:03}.png", "ab"[i % 2]) for i in range(12)]
AB = {name: "ab"[i % 2] for i, name in enumerate(IMAGES)}


@pytest.mark.parametrize(
    "text",
    [
        "# exported 2024\n# by me\nimage,label\n{}",
        "Study 2024,\n,\nimage,label\n{}",
        "sep=,\rimage,label\r{}",
        "image,label,,\n{}",
    ],
)
def test_lines_around_the_table(make, text):
    root = make(*IMAGES)
    end = "\r" if "\r" in text else "\n"
    (root / "t.csv").write_text(text.format(end.join(",".join(row) for row in ROWS)), newline="")
    assert labels_of(find_image_set(root)) == AB


@pytest.mark.parametrize("separator", ["|", ";", "\t"])
def test_separators(make, separator):
    root = make(*IMAGES)
    write(root / "t.csv", [("image", "label"), *ROWS], separator)
    assert labels_of(find_image_set(root)) == AB


def test_text_separated_by_blanks(make):
    root = make(*IMAGES)
    (root / "t.txt").write_text("".join(f"{name}   {label} \n" for name, label in ROWS))
    found = find_image_set(root, metadata=root / "t.txt", header=False, label="column 2")
    assert labels_of(found) == AB


@pytest.mark.parametrize("name", ["annotations/t.csv", "a/b/t.csv", "im/t.csv"])
def test_tables_below_the_folder_are_found(make, name):
    root = make(*IMAGES)
    write(root / name, [("image", "label"), *ROWS])
    assert labels_of(find_image_set(root)) == AB


def test_tables_for_each_class_are_one(make):
    root = make(*IMAGES)
    for half in range(2):
        write(root / f"t{half}.csv", [("image", "label"), *ROWS[half::2]])
    assert labels_of(find_image_set(root)) == AB


def test_tables_for_each_patient_mean_what_lies_beside_them(make):
    root = make(*(f"sub-{i}/ses-{k}/x.nii.gz" for i in "12" for k in "12"))
    for i in "12":
        write(
            root / f"sub-{i}/s.tsv",
            [("session_id", "label"), ("ses-1", "a"), ("ses-2", "ab"[int(i) - 1])],
            "\t",
        )
    with pytest.raises(InputError, match="expected labelled images, got 0") as caught:
        find_image_set(root)  # the files are empty, and each is skipped
    assert "4 cannot be used" in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        {name: {"label": label} for name, label in ROWS},
        dict(ROWS),
        {"images": [{"id": i, "file_name": name} for i, (name, _) in enumerate(ROWS)],
         "annotations": [{"image_id": i, "category_id": "ab".index(label)} for i, (_, label) in enumerate(ROWS)],
         "categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}]},
    ],
)  # fmt: skip
def test_objects_in_json_are_tables(make, data):
    root = make(*IMAGES)
    (root / "labels.json").write_text(json.dumps(data))
    label = "category" if "images" in data else "label"
    assert labels_of(find_image_set(root, label=label)) == AB


def test_sheets_with_the_same_columns_are_taken_together(make, reporter):
    root = make(*IMAGES)
    book = openpyxl.Workbook()
    book.active.append(["legend", "of codes"])
    for title, rows in (("Train", ROWS[:8]), ("Test", ROWS[8:])):
        sheet = book.create_sheet(title)
        for row in (("image", "label"), *rows):
            sheet.append(row)
    book.save(root / "t.xlsx")
    found = find_image_set(root, reporter=reporter)
    assert labels_of(found) == AB
    assert Counter(parts_of(found).values()) == {"train": 8, "test": 4}
    assert any(
        "sheets Train, Test, which have the same columns (left out: Sheet)" in line
        for line in reporter.remarks
    )


def test_a_workbook_with_another_suffix_and_what_excel_leaves(make):
    root = make(*IMAGES, "~$t.xlsx")
    book = openpyxl.Workbook()
    for row in (("image", "label"), *ROWS):
        book.active.append(row)
    book.save(root / "t.xlsx")
    (root / "t.xlsx").rename(root / "t.csv")
    assert labels_of(find_image_set(root)) == AB


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "<!DOCTYPE html>\n<html>login</html>", "expected a table, got a web page"),
        ("t.csv", "image,label\n000.png\n", "expected 2 cells in line 2, got 1"),
    ],
)
def test_a_table_that_is_none_is_the_error(make, name, text, said):
    root = make(*IMAGES)
    (root / name).write_text(text)
    with pytest.raises(InputError, match=said):
        find_image_set(root)


def test_tables_that_are_not_read_are_said(make, reporter):
    find_image_set(make("a/1.png", "b/2.png", "t.parquet", "t.xls"), reporter=reporter)
    assert any(
        "1 .parquet files may be tables" in line and "pandas.read_parquet" in line
        for line in reporter.warnings
    )
    assert any("1 .xls files may be tables" in line for line in reporter.warnings)


def test_pixels_in_a_table_are_said(make):
    root = make()
    root.mkdir()
    write(root / "fer2013.csv", [("emotion", "pixels", "Usage"), (0, "70 80 82", "Training")])
    with pytest.raises(InputError, match="got one that holds their pixels"):
        find_image_set(root)


def test_a_sample_submission_is_not_used(make, reporter):
    root = make(*IMAGES)
    write(root / "train.csv", [("image", "label"), *ROWS[:6]])
    write(root / "sample_submission.csv", [("image", "label"), *((name, "a") for name, _ in ROWS[6:])])
    assert len(find_image_set(root, reporter=reporter).entries) == 6
    assert any("sample_submission.csv is not used" in line for line in reporter.remarks)


def test_a_column_of_another_table_is_found_by_what_they_share(make):
    """MIMIC-CXR: the split names images, the labels name studies."""
    root = make(*IMAGES)
    write(
        root / "split.csv", [("dicom", "study"), *((name, 50 + i // 2) for i, (name, _) in enumerate(ROWS))]
    )
    write(
        root / "chexpert.csv",
        [("study", "Edema", "No Finding"), *((50 + i, i % 2, 1 - i % 2) for i in range(6))],
    )
    found = find_image_set(root, label=("Edema", "No Finding"))
    assert len(found.entries) == 12
    assert set(labels_of(found).values()) == {"Edema", "No Finding"}


def test_several_columns_name_images(make):
    root = make(*IMAGES)
    rows = [(f"{i:03}", f"{i + 6:03}", "ab"[i % 2]) for i in range(6)]
    write(root / "t.csv", [("left", "right", "label"), *rows])
    with pytest.raises(UsageError, match="but 2 columns do") as caught:
        find_image_set(root)
    assert "--image-column 'left,right'" in caught.value.hint
    found = find_image_set(root, image_column="left,right")
    assert labels_of(found) == AB
    assert groups_of(found) == [[f"im/{i:03}.png", f"im/{i + 6:03}.png"] for i in range(6)]


def test_folder_and_name_in_one_cell(make):
    """DeepLesion: `000001_01_01_109.png` is `000001_01_01/109.png`."""
    names = [f"Images/{p:06}_01_01/{k}.png" for p in range(4) for k in (108, 109)]
    root = make(*names)
    write(
        root / "t.csv", [("File_name", "label"), *((f"{p:06}_01_01_109.png", "ab"[p % 2]) for p in range(4))]
    )
    assert set(labels_of(find_image_set(root))) == set(names[1::2])
