"""Tables of sets as they are published: nothing that they say is dropped in silence."""

from __future__ import annotations

import gzip
from collections import Counter
from functools import partial

import pytest

from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.data_options import DataOptions
from tests.data.laid_out import groups_of, labels_of, lay_out_images, parts_of, write


@pytest.fixture
def make(tmp_path, save_image):
    return partial(lay_out_images, tmp_path / "set", save_image)


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
