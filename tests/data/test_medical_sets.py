"""Sets of DICOM files and NIfTI volumes."""

from __future__ import annotations

from collections import Counter

import nibabel
import numpy as np
import pytest

from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.data.volumes import choose_slices, cut
from drai_cli.errors import InputError, UsageError
from drai_cli.io.nifti.format import NIFTI
from drai_cli.io.nifti.read import measure_nifti
from drai_cli.io.read import read_stack
from drai_cli.settings.data_options import DataOptions
from tests.support.levels import values_of

CT = "1.2.840.10008.5.1.4.1.1.2"
RANDOM = np.random.default_rng(0)


@pytest.fixture
def dicom_tree(tmp_path, make_dicom):
    """12 patients with 2 CT images each, of two body parts; one report and one file that is broken."""

    def make(**elements):
        for patient in range(12):
            for index in range(2):
                make_dicom(
                    tmp_path / "scans" / f"p{patient}" / f"IM{index}.dcm",
                    RANDOM.integers(0, 2000, (16, 20), np.uint16),
                    sop_class=CT, bits=12, uid=f"1.{patient}.{index}", series=f"1.{patient}",
                    **{
                        "RescaleSlope": 1, "RescaleIntercept": -1024, "PatientID": f"Miller-{patient}",
                        "BodyPartExamined": "CHEST" if patient % 2 else "HEAD", "PatientAge": "045Y", **elements,
                    },
                )  # fmt: skip
        make_dicom(
            tmp_path / "scans" / "report.dcm",
            np.zeros((2, 2), np.uint16),
            sop_class="1.2.840.10008.5.1.4.1.1.88.11",
        )
        return tmp_path / "scans"

    return make


def test_labels_from_an_attribute_and_groups_by_patient(dicom_tree, reporter):
    found = find_image_set(
        dicom_tree(), label="BodyPartExamined", conditions=["PatientAge"], reporter=reporter
    )
    assert (found.kind, found.group, len(found.entries)) == ("dicom", "PatientID", 24)
    assert Counter(entry.values["BodyPartExamined"] for entry in found.entries) == {"HEAD": 12, "CHEST": 12}
    assert {entry.values["PatientAge"] for entry in found.entries} == {"45"}
    groups = Counter(entry.group for entry in found.entries)
    assert set(groups.values()) == {2}
    assert not any("Miller" in group for group in groups)
    assert reporter.warnings == [
        "1 DICOM files are left out: expected an image, got a structured report (SR)",
    ]


def test_one_window_for_all_ct(dicom_tree):
    prepared = prepare(DataOptions(dicom_tree(), label="BodyPartExamined", size=16), seed=0)
    assert prepared.images.dtype == np.uint16
    intensity = prepared.intensity
    assert (intensity.unit, intensity.low, intensity.high, intensity.dtype) == ("HU", -1000, 1000, "uint16")
    values = values_of(intensity, prepared.images[:, :, :, 0])
    assert values.min() >= -1000
    again = prepare(DataOptions(dicom_tree(), label="BodyPartExamined", size=16, window="40,400"), seed=0)
    assert (again.intensity.low, again.intensity.high) == (-160, 239)
    assert again.cache_key != prepared.cache_key


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("file", lambda p, i: f"p{p}/IM{i}.dcm"),
        ("file", lambda p, i: f"p{p}/IM{i}"),
        ("uid", lambda p, i: f"1.{p}.{i}"),
        ("series", lambda p, i: f"1.{p}"),
        ("patient", lambda p, i: f"Miller-{p}"),
    ],
)
def test_labels_from_a_table(dicom_tree, tmp_path, column, key):
    lines = {f"{key(p, i)},{'ab'[p % 2]},{p}" for p in range(12) for i in range(2) if p < 10}
    (tmp_path / "t.csv").write_text(f"{column},verdict,score\n" + "\n".join(sorted(lines)) + "\n")
    found = find_image_set(dicom_tree(), metadata=tmp_path / "t.csv", label="verdict", conditions=["score"])
    assert (len(found.entries), found.group) == (20, "PatientID")
    assert all(entry.values["verdict"] == "ab"[int(entry.values["score"]) % 2] for entry in found.entries)


def test_rows_that_contradict(dicom_tree, tmp_path):
    (tmp_path / "t.csv").write_text("patient,verdict\nMiller-1,a\nMiller-1,b\n")
    with pytest.raises(InputError, match="two rows that differ, such as p1/IM0"):
        find_image_set(dicom_tree(), metadata=tmp_path / "t.csv", label="verdict")


def test_what_the_label_is_has_to_be_said(dicom_tree):
    root = dicom_tree()
    with pytest.raises(
        UsageError, match="expected what the label of these DICOM files is, got none"
    ) as caught:
        find_image_set(root)
    assert "--label BodyPartExamined" in caught.value.hint
    with pytest.raises(UsageError, match="no such DICOM keyword"):
        find_image_set(root, label="BodyPart")
    with pytest.raises(UsageError, match="does not apply to a data set of kind dicom"):
        find_image_set(root, label="BodyPartExamined", axis="axial")


def test_frames_are_images(tmp_path, make_dicom):
    for index in range(6):
        make_dicom(
            tmp_path / f"{index}.dcm", RANDOM.integers(0, 255, (3, 8, 8), np.uint8), uid=f"1.{index}",
            PatientID=f"p{index}", BodyPartExamined="AB"[index % 2],
        )  # fmt: skip
    prepared = prepare(DataOptions(tmp_path, label="BodyPartExamined", size=16), seed=0)
    assert len(prepared.images) == 18
    assert prepared.entries[1].name == "0.dcm#1"
    assert prepared.intensity is None


@pytest.fixture
def volumes(tmp_path):
    root = tmp_path / "volumes"
    for index in range(8):
        array = RANDOM.integers(0, 1000, (6, 7, 5)).astype(np.int16)
        array[..., 0] = 0
        (root / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        nibabel.Nifti1Image(array, np.eye(4)).to_filename(root / "ab"[index % 2] / f"{index}.nii.gz")
    return root


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 40),
        ({"slices": "central"}, 8),
        ({"slices": "nonempty"}, 32),
        ({"slices": "2"}, 8),
        ({"axis": "coronal"}, 56),
        ({"axis": "sagittal"}, 48),
    ],
)
def test_slices(volumes, options, count):
    found = find_image_set(volumes, **options)
    assert (found.kind, found.group, len(found.entries)) == ("nifti", "file", count)
    assert len({entry.group for entry in found.entries}) == 8
    sizes = {"coronal": (5, 6), "sagittal": (5, 7)}
    assert found.read(found.entries[0]).array.shape == sizes.get(options.get("axis"), (7, 6))


@pytest.mark.parametrize("code", ["RAS", "PIR", "SRP"])
def test_slices_are_counted_as_they_are_cut(tmp_path, code):
    turned = nibabel.Nifti1Image(
        RANDOM.integers(0, 9, (4, 5, 6, 2)).astype(np.int16), np.eye(4)
    ).as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(code)
        )
    )
    turned.to_filename(tmp_path / "v.nii.gz")
    assert measure_nifti(tmp_path / "v.nii.gz", NIFTI).extents == (2, 6, 5, 4)
    for axis, count in {"axial": 6, "coronal": 5, "sagittal": 4}.items():
        assert choose_slices(tmp_path, "v.nii.gz", axis, "all") == list(range(2 * count))
        assert choose_slices(tmp_path, "v.nii.gz", axis, "1") == [1, 1 + count]
        assert len(cut(read_stack(tmp_path / "v.nii.gz"), axis).array) == 2 * count


def test_dicom_in_class_folders(tmp_path, make_dicom):
    for index in range(6):
        make_dicom(tmp_path / "ab"[index % 2] / "deep" / f"{index}.dcm", np.full((4, 4), index, np.uint8))
    found = find_image_set(tmp_path, label="folder")
    assert (found.kind, found.label, found.group) == ("dicom", "folder", "PatientID")
    assert Counter(entry.values["folder"] for entry in found.entries) == {"a": 3, "b": 3}


def test_volumes_never_straddle_a_split(volumes):
    prepared = prepare(DataOptions(volumes, size=16, window="500,1000"), seed=0)
    by_group = {}
    for entry, part in zip(prepared.entries, prepared.parts, strict=True):
        assert by_group.setdefault(entry.group, part) == part
    assert (prepared.intensity.low, prepared.intensity.high) == (0, 999)


def test_coronal_has_the_head_on_top(tmp_path):
    array = np.zeros((4, 5, 6), np.uint8)
    array[3, 0, 5] = 200  # right, back, head: RAS indices grow to the right, front and head
    for label in "ab":
        (tmp_path / label).mkdir()
        nibabel.Nifti1Image(array, np.eye(4)).to_filename(tmp_path / label / "v.nii")
    found = find_image_set(tmp_path, axis="coronal", window="full")
    back = found.read(found.entries[4]).array  # the last slice towards the back
    assert np.argwhere(back).tolist() == [[0, 0]]  # on top, and right of the patient on the left
    found = find_image_set(tmp_path, axis="sagittal", window="full")
    right = found.read(found.entries[0]).array
    assert np.argwhere(right).tolist() == [[0, 4]]


def test_volumes_with_a_table(volumes, tmp_path):
    (tmp_path / "t.csv").write_text("volume,verdict\n" + "".join(f"{i},{'xy'[i // 4]}\n" for i in range(8)))
    found = find_image_set(volumes, metadata=tmp_path / "t.csv", label="verdict", slices="central")
    assert Counter(entry.values["verdict"] for entry in found.entries) == {"x": 4, "y": 4}


def test_mixtures_are_not_guessed(volumes, make_dicom):
    make_dicom(volumes / "a" / "x.dcm", np.zeros((4, 4), np.uint8))
    with pytest.raises(InputError, match="1 dicom and 8 nifti files lie there") as caught:
        find_image_set(volumes)
    assert caught.value.hint == "choose one kind with --kind dicom or --kind nifti"
    assert find_image_set(volumes, kind="nifti").kind == "nifti"


def test_options_of_other_kinds_are_refused(folders, volumes):
    with pytest.raises(UsageError, match="--axis axial: does not apply to a data set of kind class-folders"):
        find_image_set(folders(a=1, b=1), axis="axial")
    with pytest.raises(UsageError, match="--hu-offset -1024: does not apply to a data set of kind nifti"):
        find_image_set(volumes, hu_offset=-1024)


def test_one_patient_for_all_files_is_no_group(tmp_path, make_dicom, reporter):
    """Anonymised exports give every file the same patient: then each study is a group."""
    root = tmp_path / "anonymous"
    for index in range(12):
        make_dicom(
            root / "ab"[index % 2] / f"{index}.dcm", np.full((16, 16), index, np.uint8), uid=f"1.2.{index}",
            PatientID="ANON", StudyInstanceUID=f"1.9.{index // 2}",
        )  # fmt: skip
    found = find_image_set(root, label="folder", reporter=reporter)
    assert found.group == "StudyInstanceUID"
    assert len({entry.group for entry in found.entries}) == 6
    assert any("grouped by StudyInstanceUID (6 studies)" in line for line in reporter.warnings)
    assert find_image_set(root, label="folder", group="PatientID").group == "PatientID"
    reporter.warnings.clear()
    find_image_set(root, label="folder", group_pattern=r"\d", reporter=reporter)
    assert not any("StudyInstanceUID" in line for line in reporter.warnings)
    with pytest.raises(UsageError, match="--split-column split: there is no table"):
        find_image_set(root, label="folder", split_column="split")


def test_a_table_of_volumes_groups_and_splits(volumes, tmp_path, reporter):
    names = sorted(path.relative_to(volumes).as_posix() for path in volumes.rglob("*.nii*"))
    rows = [
        (name, "ab"[i % 2], f"p{i // 2}", ("train", "val", "test")[i % 3]) for i, name in enumerate(names)
    ]
    table = tmp_path / "t.csv"
    lines = ["file,dx,patient_id,split", *(",".join(row) for row in rows)]
    table.write_text("\n".join(lines) + "\n")
    found = find_image_set(volumes, metadata=table, label="dx", slices="central", reporter=reporter)
    assert found.group == "patient_id"
    assert len({entry.group for entry in found.entries}) == len({row[2] for row in rows})
    assert {entry.part for entry in found.entries} == {"train", "validation", "test"}
