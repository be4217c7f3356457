"""Models, images, reports and exports contain no data of a patient, a folder, the machine or its user.

All names in the data set and of the machine contain a mark. Every command is run, and every byte that it wrote is
searched for marks, compressed files too. Two kinds of files name inputs by design: the records of the training data in
a run directory (`config.json`, `split.csv`), which is not shared, and the outputs for single images (swaps, walks,
conversions, codes), which have the inputs' file names without folders.
"""

from __future__ import annotations

import csv
import getpass
import gzip
import json
import platform
import socket
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

PATIENT = {
    "PatientName": "QXNAME^Erika", "PatientID": "QXID-4711", "PatientBirthDate": "19010203",
    "PatientAddress": "QXSTREET 1",
    "OtherPatientIDs": "QXOTHER", "InstitutionName": "QXCLINIC", "ReferringPhysicianName": "QXDOCTOR^Who",
    "AccessionNumber": "QXACCESS", "StudyDescription": "QXSTUDY",
    "SeriesDescription": "QXSERIES", "StationName": "QXSTATION",
    "OperatorsName": "QXOPERATOR", "DeviceSerialNumber": "QXSERIAL",
    "StudyDate": "19020304", "ImageComments": "QXCOMMENT",
}  # fmt: skip
UID = "1.2.826.0.1.3680043.8.424242"
OF_PATIENT = [word for text in (*PATIENT.values(), UID) for word in (text.split("^")[0].split(" ")[0],)]
FOLDER, FILE, USER, HOST, HOME = "QXFOLDER", "QXFILE", "QXUSER", "QXHOST", "QXHOME"
OF_MACHINE = [FOLDER, USER, HOST, HOME]
TINY = ("--size", "16", "--content-dim", "4", "--style-dim", "4", "--base-channels", "8", "--max-channels", "8",
        "--batch-size", "8", "--kimg", "0.04", "--precision", "fp32", "--device", "cpu")  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch, make_dicom):
    """A marked tree of DICOM files in a marked home on a marked machine."""
    home = tmp_path / HOME
    numbers = np.random.default_rng(0)
    for patient in range(16):
        for image in range(2):
            array = (numbers.normal(100, 30, (20, 20)) + 400 * (patient % 2)).clip(0, 2000).astype(np.uint16)
            more = {**PATIENT, "PatientID": f"{PATIENT['PatientID']}-{patient}"}
            make_dicom(
                home / FOLDER / f"{FOLDER}{patient}" / f"{FILE}{patient}-{image}.dcm", array,
                uid=f"{UID}.{patient}.{image}", series=f"{UID}.{patient}", StudyInstanceUID=f"{UID}.9",
                FrameOfReferenceUID=f"{UID}.8", BodyPartExamined=("CHEST", "SKULL")[patient % 2], **more,
            )  # fmt: skip
    monkeypatch.setenv("HOME", str(home))
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, USER)
    monkeypatch.setenv("HOSTNAME", HOST)
    for module, name in ((socket, "gethostname"), (platform, "node"), (socket, "getfqdn")):
        monkeypatch.setattr(module, name, lambda *_: HOST)
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def run(drai, place):
    """Runs a command that must succeed, and checks that its output has no patient data."""

    def run(*arguments):
        result = drai(*arguments)
        assert result.exit_code == 0, result.output
        assert not [mark for mark in OF_PATIENT if mark in result.output]
        return result

    return run


@pytest.fixture
def trained(run, place):
    """A run directory, and two images."""
    run("train", "--data", place / FOLDER, "--label", "BodyPartExamined", *TINY, "--out", "out/run")
    return "out/run", sorted((place / FOLDER).glob("*/*.dcm"))[:2]


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and those of its compressed contents."""
    raw = path.read_bytes()
    yield raw
    yield raw.decode("latin-1").encode("utf-8")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                data = archive.read(name)
                yield data
                yield data.replace(b"\0\0\0", b"")  # numpy's text is UTF-32
    if raw.startswith(b"\x1f\x8b"):
        yield gzip.decompress(raw)
    if raw.startswith(b"\x89PNG"):
        position = 8
        while position < len(raw):
            length, kind = int.from_bytes(raw[position : position + 4]), raw[position + 4 : position + 8]
            data = raw[position + 8 : position + 8 + length]
            if kind in (b"zTXt", b"iTXt"):
                for start in (data.find(b"\x78\x9c"), data.find(b"\x78\xda")):
                    if start >= 0:
                        yield zlib.decompressobj().decompress(data[start:])
            position += 12 + length


def marked(out: Path, marks: list[str], but: tuple[str, ...] = ()) -> list[str]:
    """The files under a folder with a mark in their contents or name."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    assert files
    found = []
    for path in files:
        name = path.relative_to(out).as_posix()
        found += [f"{name} is called so: {mark}" for mark in marks if mark in name]
        if not name.endswith(but or ("\0",)):
            texts = list(contents(path))
            found += [f"{name}: {mark}" for mark in marks if any(mark.encode() in text for text in texts)]
    return found


def test_the_search_finds_marks_in_packed_files(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", name=np.array(["QXFILE7"]))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(b"descrip QXNAME"))
    (tmp_path / "c.txt").write_text("nothing")
    assert marked(tmp_path, ["QXFILE", "QXNAME"]) == ["a.npz: QXFILE", "b.nii.gz: QXNAME"]


def test_every_mark_is_in_what_is_read(place):
    found = {line.rpartition(": ")[2] for line in marked(place, [*OF_PATIENT, FOLDER, FILE])}
    assert found == {*OF_PATIENT, FOLDER, FILE}
    assert HOME in str(place)


@pytest.mark.filterwarnings("ignore")
def test_models_and_samples(run, trained, tmp_path):
    model, images = trained
    shown = run("inspect", tmp_path / HOME / FOLDER, "--label", "BodyPartExamined", "--json").stdout
    assert json.loads(shown)
    for format in ("png", "dicom", "nifti", "npz", "webdataset"):
        run(
            "sample",
            "--weights",
            model,
            "--per-class",
            1,
            "--format",
            format,
            "--device",
            "cpu",
            "--out",
            f"out/{format}",
        )
    run(
        "sample",
        "--weights",
        model,
        "--per-class",
        1,
        "--style-from",
        images[0],
        "--device",
        "cpu",
        "--out",
        "out/styled",
    )
    run("verify", "out/png", "--regenerate", 1, "--weights", model, "--device", "cpu")
    run("info", model, "--json")
    run("export", "--weights", model, "--to", "hub-folder", "--out", "out/folder")
    sent = run("push", model, "owner/name", "--dry-run", "--json").stdout
    assert not [mark for mark in OF_MACHINE if mark in sent]
    # The state keeps a copy of the settings, for a config.json that a power cut left damaged.
    by_design = ("run/config.json", "run/split.csv", "run/progress.html", "run/checkpoint/state.safetensors")
    assert marked(tmp_path / "out", [*OF_PATIENT, *OF_MACHINE, FILE], by_design) == []
    assert marked(tmp_path / "out" / "run", OF_PATIENT) == []


@pytest.mark.filterwarnings("ignore")
def test_what_is_made_of_images(run, trained, place, tmp_path):
    model, (a, b) = trained
    with_model = ("--weights", model, "--device", "cpu")
    Path("pairs.csv").write_text(f"content,style\n{a},{b}\n")
    for format in ("png", "tiff", "dicom", "nifti"):
        run("swap-style", a, b, "--format", format, *with_model, "--out", f"made/swap-{format}")
        run(
            "interpolate", a, b, "--steps", 2, "--format", format, *with_model, "--out", f"made/walk-{format}"
        )
        run("convert", a.parent, f"made/converted-{format}", "--format", format)
    run("swap-style", "--pairs", "pairs.csv", *with_model, "--out", "made/pairs")
    run("interpolate", a, b, "--steps", 2, *with_model, "--out", "made/strip.png")
    run("interpolate", a, b, "--steps", 2, *with_model, "--out", "made/walk.gif")
    other = sorted((place / FOLDER).iterdir())[3]
    run("encode", a, b, other, *with_model, "--out", "made/codes.npz")
    made = tmp_path / "made"
    assert marked(made, [*OF_PATIENT, *OF_MACHINE]) == []
    naming = {name.split(": ")[0] for name in marked(made, [FILE]) if "is called so" not in name}
    walks = {f"walk-{format}/metadata.csv" for format in ("png", "tiff", "dicom", "nifti")}
    assert naming == {"codes.npz", "pairs/metadata.csv", *walks}
    with open(made / "pairs" / "metadata.csv") as file:
        (row,) = csv.DictReader(file)
    assert (row["content"], row["style"]) == (a.name, b.name)
    with np.load(made / "codes.npz") as codes:
        assert codes["file_name"].tolist() == [a.name, b.name, *sorted(path.name for path in other.iterdir())]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_reports_and_exports(run, trained, place, tmp_path):
    model, _ = trained
    small = ("--samples", 4, "--pairs", 4, "--draws", 2, "--judge-images", 320, "--usefulness-images", 64,
             "--usefulness-seeds", 1, "--privacy-samples", 8, "--device", "cpu")  # fmt: skip
    run(
        "evaluate",
        "--data",
        place / FOLDER,
        "--label",
        "BodyPartExamined",
        "--weights",
        model,
        *small,
        "--out",
        "out/report",
    )
    (tmp_path / "out/exported").mkdir()
    for name, to in (("m.onnx", "onnx"), ("m.pt2", "torch-export")):
        run("export", "--weights", model, "--to", to, "--out", f"out/exported/{name}")
    by_design = ("run/config.json", "run/split.csv")
    assert marked(tmp_path / "out", [*OF_PATIENT, *OF_MACHINE, FILE], by_design) == []


def test_errors_name_what_was_typed_and_no_patient(drai, place, make_dicom):
    path = place / FOLDER / f"{FOLDER}0" / f"{FILE}0-0.dcm"
    raw, codes = path.read_bytes(), set()
    for broken in (raw[: len(raw) - 500], raw.replace(b"MONOCHROME2", b"QXMONOCHROM")):
        path.write_bytes(broken)
        for command in (("inspect", path), ("encode", path, "--out", "c.npz"), ("convert", path, "x.png")):
            result = drai(*command, "--overwrite") if "inspect" not in command else drai(*command)
            codes.add(result.exit_code)
            assert not [mark for mark in OF_PATIENT if mark in result.output]
            assert "QXMONO" not in result.output
    assert codes <= {0, 3}
    assert 3 in codes
