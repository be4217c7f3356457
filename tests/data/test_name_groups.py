"""Groups read off the names of images: what a pattern finds, and what is pointed out without one."""

import csv
import itertools
import signal

import numpy as np
import pytest

from drai_cli.data import name_groups
from drai_cli.data.name_groups import find_likely_groups
from drai_cli.data.prepared import prepare
from drai_cli.data.sources import find_image_set
from drai_cli.data.split import write_split
from drai_cli.errors import UsageError
from drai_cli.settings.data_options import DataOptions

LIDC = r"LIDC-\d+"


@pytest.fixture
def nodules(tmp_path, save_image):
    """Sixty patients in two class folders, one to three images each, some of one patient in both."""
    root, seed = tmp_path / "nodules", 0
    for patient in range(60):
        for image in range(1 + patient % 3):
            label = ("benign", "malignant")[(patient + (image == 2)) % 2]
            save_image(root / label / f"LIDC-{patient:04}_n{image}.png", seed := seed + 1, (8, 8))
    return root


def groups_of(found):
    return {entry.name: entry.group for entry in found.entries}


def test_a_pattern_keeps_patients_of_class_folders_together(nodules, reporter):
    data = prepare(DataOptions(nodules, size=8, group_pattern=LIDC), seed=0, reporter=reporter)
    parts = {
        (entry.name[entry.name.index("LIDC") :][:9], part)
        for entry, part in zip(data.entries, data.parts, strict=True)
    }
    assert len(parts) == 60
    assert (data.summary["groups"], data.summary["groups_across"]) == (60, 0)
    assert any(r"split by file name (LIDC-\d+): train" in line for line in reporter.remarks)
    assert reporter.warnings == []


def test_without_one_the_split_says_so_and_the_warning_names_the_option(nodules, reporter):
    data = prepare(DataOptions(nodules, size=8), seed=0, reporter=reporter)
    assert any(line.startswith("split image by image: train") for line in reporter.remarks)
    (warning,) = reporter.warnings
    assert "100 of 120 files share a patient" in warning
    assert "60 groups" in warning
    assert warning.endswith(rf"add --group-pattern '{LIDC}'")
    assert data.summary["split"] == "image by image"


def test_patients_across_a_split_that_is_given_are_counted(nodules, tmp_path, reporter):
    old = prepare(DataOptions(nodules, size=8), seed=0)
    write_split(tmp_path / "split.csv", old.entries, old.parts)
    options = DataOptions(nodules, size=8, group_pattern=LIDC)
    data = prepare(options, seed=0, split_file=tmp_path / "split.csv", reporter=reporter)
    assert data.summary["groups_across"] > 0
    assert any(f"{data.summary['groups_across']} of 60 groups" in line for line in reporter.warnings)
    assert any(line.startswith("split as given: train") for line in reporter.remarks)


def test_a_capture_group_is_the_group_and_what_does_not_match_is_one_by_itself(nodules, save_image, reporter):
    save_image(nodules / "benign" / "phantom.png", 999)
    found = find_image_set(nodules, group_pattern=r"/LIDC-0*(\d+)_", reporter=reporter)
    groups = groups_of(found)
    assert groups["benign/LIDC-0002_n0.png"] == groups["benign/LIDC-0002_n1.png"]
    assert groups["benign/LIDC-0002_n0.png"] == groups["malignant/LIDC-0002_n2.png"]
    assert groups["benign/phantom.png"] == "benign/phantom.png"
    assert len(set(groups.values())) == 61
    assert any("finds nothing in 1 of 121 names, such as benign/phantom.png" in w for w in reporter.warnings)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("LIDC-(", "is no regular expression"),
        ("lidc", "matches none of 120 names"),
        (r"\d*?", "matches none of 120 names"),
        (r".*", "gives each of 120 files a group of its own"),
        ("LIDC", "puts all images into one group"),
    ],
)
def test_patterns_that_tell_nothing_are_one_clear_error(nodules, pattern, message):
    with pytest.raises(UsageError, match=message) as caught:
        find_image_set(nodules, group_pattern=pattern)
    assert caught.value.subject == f"--group-pattern {pattern}"
    assert caught.value.hint


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarms on this system")
def test_a_search_without_end_is_ended(nodules, save_image, monkeypatch):
    save_image(nodules / "benign" / f"{'a' * 60}!.png")
    monkeypatch.setattr(name_groups, "_SEARCH_S", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(UsageError, match=r"still being searched for after 0\.2 s"):
        find_image_set(nodules, group_pattern=r"(a+)+\?")
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_table_takes_a_pattern_in_place_of_its_columns(tmp_path, save_image, reporter):
    root = tmp_path / "set"
    rows = [("file_name", "label", "lesion_id")]
    for index in range(6):
        save_image(root / f"p{index // 3}_{index}.png", index)
        rows.append((f"p{index // 3}_{index}.png", ("a", "b")[index % 2], f"l{index}"))
    with open(root / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = find_image_set(root, group_pattern=r"p\d", reporter=reporter)
    assert len(set(groups_of(found).values())) == 2
    assert not any("lesion_id" in line for line in reporter.remarks)
    with pytest.raises(UsageError, match="contradicts --group"):
        find_image_set(root, group="lesion_id", group_pattern=r"p\d")


def test_npz_files_have_no_names(tmp_path):
    arrays = {
        f"{part}_{what}": np.zeros((2, 8, 8) if what == "images" else (2, 1), np.uint8)
        for part, what in itertools.product(("train", "val", "test"), ("images", "labels"))
    }
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UsageError, match="does not apply to a data set of kind medmnist"):
        find_image_set(tmp_path / "x.npz", group_pattern="x")


def numbered(template: str, groups: int = 40, of_each: int = 3) -> list[str]:
    return [template.format(a=a, b=b, n=a * of_each + b) for a in range(groups) for b in range(of_each)]


@pytest.mark.parametrize(
    ("template", "pattern", "count"),
    [
        ("x/LIDC-{a:04}_n{b}.png", r"LIDC-\d+", 40),
        ("group1/p{a}-scan{b}.png", r"(?:^|/)([A-Za-z]+[-_ ]?\d+)[-_ ][^/]*$", 40),
        ("x/{a:05}_{b}.png", r"([^/]+)[-_ ][^-_ /]+$", 40),
        ("sub-{a:02}_ses-{b}_T1w.nii.gz", r"sub-\d+", 40),
        ("x/study_2021_case{a}_{b}.png", r"([^/]+)[-_ ][^-_ /]+$", 40),
    ],
)
def test_names_that_share_a_patient(template, pattern, count):
    likely = find_likely_groups(numbered(template))
    assert likely is not None
    assert (likely.pattern, likely.count, likely.images) == (pattern, count, 120)


@pytest.mark.parametrize(
    "names",
    [
        numbered("mel/mel_{n:06}.png"),
        [name for label in ("mel", "nv") for name in numbered(label + "/{n:04}_x.png", 40, 1)],
        [name for label in ("mel", "nv") for name in numbered(label + "/img_{n:04}.png", 40, 1)],
        numbered("nv/ISIC_{n:07}.jpg"),
        numbered("nv/ISIC_2019_{n:07}.jpg"),
        [
            f"x/{text[:8]}-{text[8:12]}-{text[12:]}.png"
            for text in (np.random.default_rng(i).bytes(16).hex() for i in range(200))
        ],
        [*numbered("nv/ISIC_2019_{n:07}.jpg"), *numbered("x/p{a}_{b}.png", 15, 1)],
        numbered("x/{n}.png"),
        numbered("x/p{a}_{b}.png", 6, 3),
        numbered("x/1.2.840.{n}.dcm"),
        # Kinds of cells, not patients.
        [f"x/{a}{b}_{n:06}.png" for a in "ABCD" for b in "XYZ" for n in range(40)],
    ],
)
def test_names_that_say_nothing_of_patients(names):
    assert find_likely_groups(names) is None


def test_a_sets_own_split_is_only_warned_of_where_patients_are_torn_apart(tmp_path, save_image, reporter):
    patients = {"train": range(12), "val": range(12, 18), "test": range(18, 24)}
    for part, numbers in patients.items():
        for patient, image in itertools.product(numbers, range(2)):
            folder = tmp_path / "set" / part / "ab"[patient % 2]
            save_image(folder / f"p{patient}_{image}.png", patient * 2 + image)
    options = DataOptions(tmp_path / "set", size=8)
    prepare(options, seed=0, reporter=reporter)
    assert reporter.warnings == []
    assert any(line.startswith("split as given: train 24") for line in reporter.remarks)
    save_image(tmp_path / "set" / "test" / "a" / "p0_2.png", 99)
    prepare(options, seed=0, reporter=reporter)
    assert any("--group-pattern" in line for line in reporter.warnings)


def test_a_word_that_begins_all_names_of_a_folder_is_its_class():
    names = [
        f"{folder}/{word} ({n}).png"
        for folder, word in (("COVID", "Covid"), ("no", "Non-Covid"))
        for n in range(20)
    ]
    assert find_likely_groups(names) is None
    persons = [f"PNEUMONIA/person{n}_virus_{k}.jpeg" for n in range(12) for k in range(2)]
    likely = find_likely_groups([*persons, *(f"NORMAL/IM-{n:04}-0001.jpeg" for n in range(24))])
    assert likely is not None
    assert likely.example.startswith("PNEUMONIA/person")
    assert likely.count == 36
    numbered = [
        f"{folder}/covid-19_{n}.png" for folder in ("Train/COVID-19", "Test/COVID-19") for n in range(9)
    ]
    assert find_likely_groups([*numbered, *(f"Train/Normal/x{n}.png" for n in range(30))]) is None
