"""Names in a set or its table that lead astray: doubled, missing, outside, links, pipes."""

import os
from pathlib import Path

import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError
from tests.data.laid_out import HAM, write_table


def test_missing_and_doubled_rows_are_counted_and_named(ham, reporter):
    (ham / "part_0" / "ISIC_2.jpg").unlink()
    (ham / "part_1" / "ISIC_3.jpg").unlink()
    assert len(find_image_set(ham, reporter=reporter).entries) == 4
    assert any("2 of 6 rows of HAM10000_metadata.csv name no image below the folder and are left out: ISIC_2, ISIC_3"
               in line for line in reporter.warnings)  # fmt: skip
    rows = [("L", f"ISIC_{i}", "nv", "", 1, "", "") for i in (0, 1, 0, 4)]
    write_table(ham / "HAM10000_metadata.csv", HAM, rows)
    assert len(find_image_set(ham).entries) == 3  # two rows that agree are one
    rows[0] = ("L", "ISIC_0", "mel", "", 1, "", "")
    write_table(ham / "HAM10000_metadata.csv", HAM, rows)
    with pytest.raises(InputError, match=r"1 images have two rows that differ, such as part_0/ISIC_0\.jpg"):
        find_image_set(ham)


def test_a_name_that_fits_two_files_is_not_guessed(ham, save_image):
    save_image(ham / "resized" / "ISIC_0.png")
    with pytest.raises(InputError, match=r"1 of 6 rows name an image that exists several times: ISIC_0 \("):
        find_image_set(ham)


def test_images_without_a_row_are_told(ham, save_image, reporter):
    save_image(ham / "part_0" / "more.jpg")
    assert len(find_image_set(ham, reporter=reporter).entries) == 6
    assert any("1 images have no row" in line for line in reporter.warnings)


@pytest.mark.parametrize(
    "name",
    ["../outside.png", "a/../../outside.png", "/etc/passwd", "..\\outside.png", "x/../a.png", "a\0.png"],
)
def test_names_that_lead_out_of_the_set(tmp_path, save_image, name):
    save_image(tmp_path / "outside.png")
    save_image(tmp_path / "set" / "a.png")
    if "\0" in name:
        (tmp_path / "set" / "t.csv").write_bytes(b"file_name,label\na.png,x\na\0.png,y\n")
    else:
        write_table(tmp_path / "set" / "t.csv", ("file_name", "label"), [("a.png", "x"), (name, "y")])
    found = find_image_set(tmp_path / "set", metadata="t.csv")
    assert [e.name for e in found.entries] == ["a.png"]
    assert [reason for _, reason in found.skipped] == ["its name leads out of the set"]


def test_an_absolute_name_inside_the_set_is_found(tmp_path, save_image):
    path = save_image(tmp_path / "set" / "a.png")
    table = write_table(tmp_path / "set" / "t.csv", ("file_name", "label"), [(path, "x")])
    assert find_image_set(tmp_path / "set", metadata=table).entries[0].name == "a.png"


@pytest.mark.parametrize("has_table", [False, True])
def test_images_that_are_all_links_are_the_reason_given(save_image, tmp_path, has_table):
    root = tmp_path / "set"
    root.mkdir()
    (root / "a.png").symlink_to(save_image(tmp_path / "elsewhere.png"))
    table = root / "t.csv"
    table.write_text("image,label\na.png,nv\n")
    with pytest.raises(
        InputError, match=r"1 that may not be read \(a.png: a symbolic link out of the set\)"
    ) as caught:
        find_image_set(root, metadata=table) if has_table else find_image_set(root)
    assert caught.value.hint.startswith("copy the images into the folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_links_pipes_and_odd_names_are_named_and_skipped(folders, save_image, tmp_path):
    root = folders(nv=2, mel=2)
    outside = save_image(tmp_path / "secret.png")
    (root / "nv" / "out.png").symlink_to(outside)
    (root / "nv" / "inside.png").symlink_to(root / "nv" / "nv_000.png")
    (root / "nv" / "dangling.png").symlink_to(tmp_path / "absent")
    (root / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    save_image(tmp_path / "elsewhere" / "x.png")
    (root / "nv" / "loop").symlink_to(root, target_is_directory=True)
    os.mkfifo(root / "nv" / "pipe.png")
    (root / "nv" / "zero.png").symlink_to("/dev/zero")
    Path(os.fsdecode(os.fsencode(root / "nv") + b"/\xff.png")).write_bytes(b"")
    (root / "nv" / "folder.png").mkdir()
    found = find_image_set(root)
    assert [e.name for e in found.entries] == [
        "mel/mel_000.png", "mel/mel_001.png", "nv/inside.png", "nv/nv_000.png", "nv/nv_001.png",
    ]  # fmt: skip
    assert dict(found.skipped) == {
        "nv/out.png": "a symbolic link out of the set",
        "nv/dangling.png": "a symbolic link to nothing",
        "linked": "a symbolic link out of the set, to a folder",
        "nv/loop": "a symbolic link to a folder",
        "nv/pipe.png": "not a regular file",
        "nv/zero.png": "a symbolic link out of the set",
        os.fsdecode(b"nv/\xff.png"): "its name is not UTF-8",
    }


def test_a_table_is_not_taken_from_elsewhere_by_a_link(folders, tmp_path):
    root = folders(nv=2, mel=2)
    outside = write_table(tmp_path / "secret.csv", ("file_name", "label", "patient_id"), [("x", "y", "z")])
    (root / "metadata.csv").symlink_to(outside)
    assert find_image_set(root).kind == "class-folders"
    with pytest.raises(InputError, match="1 of 1 rows name no image"):
        find_image_set(root, metadata=root / "metadata.csv")  # named, it is followed


def test_a_linked_root_is_fine(folders, tmp_path):
    (tmp_path / "link").symlink_to(folders(a=1, b=1), target_is_directory=True)
    found = find_image_set(tmp_path / "link")
    assert len(found.entries) == 2
    assert found.skipped == ()
