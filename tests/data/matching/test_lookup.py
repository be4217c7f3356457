"""Which file a cell means."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from drai_cli.data.image_set import FILE
from drai_cli.data.items import Item
from drai_cli.data.matching.lookup import BEGINNING, IN_FOLDER, NUMBER, Lookup

ROOT = Path("/sets/one")


def lookup(*names: str) -> Lookup:
    return Lookup([Item(name) for name in names], ROOT)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("train/p1/v.jpg", ["train/p1/v.jpg"]),
        ("/home/me/data/CheXpert/train/p1/v.jpg", ["train/p1/v.jpg"]),
        ("CheXpert-v1.0-small/train/p2/v.jpg", ["train/p2/v.jpg"]),
        ("C:\\data\\train\\p2\\v.jpg", ["train/p2/v.jpg"]),
        ("/sets/one/train/p1/v.jpg", ["train/p1/v.jpg"]),
        ("./other/B.JPG", ["other/b.jpg"]),
        ("b", ["other/b.jpg"]),
        ("elsewhere/b.jpg", ["other/b.jpg"]),  # the only b.jpg
        ("test/p1/v.jpg", []),  # another part of the split is another image
        ("v.jpg", ["train/p1/v.jpg", "train/p2/v.jpg"]),
        ("../one/train/p1/v.jpg", []),
        ("train/../train/p1/v.jpg", []),
        ("b.png", ["other/b.jpg"]),
        ("b.jp", []),
        ("", []),
        ("/", []),
    ],
)
def test_paths(written, found):
    assert lookup("train/p1/v.jpg", "train/p2/v.jpg", "other/b.jpg").find(written) == found


def test_forms_and_case_count_only_where_several_fit():
    composed, bare = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    assert lookup(f"{bare}.png").find(f"{composed}.PNG") == [f"{bare}.png"]
    both = lookup("a/IM.png", "b/im.png")
    assert both.find("im.png") == ["b/im.png"]
    assert both.find("IM") == ["a/IM.png"]
    assert both.find("Im") == ["a/IM.png", "b/im.png"]
    assert lookup("x/1.jpg", "y/1.png").find("1.png") == ["y/1.png"]


def test_folders_and_beginnings():
    files = ("sub-01/ses-1/a.nii", "sub-01/ses-2/a.nii", "sub-02/a.nii")
    bids = lookup(*files)
    assert bids.find_by(IN_FOLDER, "sub-01") == list(files[:2])
    assert bids.find_by(IN_FOLDER, "01") == list(files[:2])
    assert bids.find_by(IN_FOLDER, "data/sub-01/ses-2") == [files[1]]
    assert bids.find_by(IN_FOLDER, "sub-1") == []
    flat = lookup("la_000_0000.nii.gz", "la_000_0001.nii.gz", "la_001_0000.nii.gz")
    assert len(flat.find_by(BEGINNING, "la_000")) == 2
    assert flat.find_by(BEGINNING, "la_00") == []


def test_headers():
    found = Lookup([Item("a.dcm", values={"PatientID": "p", "AccessionNumber": "7"}), Item("b.dcm")], ROOT)
    assert found.keys == (FILE, "AccessionNumber", "PatientID", IN_FOLDER, BEGINNING, NUMBER)
    assert found.find_by("AccessionNumber", "7") == ["a.dcm"]


def test_numbers_without_their_zeros():
    found = Lookup([Item("a/007.png"), Item("a/120000.png"), Item("b/x7.png")], ROOT)
    for written in ("7", "07", "7.0", "7,00"):
        assert found.find_by(NUMBER, written) == ["a/007.png"]
    assert found.find_by(NUMBER, "1.2E+05") == ["a/120000.png"]
    assert found.find_by(NUMBER, "7.5") == found.find_by(NUMBER, "x7") == found.find_by(NUMBER, "8") == []


def test_the_end_of_a_url_is_a_name():
    assert Lookup([Item("a/1.png")], ROOT).find("https://x.org/data/1.png?size=large#top") == ["a/1.png"]
