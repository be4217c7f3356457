"""The example scripts run, with small data generated here."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from tests.support.hub_server import serve

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
INDEX = (EXAMPLES / "README.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"\]\((\w+\.py)\)", INDEX.partition("How the models")[0])
TINY = ["--size", "16", "--kimg", "0.032", "--batch-size", "8"]


def run(place: Path, script: str, *arguments: object, code: int = 0, **environment: str) -> str:
    """Runs an example as a user does; returns its output."""
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    settings = {
        "PYTHONPATH": str(ROOT), "DRAI_CACHE": str(place / "cache"), "HF_HOME": str(place / "hf"),
        "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment,
    }  # fmt: skip
    done = subprocess.run(command, cwd=place, env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def make_pictures(folder: Path, n: int) -> Path:
    """Two classes of colour images, a bright spot left or right of the middle."""
    random = np.random.default_rng(0)
    for label, column in (("left", 4), ("right", 11)):
        (folder / label).mkdir(parents=True)
        for index in range(n):
            pixels = random.integers(0, 80, (16, 16, 3), np.uint8)
            pixels[6:10, column - 2 : column + 2] += np.uint8(150)
            Image.fromarray(pixels).save(folder / label / f"{label}_{index}.png")
    return folder


def is_needed(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"{library} is not installed")


def test_every_script_is_tested_and_every_file_is_in_the_index():
    own = Path(__file__).read_text(encoding="utf-8")
    assert len(SCRIPTS) == 7
    assert [script for script in SCRIPTS if f'"{script}"' not in own] == []
    files = {path.name for path in EXAMPLES.glob("*.*")} - {"README.md"}
    assert {name for name in files if f"({name})" not in INDEX} == set()


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_how_it_is_called(script, tmp_path):
    assert f"python examples/{script}" in run(tmp_path, script, "--help")


@pytest.mark.slow
def test_train_on_dicom_with_a_table(tmp_path, make_dicom):
    random = np.random.default_rng(0)
    rows = ["PatientID,diagnosis"]
    for patient in range(12):
        rows.append(f"patient-{patient},{'sick' if patient % 2 else 'well'}")
        for slice_ in range(3):
            make_dicom(
                tmp_path / f"scans/{patient}/{slice_}.dcm",
                random.integers(0, 200 + 3000 * (patient % 2), (16, 16)).astype(np.uint16),
                uid=f"1.2.3.{patient}.{slice_}",
                series=f"1.2.3.{patient}",
                PatientID=f"patient-{patient}",
            )
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    shown = run(
        tmp_path, "train_dicom.py", "scans", "labels.csv", "--label", "diagnosis", *TINY, "--out", "run"
    )
    assert "run: 32 images seen, ended by kimg" in shown
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("run-samples/*/*.dcm"))
    assert made[0] == "run-samples/sick/sick_000000.dcm"
    assert len(made) == 8
    split = (tmp_path / "run/split.csv").read_text()
    parts = {int(row.split("/")[0]): row.rsplit(",", 1)[1] for row in split.splitlines()[1:]}
    for patient, part in parts.items():  # a patient's slices stay together
        assert len(re.findall(rf"^{patient}/.*,{part}$", split, re.MULTILINE)) == 3


@pytest.mark.slow
def test_train_on_slices_of_volumes(tmp_path):
    random = np.random.default_rng(0)
    for label, top in (("healthy", 100), ("lesion", 900)):
        (tmp_path / "volumes" / label).mkdir(parents=True)
        for number in range(6):
            volume = random.integers(1, top, (16, 16, 4)).astype(np.int16)
            image = nibabel.Nifti1Image(volume, np.diag([1.0, 1.0, 2.0, 1.0]))
            nibabel.save(image, tmp_path / "volumes" / label / f"{label}{number}.nii.gz")
    shown = run(tmp_path, "train_nifti.py", "volumes", *TINY, "--out", "run")
    assert "run: 32 images seen, ended by kimg" in shown
    assert len(list(tmp_path.glob("run-samples/*/*.nii.gz"))) == 8


@pytest.mark.slow
def test_augment_a_classifier(tmp_path):
    make_pictures(tmp_path / "spots", 30)
    command = [sys.executable, "-m", "drai_cli", "train", "--data", "spots", *TINY, "--out", "run", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DRAI_CACHE": str(tmp_path / "cache")}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    shown = run(tmp_path, "augment_classifier.py", "spots", "--weights", "run", "--shown", "2000")
    assert re.search(r"^48 real and 48 synthetic to train on, 6 real to measure on$", shown, re.MULTILINE)
    found = dict(re.findall(r"^(.*): balanced accuracy (\d\.\d+)$", shown, re.MULTILINE))
    assert list(found) == ["real alone", "synthetic alone", "real and synthetic"]
    assert float(found["real alone"]) > 0.8


@pytest.mark.slow
@is_needed("onnxruntime")
@is_needed("onnxscript")
def test_sample_without_torch_gives_the_same_images(tmp_path, tiny_model, drai):
    exported = drai("export", "--weights", tiny_model, "--to", "onnx", "--out", tmp_path / "m.onnx", "-q")
    assert exported.exit_code == 0, exported.stderr
    # Torch and drai cannot be imported: the example stands alone.
    (tmp_path / "hidden").mkdir()
    for name in ("torch", "drai_cli"):
        (tmp_path / f"hidden/{name}.py").write_text("raise ImportError\n")
    line = ("m.onnx", "--label", "melanoma", "-n", "3", "--out", "few.npz")
    shown = run(tmp_path, "sample_without_torch.py", *line, PYTHONPATH=str(tmp_path / "hidden"))
    assert shown == "few.npz: 3 images, 16 x 16, no torch\n"
    sampled = drai(
        "sample", "--weights", tiny_model, "--label", "mel", "-n", "3", "--out", tmp_path / "few", "-q"
    )
    assert sampled.exit_code == 0, sampled.stderr
    images = np.load(tmp_path / "few.npz")["images"].astype(int)
    for index in range(3):
        expected = np.array(Image.open(tmp_path / f"few/mel/mel_00000{index}.png")).astype(int)
        assert np.abs(images[index] - expected).max() <= 1


@pytest.mark.slow
def test_share_a_model(tmp_path, tiny_model):
    with serve() as hub:
        settings = {
            "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1",
            "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        shown = run(tmp_path, "share_model.py", tiny_model, "clinic/lesions", **settings)
        commit = hub.branches["clinic/lesions"]["main"]
        files = hub.commits["clinic/lesions"][commit]
    assert set(files) == {"model.safetensors", "config.json", "README.md", "samples.png"}
    assert f"sent: clinic/lesions@{commit}" in shown
    assert f"used as clinic/lesions@{commit}: 2 images of mel" in shown


@pytest.fixture(scope="module")
def samples(tiny_model, tmp_path_factory):
    from drai_cli.settings.image_options import SampleOptions
    from drai_cli.workflows.sample import sample

    out = tmp_path_factory.mktemp("samples") / "few"
    sample(SampleOptions(out=out, weights=str(tiny_model), per_class=3, attributes=("age=60",)))
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "first"),
    [
        ("csv", []),
        pytest.param("torchvision", ["first image: (16, 16), mel"], marks=is_needed("torchvision")),
        pytest.param(
            "datasets", ["first image: (16, 16), mel, seed 0, index 0"], marks=is_needed("datasets")
        ),
    ],
)
def test_read_samples(tmp_path, samples, reader, first):
    shown = run(tmp_path, "read_samples.py", samples, "--with", reader)
    assert shown.splitlines() == [*first, "mel  3", "nv  3"]


@pytest.mark.slow
def test_read_tars(tmp_path, tiny_model):
    from drai_cli.settings.image_options import SampleOptions
    from drai_cli.workflows.sample import sample

    sample(
        SampleOptions(tmp_path / "packed", str(tiny_model), per_class=3, format="webdataset", shard_size=4)
    )
    first, *counts = run(tmp_path, "read_samples.py", "packed", "--with", "tar").splitlines()
    assert re.fullmatch(r"first image: mel_000000, \d+ bytes of PNG", first)
    assert counts == ["mel  3", "nv  3"]


@pytest.mark.slow
def test_read_npz(tmp_path, tiny_model):
    from drai_cli.settings.image_options import SampleOptions
    from drai_cli.workflows.sample import sample

    sample(SampleOptions(tmp_path / "one-file", str(tiny_model), per_class=3, format="npz"))
    shown = run(tmp_path, "read_samples.py", "one-file", "--with", "npz")
    assert shown.splitlines() == ["first image: (16, 16, 3), mel", "mel  3", "nv  3"]


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torchvision", "datasets"])
def test_without_a_library_the_line_that_installs_it_is_named(tmp_path, samples, library):
    (tmp_path / "hidden").mkdir()
    (tmp_path / f"hidden/{library}.py").write_text("raise ImportError\n")
    said = run(
        tmp_path, "read_samples.py", samples, "--with", library, code=1, PYTHONPATH=str(tmp_path / "hidden")
    )
    assert said == f"{library} is not installed: pip install {library}\n"


@pytest.mark.slow
@pytest.mark.parametrize("real", [0, 2])
def test_readme_figure(tmp_path, real):
    for index in range(real):
        Image.fromarray(np.full((64, 64, 3), 90 * index, np.uint8)).save(tmp_path / f"{index}.png")
    given = [argument for index in range(real) for argument in ("--real", f"{index}.png")]
    assert run(tmp_path, "readme_figure.py", *given, "--out", "f.png") == "f.png\n"
    with Image.open(tmp_path / "f.png") as figure:
        assert figure.size[0] > 800
        assert figure.text.get("synthetic") == (None if real else "yes")
