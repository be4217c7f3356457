"""A table's own split and its groups: used, or said that they are not."""

from __future__ import annotations

import csv

import pytest

from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.data_options import DataOptions


@pytest.fixture
def table(tmp_path, save_image):
    """Makes a folder of images with a table, whose further columns are functions of the row's number."""

    def make(count=40, **columns):
        root = tmp_path / "set"
        rows = []
        for index in range(count):
            save_image(root / "images" / f"im{index:03}.png", index)
            row = {"image": f"im{index:03}.png", "dx": "ab"[index % 2]}
            rows.append(row | {name.replace("_", " "): value(index) for name, value in columns.items()})
        with open(root / "labels.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return root

    return make


def find(root, reporter, **options):
    return find_image_set(
        root, metadata=root / "labels.csv", image_column="image", label="dx", reporter=reporter, **options
    )


def part_of(index):
    return ("Train", "train", "valid", "TEST")[index % 4]


@pytest.mark.parametrize("name", ["split", "Set", "sub_set"])
def test_a_column_that_holds_parts_is_the_sets_own_split(table, reporter, name):
    found = find(table(**{name: part_of}), reporter)
    assert [entry.part for entry in found.entries[:4]] == ["train", "train", "validation", "test"]
    column = name.replace("_", " ")
    assert f"the set's own split in column {column!r} is kept; --split new draws another" in reporter.remarks


def test_no_image_of_the_sets_test_part_is_trained_on(table):
    root = table(split=part_of)
    data = prepare(
        DataOptions(root, metadata=root / "labels.csv", image_column="image", label="dx", size=16), seed=0
    )
    tested = {entry.name for entry, part in zip(data.entries, data.parts, strict=True) if part == "test"}
    assert tested == {f"images/im{index:03}.png" for index in range(3, 40, 4)}
    assert data.summary["split"] == "as given"


@pytest.mark.parametrize("name", ["use", "tvt", "Usage"])
def test_a_column_of_nothing_but_parts_is_a_split_whatever_it_is_called(table, reporter, name):
    found = find(
        table(**{name: lambda index: ("Training", "PublicTest", "PrivateTest")[index % 3]}), reporter
    )
    assert [entry.part for entry in found.entries[:3]] == ["train", "validation", "test"]
    assert any(f"own split in column {name!r} is kept" in line for line in reporter.remarks)


def test_blank_parts_are_left_out_and_counted(table, reporter):
    found = find(table(split=lambda index: "" if index % 8 == 1 else part_of(index)), reporter)
    assert len(found.entries) == 35
    assert any("5 images are in no part of the set's own split" in line for line in reporter.warnings)


def test_another_column_can_be_named_and_has_to_hold_parts(table, reporter):
    root = table(use=part_of, fold=lambda index: index % 5)
    assert find(root, reporter, split_column="use").entries[3].part == "test"
    with pytest.raises(
        InputError, match=r"expected train, validation or test in column 'fold', got '0' in 40 of 40"
    ) as caught:
        find(root, reporter, split_column="fold")
    assert "--split-column fold:4=test,3=validation" in caught.value.hint
    with pytest.raises(UsageError, match="no such column"):
        find(root, reporter, split_column="nowhere")


def test_folds_are_pointed_out_and_can_be_given_a_meaning(table, reporter):
    root = table(fold=lambda index: index % 5)
    assert {entry.part for entry in find(root, reporter).entries} == {None}
    assert any(
        "column 'fold' is not used" in line and "fold:4=test,3=validation" in line
        for line in reporter.warnings
    )
    found = find(root, reporter, split_column="fold:0=test,1=val")
    assert [entry.part for entry in found.entries[:5]] == ["test", "validation", "train", "train", "train"]
    for wrong in ("fold:7=test", "fold:0=tset", "fold:0"):
        with pytest.raises(UsageError, match="expected VALUE=PART with a value of column 'fold'"):
            find(root, reporter, split_column=wrong)


@pytest.mark.parametrize(
    ("name", "values", "parts"),
    [("is_train", ("True", "False"), ["train", "test"]), ("is test", (0, 1), ["train", "test"]),
     ("validation", ("no", "yes"), ["train", "validation"])],
)  # fmt: skip
def test_a_flag_is_a_split(table, reporter, name, values, parts):
    found = find(table(**{name: lambda index: values[index % 2]}), reporter)
    assert [entry.part for entry in found.entries[:2]] == parts


def test_several_flags_are_pointed_out(table, reporter):
    root = table(is_train=lambda index: int(index % 2), is_val=lambda index: int(not index % 2))
    assert {entry.part for entry in find(root, reporter).entries} == {None}
    assert any("columns 'is train', 'is val' look like flags" in line for line in reporter.warnings)


def test_the_split_of_several_findings_is_kept(table, reporter):
    root = table(a=lambda index: index % 2, b=lambda index: index % 3 % 2, split=part_of)
    found = find_image_set(root, metadata=root / "labels.csv", label=("a", "b"), reporter=reporter)
    assert found.entries[3].part == "test"


def test_rows_of_an_image_in_several_parts_are_no_split(tmp_path, save_image, reporter):
    for index in range(4):
        save_image(tmp_path / f"{index}.png", index)
    rows = [f"{index}.png,{'ab'[index % 2]},{fold},{'train' if index % 2 == fold else 'test'}"
            for index in range(4) for fold in range(2)]  # fmt: skip
    (tmp_path / "t.csv").write_text("image,label,fold,grp\n" + "\n".join(rows) + "\n")
    assert {entry.part for entry in find_image_set(tmp_path, reporter=reporter).entries} == {None}
    assert any(
        "column 'grp' is not used" in line and "cross-validation" in line for line in reporter.warnings
    )


def test_a_new_split_replaces_it(table, reporter):
    root = table(split=part_of)
    assert {entry.part for entry in find(root, reporter, split="new").entries} == {None}
    with pytest.raises(UsageError, match="contradicts --split new"):
        find(root, reporter, split="new", split_column="split")


def test_folders_of_parts_can_be_split_anew(tmp_path, save_image):
    for number, part in enumerate(("train", "val", "test")):
        for label in "ab":
            save_image(tmp_path / "set" / part / label / "x.png", number)
    root = tmp_path / "set"
    assert {entry.part for entry in find_image_set(root).entries} == {"train", "validation", "test"}
    assert {entry.part for entry in find_image_set(root, split="new").entries} == {None}


def test_an_own_split_that_is_not_there_is_said(table, reporter):
    with pytest.raises(UsageError, match="the set has no split of its own"):
        find(table(), reporter, split="own")


def test_a_column_with_few_other_values_is_not_used_and_that_is_said(table, reporter):
    found = find(table(split=lambda index: "unused" if index == 7 else part_of(index)), reporter)
    assert {entry.part for entry in found.entries} == {None}
    assert any("column 'split' is not used" in line and "'unused'" in line for line in reporter.warnings)


@pytest.mark.parametrize("name", ["Patient_ID", "subject", "Participant", "case_no"])
def test_patients_are_known_by_other_spellings(table, reporter, name):
    found = find(table(**{name: lambda index: f"p{index // 3}"}), reporter)
    assert found.group == name.replace("_", " ")
    assert found.entries[0].group == found.entries[2].group != found.entries[3].group


def test_a_column_with_the_few_values_of_a_class_is_no_patient(table, reporter):
    assert find(table(study=lambda index: f"site {index % 3}"), reporter).group is None


def test_labels_that_differ_in_how_accents_are_stored_are_one(table, reporter):
    root = table(dx=lambda index: ("caf\u00e9", "cafe\u0301", "b")[index % 3])
    assert {entry.values["dx"] for entry in find(root, reporter).entries} == {"caf\u00e9", "b"}
