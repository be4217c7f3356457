"""`drai inspect`, on a data set and on one image."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from drai_cli import __version__
from drai_cli.io.raster import write_png
from drai_cli.output.marks import synthetic_marks


@pytest.fixture
def lesions(tmp_path):
    """Two classes of 8 images; one image stands in both, and one file is no image."""
    random = np.random.default_rng(0)
    for label in ("mel", "nv"):
        (tmp_path / "lesions" / label).mkdir(parents=True)
        for index in range(8):
            pixels = random.integers(0, 256, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "lesions" / label / f"{index}.png")
    mel, nv = tmp_path / "lesions/mel", tmp_path / "lesions/nv"
    (nv / "same.png").write_bytes((mel / "0.png").read_bytes())
    (mel / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return tmp_path / "lesions"


def test_an_image_of_a_model_says_so(drai, tmp_path):
    made = synthetic_marks("ab12", label="mel\nnv", index="3")
    write_png(tmp_path / "made.png", np.zeros((4, 4, 3), np.uint8), made)
    Image.new("RGB", (4, 4)).save(tmp_path / "real.png")
    shown = drai("inspect", tmp_path / "made.png").stdout.splitlines()
    line = next(line for line in shown if line.startswith("synthetic"))
    assert (
        line.split(maxsplit=1)[1] == rf"tool drai {__version__}, weights_sha256 ab12, label mel\nnv, index 3"
    )
    assert json.loads(drai("inspect", tmp_path / "made.png", "--json").stdout)["marks"] == made
    assert "synthetic" not in drai("inspect", tmp_path / "real.png").stdout


def test_a_data_set(drai, lesions):
    result = drai("inspect", lesions, "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert (shown["kind"], shown["count"], shown["classes"]) == ("class-folders", 17, {"mel": 8, "nv": 9})
    assert shown["sizes"] == {"24×20": 17}
    assert shown["duplicates"] == [["mel/0.png", "nv/same.png"]]
    assert shown["contradictions"] == shown["duplicates"]
    assert [name for name, _ in shown["unreadable"]] == ["mel/broken.png"]


def test_the_page_for_people(drai, lesions):
    result = drai("inspect", lesions)
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("mel", "nv"))] == [["mel", "8"], ["nv", "9"]]
    assert "  mel/0.png = nv/same.png  (labels differ)" in lines
    assert any(line.startswith("  mel/broken.png: ") for line in lines)
    assert "decoding: 18 of 18 images" in result.stderr
    assert "decoding" not in drai("inspect", lesions, "-q").stderr


def test_one_image(drai, tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    shown = json.loads(drai("inspect", tmp_path / "a.png", "--json").stdout)
    expected = {"kind": "png", "shape": [2, 3], "dtype": "uint8", "min": 0, "max": 5, "unit": ""}
    assert {key: shown[key] for key in expected} == expected
    assert shown["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert shown["spacing_mm"] is None
    assert shown["orientation"] is None
    assert "2 × 3" in drai("inspect", tmp_path / "a.png").stdout


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.png", None),
        ("empty.png", b""),
        ("text.png", b"hello"),
        (
            "bomb.png",
            b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0))
            + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
            + png_chunk(b"IEND", b""),
        ),
    ],
)
def test_an_image_that_cannot_be_used_is_exit_3(drai, tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = drai("inspect", path)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"drai: error: {path}")
    assert "Traceback" not in result.stderr


def test_options_of_a_set_do_not_go_with_an_image(drai, tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    assert drai("inspect", tmp_path / "a.png", "--label", "dx").exit_code == 2


def test_a_wrong_kind_names_the_nearest(drai, lesions):
    result = drai("inspect", lesions, "--kind", "class-folder")
    assert result.exit_code == 2
    assert "did you mean class-folders?" in result.stderr


def test_groups_in_names(drai, tmp_path):
    for patient in range(12):
        (tmp_path / "set" / "ab"[patient % 2]).mkdir(parents=True, exist_ok=True)
        for image in range(2):
            grey = Image.new("L", (8, 8), 20 * patient + image)
            grey.save(tmp_path / "set" / "ab"[patient % 2] / f"LIDC-{patient:04}_{image}.png")
    plain = drai("inspect", tmp_path / "set")
    assert r"add --group-pattern 'LIDC-\d+'" in plain.stderr
    grouped = drai("inspect", tmp_path / "set", "--group-pattern", r"LIDC-\d+")
    assert r"12 of file name (LIDC-\d+), at most 2 images each" in grouped.stdout
    assert "add --group-pattern" not in grouped.stderr


def test_what_train_would_make_of_it(drai, tmp_path):
    """Split, what is on both sides, cropping and the command to train, as `train --dry-run` and `train` have them."""
    random = np.random.default_rng(0)
    root = tmp_path / "lesions"
    rows = ["file_name,label,patient_id"]
    for index in range(40):
        label = "mel" if index % 2 else "nv"
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (20, 40, 3), np.uint8)).save(root / label / f"{index}.png")
        rows.append(f"{label}/{index}.png,{label},p{index // 2}")
    (root / "metadata.csv").write_text("\n".join(rows))
    figure = tmp_path / "set.png"
    result = drai("inspect", root, "--label", "label", "--figure", figure, "--json")
    assert result.exit_code == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["split"] == "by group"
    assert shown["groups_across"] == [0, []]
    assert sum(shown["parts"].values()) == 40
    assert sum(shown["part_groups"].values()) == 20
    assert shown["cropped"] == [0.5, 0.5]
    assert shown["window"] == "levels as stored"
    assert shown["train"] == f"drai train --data {root} --label label"
    with Image.open(figure) as picture:
        assert picture.width > 8 * 96
    trained = drai(*shown["train"].split()[1:], "--kimg", 1, "--size", 16, "--dry-run")
    assert trained.exit_code == 0, trained.stderr
    text = drai("inspect", root).stdout
    assert "cuts away 50% of an image" in text
    assert "by group: train" in text
    again = drai("inspect", root, "--figure", figure)
    assert again.exit_code != 0
    assert "the file exists" in again.stderr


def test_a_split_of_its_own_that_tears_patients_apart_is_shown(drai, tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    rows = ["file_name,label,patient_id,split"]
    for index in range(12):
        Image.fromarray(np.full((8, 8), 20 * index, np.uint8)).save(root / f"{index}.png")
        rows.append(f"{index}.png,{'ab'[index % 2]},p{index // 4},{('train', 'val', 'test')[index % 3]}")
    (root / "metadata.csv").write_text("\n".join(rows))
    result = drai("inspect", root)
    assert result.exit_code == 0, result.stderr
    assert "3 groups (such as that of" in result.stdout
    assert "--split new" in result.stdout


def test_dicom_files_without_a_label_list_what_it_could_be(drai, tmp_path, make_dicom):
    for number in range(4):
        make_dicom(
            tmp_path / "scans" / f"p{number}" / "a.dcm", np.full((8, 8), number, np.uint16), uid=f"1.{number}",
            series=f"2.{number}",
            PatientID=f"Miller-{number}", Modality="MR", **({"BodyPartExamined": "KNEE"} if number else {}),
        )  # fmt: skip
    result = drai("inspect", tmp_path / "scans")
    assert result.exit_code == 0
    assert [line.split("  ", 1)[-1].strip() for line in result.stdout.splitlines()[1:]] == [
        "4 DICOM files of 4 patients",
        "MR (4)",
        "KNEE (3), (none) (1)",
    ]
    assert "--label" in result.stderr
    assert "Miller" not in result.output
    found = json.loads(drai("inspect", tmp_path / "scans", "--json").stdout)["found"]
    assert found["BodyPartExamined"] == {"KNEE": 3, "": 1}
    refused = drai("train", "--data", tmp_path / "scans", "--dry-run")
    assert refused.exit_code == 2
    assert "drai inspect lists" in refused.stderr
