"""The README's commands run, one after the other in one folder, and so does its Python code.

Lines run as written, except for the changes in `SMALLER` and `ADDED`. If an option is renamed, its line fails.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drai_cli.settings.data_options import PhantomOptions
from drai_cli.settings.image_options import SampleOptions
from drai_cli.workflows.phantom import make_phantoms
from drai_cli.workflows.sample import sample
from tests.support.hub_server import serve

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Replacements that make commands faster: fewer and smaller images, fewer steps. Each must occur.
SMALLER = {
    "--out lesions/ -n 2000 --size 32": "--out lesions/ -n 280 --size 16",
    "--data lesions/ --size 32": "--data lesions/ --size 16",
    "--kimg 2 --tick-kimg 1": "--kimg 0.128 --tick-kimg 0.064",
    "--methods dai,drai --kimg 2": "--methods dai,drai --kimg 0.064",
    "--hours 8": "--kimg 0.064 --size 16 --batch-size 8",
}
SMALLER_PYTHON = {
    "size=32, kimg=2, tick_kimg=1": "size=16, kimg=0.064, batch_size=8",
    'metrics=["fidelity"]': 'metrics=["fidelity"], samples=8, pairs=14, judge_images=560',
}
# Options added to a command, so that it measures on few images.
ADDED = {
    "evaluate": "--samples 8 --pairs 14 --draws 1 --judge-images 560 --usefulness-images 280 --usefulness-seeds 1 "
    "--privacy-samples 16",
    "compare": "--judge-images 560",
}
# Files that a command must have written, by the start of its line.
LEFT = {
    "drai sample --per-class": ["few/mel/mel_000003.png", "few/metadata.csv", "few/manifest.json", "few.png"],
    "drai swap-style": ["swap_mel_000000_nv_000000/figure.png"],
    "drai interpolate few": ["walk_mel_000000_nv_000000.png"],
    "drai interpolate --from-label": ["walk.gif"],
    "drai interpolate --grid": ["grid.png"],
    "drai encode": ["codes.npz"],
    "drai phantom": ["lesions/metadata.csv"],
    "drai train --data lesions/": ["runs/lesions/model.safetensors"],
    "drai train --data scans/": ["runs/scans/model.safetensors"],
    "drai train --data photos/": ["runs/photos/model.safetensors"],
    "drai train --data nodules/": ["runs/nodules/model.safetensors"],
    "drai evaluate": ["report/report.json", "report/report.html"],
    "drai compare": ["compare/comparison.md", "compare/comparison.html"],
    "drai export": ["lesions.onnx", "lesions.encoder.onnx", "lesions.swap.onnx"],
    "drai sample --runtime onnx": ["by-onnx/mel/mel_000007.png"],
    "drai sample --label mel -n 4 --format dicom": ["dicom/mel/mel_000003.dcm"],
    "drai sample --label mel -n 4 --format npz": ["one-file/images.npz"],
    "drai convert": ["mel.nii.gz"],
}


def command_lines() -> list[str]:
    """The README's command lines after the two set-up lines, without comments."""
    lines = [
        line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[2:] for line in block.splitlines()
    ]
    return [line.split("  #")[0].strip() for line in lines]


def smaller(line: str) -> str:
    for found, instead in SMALLER.items():
        line = line.replace(found, instead)
    return f"{line} {ADDED.get(line.split()[1], '')}".strip()


def make_scans(folder: Path, make_dicom) -> None:
    random = np.random.default_rng(0)
    for patient in range(20):
        make_dicom(
            folder / f"{patient}.dcm",
            random.integers(0, 4000, (16, 16)).astype(np.uint16),
            uid=f"1.2.3.{patient}",
            PatientID=f"patient-{patient}",
            BodyPartExamined="CHEST" if patient % 2 else "HEAD",
        )


def make_photos(folder: Path) -> None:
    random = np.random.default_rng(0)
    rows = ["file,diagnosis,patient_id"]
    folder.mkdir()
    for number in range(40):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number},{'mel' if number % 2 else 'nv'},{number // 2 % 10 + 10 * (number % 2)}")
    Path("photos.csv").write_text("\n".join(rows) + "\n")


def make_nodules(folder: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(40):
        label = "malignant" if number % 2 else "benign"
        (folder / label).mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (16, 16), np.uint8)
        Image.fromarray(pixels).save(
            folder / label / f"LIDC-{number // 4 + 10 * (number % 2):04}_n{number}.png"
        )


@pytest.fixture
def no_server(monkeypatch) -> list[str]:
    """`explore` ends at once; a word for each page that it would have served."""
    import uvicorn

    served: list[str] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: served.append("served"))
    return served


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Iterator[None]:
    """A Hub on loopback that has the README's model."""
    from huggingface_hub import constants

    from drai_cli.export.hub_folder import write_hub_folder
    from drai_cli.hub.locate import bundled_models

    with serve() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        (tmp_path / "folder").mkdir()
        files = write_hub_folder(bundled_models()["lesions-64"], "clinic/lesions", tmp_path / "folder")
        hub.commit("clinic/lesions", {name: path.read_bytes() for name, path in files.items()}, "v1.2")
        yield


def test_every_line_is_a_command_and_every_substitution_is_needed():
    lines = command_lines()
    assert len(lines) > 15
    assert [line for line in lines if not line.startswith("drai ")] == []
    text = "\n".join(lines)
    assert [found for found in SMALLER if found not in text] == []
    assert [command for command in ADDED if f"drai {command} " not in text] == []
    assert [start for start in LEFT if not any(line.startswith(start) for line in lines)] == []


def test_every_command_is_shown():
    from typer.main import get_command

    from drai_cli.cli.app import app

    shown = {line.split()[1] for line in command_lines()}
    assert {name for name, command in get_command(app).commands.items() if not command.hidden} == shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")
def test_the_first_hour(drai, hub, no_server, make_dicom, tmp_path, monkeypatch):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    make_scans(Path("scans"), make_dicom)
    make_photos(Path("photos"))
    make_nodules(Path("nodules"))
    for line in command_lines():
        result = drai(*shlex.split(smaller(line))[1:])
        assert result.exit_code == 0, f"{line}\n{result.stderr}\n{result.stdout}"
        start = max((start for start in LEFT if line.startswith(start)), key=len, default=None)
        assert [name for name in LEFT.get(start, []) if not Path(name).exists()] == [], line
    assert len(no_server) == 1


@pytest.mark.slow
def test_the_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_phantoms(PhantomOptions(Path("lesions"), count=140, size=16))
    sample(SampleOptions(out=Path("few"), label="mel", count=1))
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for found, instead in SMALLER_PYTHON.items():
        assert found in code
        code = code.replace(found, instead)
    values: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), values)
    assert values["images"].shape == values["walk"].shape == (8, 64, 64, 3)
    assert values["content"].shape == (8, 16)
    assert values["seen"].shape == (64, 64, 3)
    assert values["own"].labels
    assert values["report"].parts
