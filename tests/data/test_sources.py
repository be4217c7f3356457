"""Finding out what a path holds."""

import numpy as np
import pytest

from drai_cli.data.image_set import count_classes
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.data_options import KIND_NAMES
from drai_cli.tables.table import read_table
from tests.data.laid_out import HAM, write_table


def test_class_folders(folders, reporter):
    root = folders(nv=3, mel=2)
    (root / "mel" / "deeper").mkdir()
    (root / "mel" / "mel_000.png").rename(root / "mel" / "deeper" / "x.PNG")
    (root / "mel" / "notes.txt").write_text("")
    (root / "mel" / ".hidden.png").write_text("")
    (root / "empty").mkdir()
    found = find_image_set(root, reporter=reporter)
    assert (found.kind, found.label, found.group) == ("class-folders", "label", None)
    assert [e.name for e in found.entries][:2] == ["mel/deeper/x.PNG", "mel/mel_001.png"]
    assert count_classes(found.entries, "label") == {"mel": 2, "nv": 3}
    assert all(e.group == e.name and e.part is None for e in found.entries)
    assert found.read(found.entries[0]).array.shape == (12, 10, 3)
    assert any("1 folders hold no image: empty" in line for line in reporter.warnings)
    assert any("1 other files are skipped (.txt 1)" in line for line in reporter.remarks)
    assert any("class-folders, 5 images of 2 classes" in line for line in reporter.remarks)


def test_folders_with_their_own_split(tmp_path, save_image, reporter):
    for part in ("train", "Val", "test"):
        for label in ("a", "b"):
            save_image(tmp_path / "set" / part / label / "x.png")
    found = find_image_set(tmp_path / "set", reporter=reporter)
    assert {e.name: e.part for e in found.entries}["Val/b/x.png"] == "validation"
    assert count_classes(found.entries, "label") == {"a": 3, "b": 3}
    save_image(tmp_path / "set" / "other" / "a" / "x.png")
    with pytest.raises(InputError, match="folders of a split"):
        find_image_set(tmp_path / "set")


def test_ham10000_is_recognised(ham, reporter):
    found = find_image_set(ham, conditions=("age", "sex"), reporter=reporter)
    assert (found.kind, found.label, found.conditions, found.group) == (
        "ham10000", "dx", ("age", "sex"), "lesion_id",
    )  # fmt: skip
    assert found.entries[1].name == "part_1/ISIC_1.jpg"
    assert found.entries[1].values == {"dx": "mel", "age": "51", "sex": "male"}
    assert found.entries[0].group == found.entries[1].group != found.entries[2].group
    assert any("grouped by 'lesion_id'" in line for line in reporter.remarks)
    # Kaggle's copy has tables of pixel values beside it: they do not make it doubtful.
    write_table(ham / "hmnist_8_8_L.csv", [f"pixel{i}" for i in range(64)], [])
    assert find_image_set(ham).kind == "ham10000"
    assert find_image_set(ham / "HAM10000_metadata.csv").kind == "ham10000"
    write_table(ham / "copy.csv", HAM, [])
    with pytest.raises(
        InputError, match=r"2 tables could be the set's: HAM10000_metadata\.csv, copy\.csv"
    ) as caught:
        find_image_set(ham)
    assert "--metadata FILE" in caught.value.hint


def test_any_table_by_options(tmp_path, save_image, reporter):
    root = tmp_path / "set"
    for index in range(4):
        save_image(root / "deep" / "er" / f"n.{index}.png", index)
    table = write_table(
        tmp_path / "elsewhere.csv",
        ("scan", "verdict", "patient_id", "lesion_id"),
        [("n.0", "good", "p", "x"), ("n.1.png", "bad", "p", "y"), ("deep/er/n.2.png", "bad", "", "z"),
         ("./deep/er/n.3", "", "q", "")],
        delimiter=";",
    )  # fmt: skip
    found = find_image_set(root, metadata=table, label="verdict", reporter=reporter)
    assert found.kind == "csv"
    assert [e.name for e in found.entries] == [f"deep/er/n.{i}.png" for i in range(3)]
    assert found.group == "patient_id"
    assert found.entries[0].group == found.entries[1].group
    assert found.entries[2].group == "deep/er/n.2.png"
    assert any("1 of 4 rows have no 'verdict'" in line for line in reporter.warnings)
    assert any("1 rows have no 'patient_id'" in line for line in reporter.warnings)
    assert any("named by column 'scan'" in line for line in reporter.remarks)
    assert find_image_set(root, metadata=table, label="verdict", group="lesion_id").group == "lesion_id"


def test_a_folder_as_sample_and_phantom_write_it(folders, reporter):
    root = folders(nv=2, mel=2)
    names = [f"{label}/{label}_{i:03}.png" for label in ("mel", "nv") for i in range(2)]
    rows = [(name, name.split("/")[0], index, 0.5) for index, name in enumerate(names)]
    write_table(root / "metadata.csv", ("file_name", "label", "seed", "tone"), rows)
    found = find_image_set(root, conditions=("tone",), reporter=reporter)
    assert [e.name for e in found.entries] == names
    assert found.entries[0].values == {"label": "mel", "tone": "0.5"}
    assert reporter.warnings == []


def test_a_doubtful_case_names_the_option(folders, save_image, tmp_path):
    root = folders(nv=2, mel=2)
    write_table(root / "notes.csv", ("who", "what"), [("a", "b")])
    with pytest.raises(InputError, match=r"unknown columns \(notes\.csv\) lies next to 4 images") as caught:
        find_image_set(root)
    assert "--metadata" in caught.value.hint
    assert "--kind class-folders" in caught.value.hint
    assert len(find_image_set(root, kind="class-folders").entries) == 4
    (root / "notes.csv").unlink()

    save_image(root / "loose.png")
    with pytest.raises(InputError, match="1 images lie next to folders with 4") as caught:
        find_image_set(root)
    assert "--kind class-folders" in caught.value.hint
    assert len(find_image_set(root, kind="class-folders").entries) == 4
    (root / "loose.png").unlink()

    np.savez(root / "x.npz", a=1)
    with pytest.raises(InputError, match="1 npz files lie next to 4 images") as caught:
        find_image_set(root)
    assert "--kind class-folders" in caught.value.hint
    (root / "x.npz").unlink()

    (root / "nv" / "scan.dcm").write_bytes(b"")
    with pytest.raises(InputError, match="1 dicom files lie next to 4 images") as caught:
        find_image_set(root)
    assert "--kind class-folders" in caught.value.hint


def test_nothing_there_is_counted(tmp_path, save_image):
    with pytest.raises(InputError, match="no such file or folder"):
        find_image_set(tmp_path / "absent")
    (tmp_path / "set" / "a").mkdir(parents=True)
    with pytest.raises(InputError, match="expected images, got 0"):
        find_image_set(tmp_path / "set")
    (tmp_path / "set" / "a" / "x.txt").write_text("")
    with pytest.raises(InputError, match=r"got 0 \(other files: 1 \.txt\)"):
        find_image_set(tmp_path / "set")
    with pytest.raises(InputError, match="expected class folders with images, got 1 images in none"):
        find_image_set(save_image(tmp_path / "flat" / "a.png").parent)
    (tmp_path / "scan.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="got one NIfTI file"):
        find_image_set(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match="expected a data set, got one image"):
        find_image_set(tmp_path / "flat" / "a.png")


def test_of_tar_files_it_is_said_that_they_are_not_read(tmp_path):
    (tmp_path / "images-000000.tar").write_bytes(b"")
    (tmp_path / "metadata.csv").write_text("file_name,label\nimages-000000.tar/mel_000000.png,mel\n")
    with pytest.raises(InputError, match="1 of 1 rows name no image") as caught:
        find_image_set(tmp_path)
    assert "--format png" in caught.value.hint


def test_broken_tables(tmp_path, save_image):
    root = save_image(tmp_path / "set" / "a.png").parent
    table = root / "t.csv"
    for content, message in {
        b"": "expected a table with column names",
        b"file_name,label\n": "expected rows below the column names",
        b"file_name,label\na.png,x,y\n": "expected 2 cells in line 2, got 3",
        b"file_name,label\na.png,\x81\xff\n": "got other bytes in line 2",
        b"file_name,file_name\na.png,x\n": "'file_name' occurs more than once",
        b'file_name,label\na.png,"x\n': "line 2 is no CSV",
        b"file_name,label\na.png," + b"x" * 200_000 + b"\n": "is no CSV",
    }.items():
        table.write_bytes(content)
        with pytest.raises(InputError, match=message):
            find_image_set(root, metadata=table)
    with pytest.raises(InputError, match=r"absent\.csv: no such file"):
        find_image_set(root, metadata=root / "absent.csv")
    table.write_bytes("\ufefffile_name,label\r\na.png, x \r\n\r\n".encode())
    assert find_image_set(root, metadata=table).entries[0].values == {"label": "x"}


def test_wrong_options(ham, folders):
    with pytest.raises(UsageError, match=r"--label dxx: no such column in HAM10000_metadata\.csv") as caught:
        find_image_set(ham, label="dxx")
    assert "did you mean 'dx'?" in caught.value.hint
    for option in ({"group": "x"}, {"conditions": ("x",)}, {"image_column": "x"}):
        with pytest.raises(UsageError, match="x: no such column"):
            find_image_set(ham, **option)
    with pytest.raises(UsageError, match="no such kind") as caught:
        find_image_set(ham, kind="x")
    assert ", ".join(KIND_NAMES) in caught.value.hint
    with pytest.raises(UsageError, match=r"expected the column of .* that is the label, got none"):
        find_image_set(ham, metadata=ham / "HAM10000_metadata.csv", kind="csv")
    root = folders(a=1, b=1)
    for option in ({"group": "x"}, {"conditions": ("x",)}, {"image_column": "x"}, {"label": "x"}):
        with pytest.raises(UsageError, match=" x: "):
            find_image_set(root, **option)
    with pytest.raises(InputError, match="expected a table of kind ham10000, got none"):
        find_image_set(root, kind="ham10000")


def test_a_folder_named_like_nothing_is_refused(folders):
    with pytest.raises(InputError, match="folder 'none' cannot be a label"):
        find_image_set(folders(none=2, mel=2))


def test_rows_without_any_label(ham):
    write_table(ham / "HAM10000_metadata.csv", HAM, [("L", f"ISIC_{i}", "", "", 1, "", "") for i in range(6)])
    with pytest.raises(InputError, match="expected labelled images, got 0"):
        find_image_set(ham)


def test_semicolons_in_a_quoted_column_name_are_no_separators(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('"age; at scan; in years",label\n"60",nv\n')
    assert read_table(path).columns == ("age; at scan; in years", "label")


@pytest.mark.parametrize(
    ("column", "each", "is_hinted"),
    [("exam_block", 2, True), ("exam_block", 1, False), ("case_no", 1, False), ("age", 2, False)],
)
def test_a_column_that_looks_like_a_patient_is_pointed_to(
    tmp_path, save_image, reporter, column, each, is_hinted
):
    rows = []
    for index in range(24):
        save_image(tmp_path / "set" / f"{index}.png", index)
        rows.append((f"{index}.png", ("a", "b")[index % 2], f"{index // each}"))
    write_table(tmp_path / "set" / "metadata.csv", ("file_name", "label", column), rows)
    found = find_image_set(tmp_path / "set", reporter=reporter)
    assert found.group is None
    assert any(f"--group {column}" in line for line in reporter.remarks) == is_hinted


def test_a_table_beside_the_folder_of_images_is_pointed_to(tmp_path, save_image, monkeypatch):
    for index in range(4):
        save_image(tmp_path / "images" / f"{index}.png", index)
    with pytest.raises(InputError, match="4 images in none") as caught:
        find_image_set(tmp_path / "images")
    assert "sort them into one folder a class" in caught.value.hint
    table = write_table(
        tmp_path / "nodules.csv", ("file", "class"), [(f"{i}", "ab"[i % 2]) for i in range(4)]
    )
    with pytest.raises(InputError, match="4 images in none") as caught:
        find_image_set(tmp_path / "images")
    assert f"--metadata {table} --label COLUMN" in caught.value.hint
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        find_image_set("images")
    assert "--metadata nodules.csv --label" in caught.value.hint
    monkeypatch.chdir(tmp_path / "images")
    with pytest.raises(InputError) as caught:
        find_image_set(".")
    assert "--metadata ../nodules.csv --label" in caught.value.hint
    assert len(find_image_set(".", metadata="../nodules.csv", label="class").entries) == 4
