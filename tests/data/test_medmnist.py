"""MedMNIST's npz layout, whole and hostile."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.prepared import prepare
from drai_cli.data.reading import read_all
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError
from drai_cli.progress import SILENT
from drai_cli.settings.data_options import DataOptions

RANDOM = np.random.default_rng(0)


def arrays(shape: tuple[int, ...] = (9, 7), dtype: type = np.uint8, **changes: object) -> dict[str, object]:
    out: dict[str, object] = {}
    for part, count in (("train", 6), ("val", 3), ("test", 4)):
        out[f"{part}_images"] = RANDOM.integers(0, 255, (count, *shape)).astype(dtype)
        out[f"{part}_labels"] = (np.arange(count) % 2)[:, None].astype(np.uint8)
    return {**out, **changes}


def save(path: Path, contents: dict[str, object], compress: bool = True) -> Path:
    (np.savez_compressed if compress else np.savez)(path, **contents)
    return path


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, ">u2"])
def test_its_own_split_is_kept(tmp_path, reporter, compress, dtype):
    contents = arrays((9, 7, 3), dtype)
    found = find_image_set(save(tmp_path / "m.npz", contents, compress), reporter=reporter)
    assert (found.kind, found.group, len(found.entries)) == ("medmnist", None, 13)
    assert [e.part for e in found.entries] == ["train"] * 6 + ["validation"] * 3 + ["test"] * 4
    assert found.entries[7].name == "val:1"
    assert found.entries[7].values == {"label": "1"}
    for reading in read_all(found, lambda image: image.array, task="", reporter=SILENT):
        part, index = reading.entry.name.split(":")
        np.testing.assert_array_equal(reading.result, contents[f"{part}_images"][int(index)])
        assert reading.result.dtype.isnative
    np.testing.assert_array_equal(found.read(found.entries[8]).array, contents["val_images"][2])


def test_a_folder_with_one_npz(tmp_path):
    save(tmp_path / "set.npz", arrays())
    assert find_image_set(tmp_path).kind == "medmnist"
    save(tmp_path / "other.npz", arrays())
    with pytest.raises(InputError, match=r"2 npz files lie there: other\.npz, set\.npz"):
        find_image_set(tmp_path)


def test_a_table_next_to_one_npz_is_of_its_rows(tmp_path):
    save(tmp_path / "set.npz", arrays())
    (tmp_path / "metadata.csv").write_text("file_name,label,seed,index\nset.npz/1_000000,1,0,0\n")
    assert find_image_set(tmp_path).kind == "medmnist"


def test_empty_parts_are_drawn_from_the_training_part(tmp_path, reporter):
    empty = {
        f"{part}_{what}": np.zeros((0, *shape), np.uint8)
        for part in ("val", "test")
        for what, shape in (("images", (16, 16)), ("labels", (1,)))
    }
    labels = (np.arange(40) % 2)[:, None]
    images = RANDOM.integers(0, 255, (40, 16, 16)).astype(np.uint8)
    contents = arrays(train_images=images, train_labels=labels, label_names=np.array(["mel", "nv"]), **empty)
    options = DataOptions(save(tmp_path / "m.npz", contents), size=16, cache_dir=tmp_path / "cache")
    prepared = prepare(options, seed=0, reporter=reporter)
    assert prepared.schema.labels == ("mel", "nv")
    assert {part: int((prepared.parts == part).sum()) for part in ("train", "validation", "test")} == {
        "train": 32, "validation": 4, "test": 4,
    }  # fmt: skip
    assert "the set's own split is kept" not in reporter.remarks
    assert any("no validation and no test part" in line for line in reporter.warnings)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (np.array(["a"]), "expected numbers from 0 to 0, one of label_names, got 1"),
        (np.array(["a", "a"]), "one twice"),
        (np.array([1, 2]), "expected words"),
    ],
)
def test_label_names_that_do_not_fit(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        find_image_set(save(tmp_path / "m.npz", arrays(label_names=names)))


def test_words_as_labels(tmp_path):
    labels = np.array(["ab", "c", "ab", "c", "c", "c"])
    found = find_image_set(save(tmp_path / "m.npz", arrays(train_labels=labels)))
    assert [e.values["label"] for e in found.entries[:3]] == ["ab", "c", "ab"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((6, 9, 9, 9), np.uint8)}, "train_images: expected uint8 or uint16"),
        ({"train_images": np.zeros((6, 9, 9), np.float32)}, r"got float32 \[6, 9, 9\]"),
        ({"train_images": np.zeros((6, 0, 9), np.uint8)}, "pixels an image"),
        ({"train_images": np.asfortranarray(np.zeros((6, 9, 7), np.uint8))}, "column by column"),
        ({"val_labels": np.zeros((3, 14), np.uint8)}, "val_labels: expected one label an image, got 14"),
        ({"val_labels": np.zeros((2, 1), np.uint8)}, "expected 3 labels, one an image, got 2"),
        ({"val_labels": np.zeros((3, 1))}, "expected whole numbers or words"),
        ({"val_labels": np.zeros((), np.uint8)}, "expected whole numbers or words"),
        ({"test_labels": np.array([object()] * 4)}, "holds Python objects, which are never loaded"),
        ({"test_images": np.array([{"a": 1}] * 4)}, "holds Python objects, which are never loaded"),
    ],
)
def test_other_arrays_are_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        find_image_set(save(tmp_path / "m.npz", arrays(**changes)))


def test_other_names_are_listed(tmp_path):
    with pytest.raises(InputError, match=r"none named train_images, .*test_labels") as caught:
        find_image_set(save(tmp_path / "m.npz", {"x": np.zeros(3)}))
    assert caught.value.hint == "it holds: x"


def member(shape: str, data: bytes, descr: str = "'|u1'") -> bytes:
    """An npy file whose header claims what it likes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (64 - (11 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "raw",
    [
        member("(1000000000, 28, 28)", b"\0" * 100),
        member("(-6, 9, 9)", b"\0" * 100),
        member("(10**9,)", b""),
        member("(6, 9, 9)", b"\0" * 100, "'|O'"),
        b"\x93NUMPY\x09\x00garbage",
        b"no npy at all",
        b"",
    ],
)
def test_claims_are_checked_before_memory_is_taken(tmp_path, raw):
    path = save(tmp_path / "m.npz", {k: v for k, v in arrays().items() if k != "train_images"})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", raw)
    with pytest.raises(InputError, match="train_images"):
        find_image_set(path)


def test_truncated_and_corrupt_files(tmp_path):
    whole = save(tmp_path / "m.npz", arrays((64, 64)), compress=False).read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "m.npz").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"m\.npz: expected an npz file"):
            find_image_set(tmp_path / "m.npz")
    place = whole.index(b"val_images.npy") + 300  # among the pixels: only the checksum tells
    (tmp_path / "m.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    found = find_image_set(tmp_path / "m.npz")
    with pytest.raises(InputError, match=r"val_images: is broken \(Bad CRC"):
        list(read_all(found, lambda image: None, task="", reporter=SILENT))


def test_a_pickle_is_never_loaded(tmp_path):
    class Boom:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Boom()] * 6), allow_pickle=True)
    path = save(tmp_path / "m.npz", {k: v for k, v in arrays().items() if k != "train_images"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", buffer.getvalue())
    with pytest.raises(InputError, match="never loaded"):
        find_image_set(path)
    assert not (tmp_path / "ran").exists()


def write_findings(path, *, names=None, none=None, rows=None):
    """An npz with three findings an image, as ChestMNIST has them."""
    arrays = {}
    for part, count in (("train", 4), ("val", 2), ("test", 2)):
        arrays[f"{part}_images"] = np.zeros((count, 6, 6), np.uint8)
        arrays[f"{part}_labels"] = (
            np.arange(count * 3).reshape(count, 3) % 2 if rows is None else rows[:count]
        )
    if names is not None:
        arrays["label_names"] = np.array(names)
    if none is not None:
        arrays["none_name"] = np.array([none])
    np.savez(path, **arrays)


def test_rows_of_0_and_1_are_sets_of_findings(tmp_path, reporter):
    write_findings(tmp_path / "m.npz", names=["edema", "mass", "hernia"], none="healthy")
    found = find_image_set(tmp_path / "m.npz", reporter=reporter)
    assert found.findings is not None
    assert (found.findings.names, found.findings.none) == (("edema", "mass", "hernia"), "healthy")
    assert [entry.values["label"] for entry in found.entries][:4] == ["mass", "edema|hernia"] * 2
    assert any("set of 3 findings" in line for line in reporter.remarks)


def test_findings_without_names_are_numbered_and_chestmnist_is_known(tmp_path):
    write_findings(tmp_path / "m.npz")
    assert find_image_set(tmp_path / "m.npz").findings.names == ("finding 0", "finding 1", "finding 2")
    arrays = {}
    for part in ("train", "val", "test"):
        arrays |= {
            f"{part}_images": np.zeros((2, 6, 6), np.uint8),
            f"{part}_labels": np.eye(2, 14, dtype=np.uint8),
        }
    np.savez(tmp_path / "chestmnist_64.npz", **arrays)
    assert find_image_set(tmp_path / "chestmnist_64.npz").entries[1].values["label"] == "cardiomegaly"


def test_numbers_that_are_no_findings_are_refused(tmp_path):
    write_findings(tmp_path / "m.npz", rows=np.full((4, 3), 2))
    with pytest.raises(InputError, match="expected 0 and 1 in row 0, got 2"):
        find_image_set(tmp_path / "m.npz")
    write_findings(tmp_path / "n.npz", names=["a", "b"])
    with pytest.raises(InputError, match="a column for each of 2 findings"):
        find_image_set(tmp_path / "n.npz")


def test_a_small_file_of_many_images_is_refused_at_once(tmp_path):
    arrays = {}
    for part, count in (("train", 100_001), ("val", 0), ("test", 0)):
        arrays |= {
            f"{part}_images": np.zeros((count, 1, 1), np.uint8),
            f"{part}_labels": np.zeros(count, np.uint8),
        }
    np.savez_compressed(tmp_path / "m.npz", **arrays)
    with pytest.raises(InputError, match=r"at most 100000 images of a file of \d+ bytes, got 100001"):
        find_image_set(tmp_path / "m.npz")
    np.savez(tmp_path / "stored.npz", **arrays, more=np.zeros(1_700_000, np.uint8))
    assert len(find_image_set(tmp_path / "stored.npz").entries) == 100_001
