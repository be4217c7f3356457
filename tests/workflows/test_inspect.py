"""What `drai inspect` says."""

import hashlib
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data.overview import SetReport
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.data_options import SourceOptions
from drai_cli.workflows.inspect import ImageReport, inspect

RANDOM = np.random.default_rng(0)


def save(path: Path, shape: tuple[int, ...] = (6, 8, 3)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = RANDOM.integers(0, 256, shape, np.uint8)
    PillowImage.fromarray(array).save(path)
    return array


@pytest.mark.parametrize("shape", [(6, 8, 3), (6, 8), (6, 8, 4)])
def test_one_image(tmp_path, shape):
    array = save(tmp_path / "a.png", shape)
    report = inspect(tmp_path / "a.png")
    assert isinstance(report, ImageReport)
    out = json.loads(json.dumps(report.to_json()))
    assert out == {
        "path": str(tmp_path / "a.png"),
        "kind": "png",
        "shape": list(shape),
        "dtype": "uint8",
        "bits": 8,
        "min": int(array.min()),
        "max": int(array.max()),
        "spacing_mm": None,
        "orientation": None,
        "unit": "",
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        "marks": {},
    }


def test_every_frame_is_decoded(tmp_path):
    frames = RANDOM.integers(0, 65536, (3, 4, 5), np.uint16)
    pictures = [PillowImage.fromarray(frame) for frame in frames]
    pictures[0].save(tmp_path / "a.tif", save_all=True, append_images=pictures[1:])
    report = inspect(tmp_path / "a.tif")
    assert isinstance(report, ImageReport)
    assert (report.shape, report.dtype, report.bits) == ((3, 4, 5), "uint16", 16)
    assert report.sha256 == hashlib.sha256(frames.tobytes()).hexdigest()


def test_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "a.png").write_text("")
    with pytest.raises(InputError, match=r"a\.png"):
        inspect(tmp_path / "a.png")
    save(tmp_path / "b.png")
    with pytest.raises(UsageError, match="options of data sets do not apply to a single image"):
        inspect(tmp_path / "b.png", SourceOptions(label="dx"))


def test_a_set(tmp_path):
    root = tmp_path / "set"
    for index in range(3):
        save(root / "nv" / f"{index}.png")
    save(root / "mel" / "grey.png", (5, 5))
    save(root / "mel" / "alpha.png", (6, 8, 4))
    (root / "mel" / "same.png").write_bytes((root / "nv" / "0.png").read_bytes())
    (root / "nv" / "again.png").write_bytes((root / "nv" / "1.png").read_bytes())
    (root / "nv" / "broken.png").write_bytes(b"\x89PNG")
    (root / "nv" / "out.png").symlink_to("/etc/passwd")
    report = inspect(root)
    assert isinstance(report, SetReport)
    out = json.loads(json.dumps(report.to_json()))
    unreadable, across = out.pop("unreadable"), out.pop("duplicates_across")
    assert [names in report.to_json()["duplicates"] for names in map(tuple, across)] == [True] * len(across)
    assert out.pop("cropped") == pytest.approx([(6 * 0.25 + 0) / 7, 0.25])
    assert out == {
        "path": str(root),
        "kind": "class-folders",
        "count": 7,
        "label": "label",
        "classes": {"mel": 3, "nv": 4},
        "split": "image by image",
        "parts": {"train": 3, "validation": 2, "test": 2},
        "part_groups": {"train": 3, "validation": 2, "test": 2},
        "groups_across": [0, []],
        "problem": "",
        "window": "levels as stored",
        "notes": [],
        "train": f"drai train --data {root}",
        "group": None,
        "groups": 7,
        "largest_group": 1,
        "sizes": {"8×6": 6, "5×5": 1},
        "channels": {"colour": 6, "grey": 1},
        "bits": {"8": 7},
        "duplicates": [["mel/same.png", "nv/0.png"], ["nv/1.png", "nv/again.png"]],
        "contradictions": [["mel/same.png", "nv/0.png"]],
        "altered": {"its transparent parts were blended over black": 1},
    }
    assert unreadable == [
        ["nv/out.png", "a symbolic link out of the set"],
        ["nv/broken.png", "expected a PNG image, got something else"],
    ]


def test_a_set_with_a_table(tmp_path):
    for index in range(4):
        save(tmp_path / f"{index}.png")
    rows = "".join(f"{index},{'ab'[index % 2]},p{index // 3}\n" for index in range(4))
    (tmp_path / "t.csv").write_text(f"id,verdict,patient_id\n{rows}")
    options = SourceOptions(metadata=tmp_path / "t.csv", image_column="id", label="verdict")
    report = inspect(tmp_path, options)
    assert isinstance(report, SetReport)
    assert (report.kind, report.group, report.groups, report.largest_group) == ("csv", "patient_id", 2, 3)
    assert report.classes == {"a": 2, "b": 2}


def test_a_set_with_its_own_split(tmp_path):
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = RANDOM.integers(0, 256, (3, 4, 4), np.uint8)
        arrays[f"{part}_labels"] = np.array([[0], [1], [0]], np.uint8)
    np.savez(tmp_path / "m.npz", **arrays)
    report = inspect(tmp_path / "m.npz")
    assert isinstance(report, SetReport)
    assert report.parts == {"train": 3, "validation": 3, "test": 3}
    assert report.classes == {"0": 6, "1": 3}


def test_a_dicom_series_and_a_nifti_volume(tmp_path, make_dicom, place):
    volume = RANDOM.integers(-500, 500, (3, 4, 5)).astype(np.int16)
    for index, plane in enumerate(volume):
        make_dicom(
            tmp_path / "ct" / str(index), plane, uid=f"1.{index}", sop_class="1.2.840.10008.5.1.4.1.1.2",
            RescaleSlope=1, RescaleIntercept=0, **place((0, 0, 2 * index)),
        )  # fmt: skip
    expected = {
        "kind": "dicom", "shape": [3, 4, 5], "dtype": "int16", "bits": 16, "min": int(volume.min()),
        "max": int(volume.max()), "spacing_mm": [2.0, 0.5, 0.25], "orientation": "LPS", "unit": "HU",
        "sha256": hashlib.sha256(volume.astype("<i2").tobytes()).hexdigest(), "marks": {},
    }  # fmt: skip
    out = json.loads(json.dumps(inspect(tmp_path / "ct").to_json()))
    assert out == {"path": str(tmp_path / "ct"), **expected}
    one = inspect(tmp_path / "ct" / "1")
    assert (one.shape, one.sha256) == ((4, 5), hashlib.sha256(volume[1].tobytes()).hexdigest())

    affine = np.diag([0.25, 0.5, 2.0, 1.0])
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0)[::-1, ::-1], affine)
    image.to_filename(tmp_path / "ct.nii.gz")
    out = json.loads(json.dumps(inspect(tmp_path / "ct.nii.gz").to_json()))
    assert out == {"path": str(tmp_path / "ct.nii.gz"), **expected, "kind": "nifti", "unit": ""}
    four = nibabel.Nifti1Image(np.zeros((3, 4, 5, 2), np.uint8), affine)
    four.to_filename(tmp_path / "four.nii")
    assert inspect(tmp_path / "four.nii").shape == (2, 5, 4, 3)
