"""Sets as publishers and hospitals hand them out, rebuilt small: what they say holds, or is said not to."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data.sources import find_image_set
from drai_cli.data.split_plan import plan_split
from drai_cli.errors import UsageError
from tests.data.laid_out import groups_of, labels_of, lay_out_names, parts_of, write


@pytest.fixture
def make(tmp_path):
    return partial(lay_out_names, tmp_path / "set")


IMAGES = tuple(f"im/{i:03}.png" for i in range(12))
ROWS = [(f"{i:03}.png", "ab"[i % 2]) for i in range(12)]


# Folders


@pytest.mark.parametrize(
    ("names", "classes", "parts"),
    [
        # COCO, IDRiD, a set whose test folder is called otherwise
        (["train2017/a/1.png", "val2017/b/2.png"], {"a", "b"}, {"train", "validation"}),
        (["a. Training Set/a/1.png", "b. Testing Set/b/2.png"], {"a", "b"}, {"train", "test"}),
        (["train/a/1.png", "dev/a/1.png", "holdout/b/1.png"], {"a", "b"}, {"train", "validation", "test"}),
        # part and class in one name, and each part in a folder of its own name (RFMiD)
        (
            [f"{part}_{name}/1.png" for part in ("train", "test") for name in "ab"],
            {"a", "b"},
            {"train", "test"},
        ),
        (["Training_Set/Training/a/1.png", "Test_Set/Test/b/2.png"], {"a", "b"}, {"train", "test"}),
        # Intel's scenes: the third folder has no labels
        (["s_train/a/1.png", "s_test/b/1.png", "s_pred/1.png"], {"a", "b"}, {"train", "test"}),
        # classes that only look like something else
        (["Acne Photos/1.png", "Eczema Photos/2.png"], {"Acne Photos", "Eczema Photos"}, {None}),
        (["positive test/1.png", "negative test/2.png"], {"positive test", "negative test"}, {None}),
        (["case/1.png", "control/2.png"], {"case", "control"}, {None}),
        (["stage1/1.png", "stage2/2.png"], {"stage1", "stage2"}, {None}),
    ],
)
def test_folders(make, names, classes, parts):
    found = find_image_set(make(*names))
    assert set(labels_of(found).values()) == classes
    assert set(parts_of(found).values()) == parts


@pytest.mark.parametrize("aside", ["pred", "Test cases", "unlabelled"])
def test_a_folder_beside_classes_that_is_none_is_set_aside(make, reporter, aside):
    found = find_image_set(make("yes/1.png", "no/2.png", "maybe/3.png", f"{aside}/4.png"), reporter=reporter)
    assert set(labels_of(found).values()) == {"yes", "no", "maybe"}
    assert any(f"folder {aside!r} beside the class folders" in line for line in reporter.warnings)


def test_two_levels_that_may_both_be_classes_are_asked_about(make):
    root = make(
        *(f"{site}/{name}/{site}.png" for site in ("ORIGA", "REFUGE") for name in ("Glaucoma", "Normal"))
    )
    with pytest.raises(UsageError, match="got the same folders") as caught:
        find_image_set(root)
    assert "--label subfolder" in caught.value.hint
    assert set(labels_of(find_image_set(root, label="subfolder")).values()) == {"Glaucoma", "Normal"}
    assert set(labels_of(find_image_set(root, label="folder")).values()) == {"ORIGA", "REFUGE"}


def test_classes_below_classes_are_said(make, reporter):
    root = make("lung/lung_n/1.png", "lung/lung_scc/2.png", "colon/colon_n/3.png", "colon/colon_aca/4.png")
    assert set(labels_of(find_image_set(root, reporter=reporter)).values()) == {"lung", "colon"}
    assert any(
        "hold further folders (colon_aca, colon_n, lung_n, lung_scc)" in line for line in reporter.warnings
    )
    assert len(set(labels_of(find_image_set(root, label="subfolder")).values())) == 4


@pytest.mark.parametrize(
    ("image", "made"),
    [
        ("a/1.jpg", "a/1_superpixels.png"),
        ("a/1.jpg", "a/1_overlay.png"),
        ("a/1.jpg", "a/thumbs/1.jpg"),
        ("T/a/1.jpg", "Annotation-T/Disc_Cup_Masks/a/1.bmp"),
    ],
)
def test_what_is_made_of_images_is_none(make, reporter, image, made):
    found = find_image_set(make(image, image.replace("a/1", "b/1"), made), reporter=reporter)
    assert len(found.entries) == 2
    assert any("1 files are masks or label maps, overlays or thumbnails" in line for line in reporter.remarks)


def test_changed_copies_are_warned_of(make, reporter):
    find_image_set(make("a/1.png", "a/1_aug_2.png", "b/1.png"), reporter=reporter)
    assert any("images are called augmented" in line for line in reporter.warnings)


def test_folds_are_warned_of(make, reporter):
    names = [f"fold{fold}/{name}/{fold}{name}.png" for fold in "123" for name in "ab"]
    assert set(labels_of(find_image_set(make(*names), reporter=reporter)).values()) == {"a", "b"}
    assert any("folders fold1 to fold3 look like folds" in line for line in reporter.warnings)


# Splits


def test_files_that_name_their_part(make, reporter):
    found = find_image_set(make(*(f"{c}/{part}_{c}1.png" for c in "ab" for part in ("train", "test"))))
    assert set(parts_of(found).values()) == {"train", "test"}


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        (
            {"train_patients.txt": "P0\nP1\nP2\n", "test_patients.txt": "P3\nP4\nP5\n"},
            {"train": 6, "test": 6},
        ),
        ({"split.json": '{"train": ["000", "001"], "test": ["002"]}'}, {"train": 2, "test": 1}),
        (
            {"Data-split/x/trainCT.txt": "000.png\n", "Data-split/x/testCT.txt": "001.png\n"},
            {"train": 1, "test": 1},
        ),
    ],
)
def test_lists_make_a_split(make, files, counts):
    root = make(*IMAGES)
    write(
        root / "t.csv", [("image", "label", "patient"), *((*row, f"P{i // 2}") for i, row in enumerate(ROWS))]
    )
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert Counter(parts_of(find_image_set(root)).values()) == counts


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({f"splits/fold{k}_{p}.txt": "000\n" for k in "01" for p in ("train", "test")}, "cross-validation"),
        ({"train_idx.txt": "0\n1\n", "test_idx.txt": "2\n3\n"}, "name none of the set's files"),
    ],
)
def test_lists_that_make_no_split_are_said(make, reporter, files, said):
    root = make(*IMAGES)
    write(root / "t.csv", [("image", "label", "case_num"), *((*row, i) for i, row in enumerate(ROWS))])
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert set(parts_of(find_image_set(root, reporter=reporter)).values()) == {None}
    assert any(said in line for line in reporter.warnings)


def test_a_class_of_another_spelling_in_the_test_part_stops(make):
    root = make(*(f"{part}/{i}.png" for part in ("train", "test") for i in range(6)))
    rows = [(f"train/{i}", "ab"[i % 2], "train") for i in range(6)] + [
        (f"test/{i}", i % 2, "test") for i in range(6)
    ]
    write(root / "t.csv", [("image", "label", "split"), *rows])
    assert "classes without a training image: 0 (3), 1 (3)" in plan_split(find_image_set(root)).problem


# Labels


def test_labels_in_several_spellings_are_one(make, reporter):
    root = make(*IMAGES)
    words = ["Benign", "benign ", "BENIGN", "basal cell", "basal_cell", "basal\xa0cell"]
    write(root / "t.csv", [("image", "label"), *((row[0], words[i % 6]) for i, row in enumerate(ROWS))])
    assert set(labels_of(find_image_set(root, reporter=reporter)).values()) == {"benign", "basal cell"}
    assert any("differ in spelling alone are taken as one" in line for line in reporter.warnings)


def test_numbers_in_several_spellings_are_one(make):
    root = make(*IMAGES)
    write(
        root / "t.csv",
        [("image", "label"), *((row[0], ("0", "1", "0.0", "1.0")[i % 4]) for i, row in enumerate(ROWS))],
    )
    assert len(set(labels_of(find_image_set(root)).values())) == 2


def test_labels_of_one_letter_keep_their_case(make):
    root = make(*IMAGES)
    write(root / "t.csv", [("image", "label"), *((row[0], "Tt"[i % 2]) for i, row in enumerate(ROWS))])
    assert set(labels_of(find_image_set(root)).values()) == {"T", "t"}


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (("-1", "1"), {"-1", "1"}),  # CelebA
        (("-1", "0", "1"), {"0", "1"}),  # CheXpert
        (("a", "b", "?", "#N/A"), {"a", "b"}),
    ],
)
def test_words_for_missing_values(make, words, classes):
    root = make(*IMAGES)
    write(
        root / "t.csv", [("image", "label"), *((row[0], words[i % len(words)]) for i, row in enumerate(ROWS))]
    )
    assert set(labels_of(find_image_set(root)).values()) == classes


def test_crosses_in_columns_are_one_hot(make):
    root = make(*IMAGES)
    rows = [(row[0], "x" * (i % 2), "X" * (1 - i % 2)) for i, row in enumerate(ROWS)]
    write(root / "t.csv", [("image", "Nevus", "Melanoma"), *rows])
    assert set(labels_of(find_image_set(root)).values()) == {"Nevus", "Melanoma"}


def test_folders_of_patients_beside_a_table_are_no_labels(make):
    names = [f"P{i}x/{k}.png" for i in "abcd" for k in "12"]
    root = make(*names)
    write(root / "t.csv", [("Patient ID", "Grade"), *((f"P{i}x", i in "ab") for i in "abcd")])
    with pytest.raises(UsageError, match="each folder is of one patient") as caught:
        find_image_set(root)
    assert "--label: Grade (2 values)" in caught.value.hint


# Groups


@pytest.mark.parametrize(
    "column", ["MRN", "pid", "Patientennummer", "id_paciente", "Patient_index", "WSI", "exam id"]
)
def test_columns_that_group(make, column):
    root = make(*(f"im/{i}.png" for i in range(30)))
    write(
        root / "t.csv",
        [("image", "label", column), *((f"{i}.png", "ab"[i % 2], 70 + i // 2) for i in range(30))],
    )
    found = find_image_set(root)
    assert found.group == column
    assert len(groups_of(found)) == 15


@pytest.mark.parametrize("spellings", [("P07", "p07 "), ("7", "007"), ("12", "12.0"), ("P 1", "p1")])
def test_a_patient_in_two_spellings_is_one(make, spellings):
    root = make(*IMAGES)
    rows = [(*row, spellings[i % 2] if i < 2 else f"X{i // 2}") for i, row in enumerate(ROWS)]
    write(root / "t.csv", [("image", "label", "patient_id"), *rows])
    assert len(groups_of(find_image_set(root))) == 6


def test_a_word_in_all_rows_groups_nothing(make):
    root = make(*IMAGES)
    write(root / "t.csv", [("image", "label", "patient_id"), *((*row, "removed") for row in ROWS)])
    assert find_image_set(root).group is None


def test_patients_named_in_their_first_row_alone_are_warned_of(make, reporter):
    root = make(*IMAGES)
    write(
        root / "t.csv",
        [("image", "label", "patient"), *((*row, "" if i % 3 else f"P{i}") for i, row in enumerate(ROWS))],
    )
    find_image_set(root, reporter=reporter)
    assert any(
        "column 'patient' is blank in 8 of 12 rows and never repeats" in line for line in reporter.warnings
    )


def test_patients_in_folders_are_wider_than_studies(tmp_path, make_dicom):
    """Every file is anonymous and of a study of its own; the folder is the patient, by a table or by its name."""
    for p in range(12):
        for k in range(2):
            path = tmp_path / f"{'ab'[p % 2]}/Patient {p}/{k}.dcm"
            make_dicom(
                path,
                np.full((4, 4), k, np.uint8),
                uid=f"1.{p}.{k}",
                StudyInstanceUID=f"2.{p}.{k}",
                PatientID="x",
            )
    found = find_image_set(tmp_path, label="folder")
    assert [len(one) for one in groups_of(found)] == [2] * 12
    write(tmp_path / "t.csv", [("Pseudonym", "verdict"), *((f"Patient {p}", p % 2) for p in range(12))])
    found = find_image_set(tmp_path, label="verdict")
    assert [len(one) for one in groups_of(found)] == [2] * 12


def test_a_table_of_pairs_links_images(make, reporter):
    root = make(*IMAGES)
    write(root / "t.csv", [("image", "label"), *ROWS])
    write(root / "duplicates.csv", [("first", "second"), ("000.png", "002.png"), ("001.png", "003.png")])
    found = find_image_set(root, reporter=reporter)
    assert groups_of(found)[:2] == [["im/000.png", "im/002.png"], ["im/001.png", "im/003.png"]]
    assert len(found.entries) == 12


@pytest.mark.parametrize(
    "names",
    [
        ["a/{i}_left.jpg", "a/{i}_right.jpg"],
        ["a/1{i}L.jpg", "a/1{i}R.jpg"],
        ["a/RET0{i}OD.jpg", "a/RET0{i}OS.jpg"],
        ["a/bus_00{i}-l.png", "a/bus_00{i}-r.png"],
        ["a/CNV-{i}-1.jpeg", "a/CNV-{i}-2.jpeg"],
        ["a/0000{i:02}_01_01/109.png", "a/0000{i:02}_02_01/019.png"],
        ["a/102{i}_idx5_x051_y1251_class0.png", "a/102{i}_idx5_x101_y1201_class0.png"],
        ["a/Patient ({i})/1.png", "a/Patient ({i})/2.png"],
        ["a/BraTS20_Training_00{i}_flair.png", "a/BraTS20_Training_00{i}_t1ce.png"],
        ["a/IXI1{i}-HH-1211-T1.png", "a/IXI1{i}-HH-1211-T2.png"],
        ["a/TCGA_CS_49{i:02}_19960909_1.tif", "a/TCGA_CS_49{i:02}_19960909_2.tif"],
    ],
)
def test_names_of_known_layouts_group(make, names):
    made = [name.format(i=i) for i in range(10, 14) for name in names]
    found = find_image_set(make(*made, *(name.replace("a/", "b/", 1) + ".png" for name in ("a/x1", "a/x2"))))
    assert [one for one in groups_of(found) if len(one) > 1] == [
        sorted(made[k : k + 2]) for k in range(0, 8, 2)
    ]


# Files


def test_frames_of_animated_png(tmp_path, save_image):
    frames = [PillowImage.fromarray(np.full((8, 8), value, np.uint8)) for value in (0, 90, 180)]
    (tmp_path / "a").mkdir()
    frames[0].save(tmp_path / "a" / "1.png", save_all=True, append_images=frames[1:])
    save_image(tmp_path / "b" / "2.png", 1, (8, 8))
    found = find_image_set(tmp_path)
    assert [entry.name for entry in found.entries] == ["a/1.png#0", "a/1.png#1", "a/1.png#2", "b/2.png"]
    assert [int(found.read(entry).array.max()) for entry in found.entries[:3]] == [0, 90, 180]
