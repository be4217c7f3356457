"""Labels as file names: safe, reversible, distinct."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import pytest

from drai_cli.output.names import folder_names, safe_name, safe_stems

LABELS = [
    "mel", "a/b", "..", ".", ".hidden", "end.", "a b", " a", "a ", "1.5", "50%", "%41", "CON", "nul.png",
    "metadata.csv",
    "manifest.json", "naïve", "肺", "a\\b", 'q"*?<>|:', "line\nend", "e\u0301", "x/../../y",
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_labels_come_back(label):
    name = safe_name(label)
    assert unquote(name) == label
    assert not set(name) & set('/\\:*?"<>|\n\0')
    assert name not in (".", "..")
    assert name == name.strip(" .")


def test_reserved_names_are_changed():
    for label in ("CON", "nul.png", "metadata.csv", "manifest-1-of-2.json"):
        assert safe_name(label) != label
    assert safe_name("mel") == "mel"


def test_labels_that_differ_in_case_stay_apart():
    names = folder_names(["Mel", "mel", "MEL", "nv", "a/F", "a/f"])
    assert len({name.casefold() for name in names.values()}) == 6
    assert names["nv"] == "nv"
    assert all(unquote(name) == label for label, name in names.items())


def test_labels_that_some_file_systems_take_for_one_stay_apart():
    labels = ["caf\u00e9", "cafe\u0301", "CAF\u00c9", "\u1e9b\u0323", "\u017f\u0323\u0307"]
    names = folder_names(labels)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names.values()}) == len(labels)
    assert all(unquote(name) == label for label, name in names.items())


def test_stems():
    assert safe_stems(["a.png", "b.tar.gz"]) == ["a", "b.tar"]
    assert safe_stems(["a.png", "A.jpg"]) == ["a-1", "A-2"]
    assert len(safe_stems(["x" * 300 + ".png"])[0]) == 80
