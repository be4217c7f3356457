"""A set ready to train on."""

import csv
from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.number_labels import warn_of_number_labels
from drai_cli.data.prepared import find_set, prepare
from drai_cli.data.split import read_split, write_split
from drai_cli.errors import InputError
from drai_cli.settings.data_options import DataOptions


def write_table(path: Path, rows: list[tuple[object, ...]]) -> Path:
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture
def table(tmp_path, save_image):
    """Ninety images of thirty patients, with an age (some missing) and a site."""
    root = tmp_path / "set"
    rows: list[tuple[object, ...]] = [("file_name", "label", "patient_id", "age", "site")]
    for index in range(90):
        save_image(root / f"{index}.png", index, channels=1)
        patient = index // 3
        age = "" if index % 10 == 0 else 30.5 + patient
        rows.append(
            (f"{index}.png", ("mel", "nv")[patient % 2], f"p{patient}", age, ("arm", "leg")[index % 2])
        )
    write_table(root / "metadata.csv", rows)
    return root


def test_rows_agree(table, reporter):
    options = DataOptions(table, conditions=("age", "site"), size=8)
    prepared = prepare(options, seed=0, reporter=reporter)
    count = len(prepared.entries)
    assert prepared.images.shape == (90, 8, 8, 1)
    assert prepared.parts.shape == (count,)
    assert prepared.labels.dtype == np.int64
    assert prepared.conditions.dtype == np.float32
    assert prepared.conditions.shape == (90, prepared.schema.dim)
    assert prepared.schema.names == ("label", "age", "site")
    assert sorted(np.concatenate([prepared.rows(part) for part in ("train", "validation", "test")])) == list(
        range(90)
    )
    for row, entry in enumerate(prepared.entries):
        assert prepared.schema.labels[prepared.labels[row]] == entry.values["label"]
        np.testing.assert_array_equal(prepared.conditions[row], prepared.schema.encode([entry.values])[0])
    parts_of_groups = {
        (entry.group, part) for entry, part in zip(prepared.entries, prepared.parts, strict=True)
    }
    assert len(parts_of_groups) == 30
    train = [
        float(e.values["age"])
        for e in (prepared.entries[i] for i in prepared.rows("train"))
        if e.values["age"]
    ]
    assert prepared.schema.attribute("age").mean == pytest.approx(np.mean(train)), (
        "fitted on the training part alone"
    )
    assert prepared.summary["kind"] == "csv"
    assert prepared.summary["group"] == "patient_id"
    assert prepared.summary["parts"]["train"]["classes"] == {"mel": 36, "nv": 36}
    assert any(line == "split by patient_id: train 72, validation 6, test 12" for line in reporter.remarks)


def test_a_saved_split_is_honoured(table, tmp_path):
    first = prepare(DataOptions(table, size=8), seed=0)
    write_split(tmp_path / "split.csv", first.entries, first.parts)
    again = prepare(DataOptions(table, size=8), seed=99, split_file=tmp_path / "split.csv")
    np.testing.assert_array_equal(first.parts, again.parts)
    assert (prepare(DataOptions(table, size=8), seed=99).parts != first.parts).any()

    saved = read_split(tmp_path / "split.csv")
    write_table(tmp_path / "split.csv", [("name", "part"), *list(saved.items())[2:]])
    with pytest.raises(InputError, match=r"2 images are not in it: 0\.png, 1\.png"):
        prepare(DataOptions(table, size=8), seed=0, split_file=tmp_path / "split.csv")
    write_table(tmp_path / "split.csv", [("name", "part"), *saved.items(), ("gone.png", "test")])
    with pytest.raises(InputError, match=r"1 of its images are not in the set: gone\.png"):
        prepare(DataOptions(table, size=8), seed=0, split_file=tmp_path / "split.csv")


def test_values_that_training_never_saw_are_missing(table, tmp_path, reporter):
    first = prepare(DataOptions(table, size=8), seed=0)
    odd = first.entries[first.rows("test")[0]].name
    lines = (table / "metadata.csv").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith(f"{odd},"))
    cells = lines[place].split(",")
    lines[place] = ",".join([*cells[:4], "nose"])
    (table / "metadata.csv").write_text("\n".join(lines))
    prepared = prepare(DataOptions(table, conditions=("site",), size=8), seed=0, reporter=reporter)
    row = [entry.name for entry in prepared.entries].index(odd)
    assert prepared.conditions[row, prepared.schema.slices()[1]].tolist() == [0, 0, 1]
    assert any("1 images have a 'site' that no training image has" in line for line in reporter.warnings)


def test_duplicates_across_the_split_are_found(folders, reporter):
    root = folders(nv=30, mel=30)
    first = prepare(DataOptions(root, size=8), seed=0, reporter=reporter)
    assert first.summary["duplicates"] == {"sets": 0, "images": 0, "across_split": []}
    train, test = (first.entries[first.rows(part)[0]].name for part in ("train", "test"))
    (root / test).write_bytes((root / train).read_bytes())
    prepared = prepare(DataOptions(root, size=8), seed=0, reporter=reporter)
    assert prepared.summary["duplicates"] == {"sets": 1, "images": 2, "across_split": [sorted((train, test))]}
    assert any("1 images are in several parts" in line and test in line for line in reporter.warnings)


def test_one_class_is_an_error(folders):
    with pytest.raises(
        InputError, match=r"expected two classes or more, got one: scars \(4 images\)"
    ) as caught:
        prepare(DataOptions(folders(scars=4), size=8), seed=0)
    assert "--metadata" in caught.value.hint


def test_an_own_split_is_kept_and_completed(tmp_path, save_image, reporter):
    seed = 0
    for part, count in {"train": 20, "test": 5}.items():
        for label in ("a", "b"):
            for index in range(count):
                save_image(tmp_path / "set" / part / label / f"{index}.png", seed := seed + 1)
    prepared = prepare(DataOptions(tmp_path / "set", size=8), seed=0, reporter=reporter)
    counts = {part: len(prepared.rows(part)) for part in ("train", "validation", "test")}
    assert counts["test"] == 10
    assert counts["validation"] == pytest.approx(4, abs=1)
    assert all(
        ("test/" in e.name) == (part == "test")
        for e, part in zip(prepared.entries, prepared.parts, strict=True)
    )
    assert any("has no validation part" in line for line in reporter.warnings)
    for index in range(5):
        save_image(tmp_path / "set" / "test" / "c" / f"{index}.png", 100 + index)
    with pytest.raises(InputError, match=r"classes without a training image: c \(5\)"):
        prepare(DataOptions(tmp_path / "set", size=8), seed=0)


def test_aliases(folders):
    prepared = prepare(
        DataOptions(folders(mel=5, nv=5), size=8, aliases={"bad": "mel", "x": "absent"}), seed=0
    )
    assert prepared.schema.label.resolve("Melanoma") == "mel"
    assert prepared.schema.label.resolve("bad") == "mel"
    assert "x" not in prepared.schema.label.aliases


@pytest.mark.parametrize(
    ("label", "is_warned_of"),
    [
        (lambda index: f"{3 + index * 0.37:.2f}", True),  # a diameter
        (lambda index: str(20 + index % 45), True),  # an age
        (lambda index: str(index % 3), False),
        (lambda index: ("1.5", "2.5")[index % 2], False),  # a grade
        (lambda index: f"c{index % 45}", False),
    ],
)
def test_a_label_that_is_a_measured_number_is_pointed_out(
    tmp_path, save_image, reporter, label, is_warned_of
):
    rows: list[tuple[object, ...]] = [("file_name", "size_mm")]
    for index in range(90):
        save_image(tmp_path / "set" / f"{index}.png", index, (8, 8))
        rows.append((f"{index}.png", label(index)))
    table = write_table(tmp_path / "set" / "t.csv", rows)
    options = DataOptions(tmp_path / "set", metadata=table, label="size_mm", size=8)
    warn_of_number_labels(find_set(options), reporter)
    assert len(reporter.warnings) == is_warned_of
    assert all("did you mean --condition size_mm" in line for line in reporter.warnings)


def test_numbers_with_images_enough_are_classes(tmp_path, save_image, reporter):
    rows: list[tuple[object, ...]] = [("file_name", "label")]
    for index in range(140):
        save_image(tmp_path / "set" / f"{index}.png", index, (8, 8))
        rows.append((f"{index}.png", index % 14))
    write_table(tmp_path / "set" / "metadata.csv", rows)
    prepare(DataOptions(tmp_path / "set", size=8), seed=0, reporter=reporter)
    assert reporter.warnings == []
    write_table(tmp_path / "set" / "metadata.csv", [rows[0], *((name, f"{n}.5") for name, n in rows[1:])])
    prepare(DataOptions(tmp_path / "set", size=8), seed=0, reporter=reporter)
    assert any(
        "its 14 values become as many classes, 0 of them with one image" in w for w in reporter.warnings
    )
