"""Sets at the edge: each goes through train, sample and verify, or is refused in words that say why."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.api import Drai
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import UsageError

TINY = ("--size", "16", "--content-dim", "4", "--style-dim", "4", "--base-channels", "8", "--max-channels", "8",
        "--batch-size", "4", "--kimg", "0.012", "--tick-kimg", "0.008", "--precision", "fp32",
        "--device", "cpu")  # fmt: skip


def noise(seed: int, shape: tuple[int, ...] = (16, 16)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(array).save(path)


def of_folders(
    root: Path, labels: list[str], count: int = 6, array: Callable[[int], np.ndarray] = noise
) -> None:
    for number, label in enumerate(labels):
        for index in range(count):
            save(root / label / f"{index}.png", array(number * count + index))


def broken_floats(seed: int) -> np.ndarray:
    """Values with a NaN and both infinities among them."""
    values = noise(seed).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    return values


def float_tiffs(root: Path) -> None:
    for number in range(12):
        save(root / "ab"[number % 2] / f"{number}.tif", broken_floats(number))


def nifti(root: Path, values: Callable[[int], np.ndarray] = broken_floats) -> None:
    for number in range(12):
        path = root / "ab"[number % 2] / f"{number}.nii"
        path.parent.mkdir(parents=True, exist_ok=True)
        volume = np.stack([values(number), values(number + 50)], 2).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)


def nothing_but_nan(root: Path) -> None:
    nifti(root, lambda _: np.full((16, 16), np.nan))


def table(root: Path, labels: list[str]) -> None:
    """A set whose labels stand in a table, so that they can be any text."""
    root.mkdir()
    with open(root / "metadata.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file_name", "label"))
        for number in range(6 * len(labels)):
            save(root / f"{number}.png", noise(number))
            rows.writerow((f"{number}.png", labels[number % len(labels)]))


def imbalanced(root: Path) -> None:
    of_folders(root, ["rare"], 1)
    of_folders(root, ["common"], 1000)


ODD = ["a b", "é ü", "😀", "x" * 200, "Mel", "mel", "-n", "a'b\"c", "..", "CON", "a%2Fb", "nv."]
MADE = "made"
SETS: dict[str, tuple[Callable[[Path], None], str]] = {
    "NaN and infinity in float TIFFs": (float_tiffs, "expected 8- or 16-bit samples, got float32"),
    "NaN and infinity in NIfTI": (nifti, MADE),
    "nothing but NaN": (nothing_but_nan, MADE),
    "one class": (lambda root: of_folders(root, ["a"]), "expected two classes or more, got one"),
    "one image a class": (lambda root: of_folders(root, [f"c{i}" for i in range(12)], 1), MADE),
    "all black": (lambda root: of_folders(root, ["a", "b"], array=lambda _: np.zeros((16, 16), np.uint8)), MADE),
    "all the same": (lambda root: of_folders(root, ["a", "b"], array=lambda _: noise(0)), MADE),
    "one to a thousand": (imbalanced, MADE),
    "labels of folders": (lambda root: of_folders(root, [name for name in ODD if name != ".."]), MADE),
    "labels of a table": (lambda root: table(root, [*ODD, "a/b", "/", "."]), MADE),
    "lines of pixels": (lambda root: of_folders(root, ["a", "b"], array=lambda s: noise(s, (1, 5000))), MADE),
    "columns of pixels": (lambda root: of_folders(root, ["a", "b"], array=lambda s: noise(s, (5000, 1, 3))), MADE),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SETS)
def test_a_set_works_or_says_why_not(drai, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make, expected = SETS[name]
    make(tmp_path / "set")
    said = through(drai, tmp_path / "set")
    assert said == MADE if expected == MADE else expected in said
    assert "Traceback" not in said


def through(drai, root: Path) -> str:
    """`made`, or what the first command said that would not."""
    labels = ("--label", "label") if (root / "metadata.csv").exists() else ()
    for command in (
        ("train", "--data", root, *labels, *TINY, "--out", "run"),
        ("sample", "--weights", "run", "--per-class", 2, "--device", "cpu", "--out", "out"),
        ("verify", "out", "--regenerate", 3, "--weights", "run", "--device", "cpu"),
    ):
        result = drai(*command)
        if result.exit_code:
            assert result.exit_code == 3
            return result.stderr
    with open("out/metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    trained = json.loads(drai("info", "run", "--json").stdout)["labels"]
    assert sorted({row["label"] for row in rows}) == sorted(trained)
    names = [row["file_name"] for row in rows]
    assert len({name.casefold() for name in names}) == 2 * len(trained)
    assert all(Path("out", name).resolve().is_relative_to(Path("out").resolve()) for name in names)
    return MADE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ten_thousand_classes(drai, tmp_path, monkeypatch):
    """Two images of each, as MedMNIST packs them: trained on and sampled from."""
    monkeypatch.chdir(tmp_path)
    labels, images = np.arange(20_000) % 10_000, noise(0, (20_000, 16, 16))
    parts = {"train": slice(None), "val": slice(0, 40), "test": slice(40, 80)}
    np.savez(
        tmp_path / "many.npz",
        **{f"{name}_images": images[rows] for name, rows in parts.items()},
        **{f"{name}_labels": labels[rows, None] for name, rows in parts.items()},
    )
    for command in (
        ("train", "--data", "many.npz", *TINY, "--out", "run"),
        ("sample", "--weights", "run", "-n", 8, "--device", "cpu", "--out", "out"),
        ("verify", "out"),
    ):
        result = drai(*command)
        assert result.exit_code == 0, result.output[-2000:]


def test_a_schema_of_ten_thousand_classes_is_encoded_and_told_apart():
    names = [f"class {number:05d}" for number in range(10_000)]
    rows = [{"label": name} for name in names] * 2
    schema = ConditionSchema.from_rows(rows, "label")
    encoded = schema.encode(rows)
    assert encoded.shape == (20_000, 10_001)
    assert (encoded.argmax(1) == np.tile(np.arange(10_000), 2)).all()
    assert (schema.label_indices(rows) == encoded.argmax(1)).all()
    assert encoded.sum() == 20_000


@pytest.mark.filterwarnings("ignore")
def test_images_of_what_is_no_number_are_looked_at_and_converted(drai, tmp_path):
    save(tmp_path / "a.tif", broken_floats(0))
    nifti(tmp_path / "set")
    for path in (tmp_path / "a.tif", tmp_path / "set" / "a" / "0.nii"):
        looked = drai("inspect", path, "--json")
        json.loads(looked.stdout, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
        assert looked.exit_code == 0
        for suffix in (".png", ".tif", ".dcm", ".nii.gz"):
            made = drai("convert", path, tmp_path / f"{path.stem}-made{suffix}")
            assert made.exit_code in (0, 3)
            assert "Traceback" not in made.output


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_codes_that_are_no_numbers_are_refused(tiny_model, value):
    model = Drai.from_pretrained(str(tiny_model), device="cpu")
    content, style = np.zeros((2, model.content_dim)), np.zeros((2, model.style_dim))
    style[1, 0] = value
    with pytest.raises(UsageError, match="finite codes"):
        model.generate(content, style)
