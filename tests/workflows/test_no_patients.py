"""Real patients' images: said when a report shows them, and never in what is shared."""

from __future__ import annotations

import shutil

import pytest

from drai_cli.hub.repository import HUB_FILES
from drai_cli.settings.model_options import ExportOptions, PushOptions
from drai_cli.workflows.export import export
from drai_cli.workflows.push import push

REAL = b"\x89PNG\r\n\x1a\n a picture of a patient"


@pytest.fixture
def run_with_pictures(tiny_model, tmp_path):
    """A run directory whose grids and reports hold real images."""
    run = tmp_path / "run"
    (run / "grids").mkdir(parents=True)
    (run / "report" / "measured").mkdir(parents=True)
    shutil.copy(tiny_model, run / "model.safetensors")
    (run / "config.json").write_text("{}")
    for name in (
        "grids/000000016.png",
        "report/report.html",
        "samples.png",
        "README.md",
        "report/measured/x.json",
    ):
        (run / name).write_bytes(REAL)
    return run


def test_a_hub_folder_holds_no_real_image(run_with_pictures, tmp_path):
    export(ExportOptions(tmp_path / "out", "hub-folder", str(run_with_pictures)))
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert sorted(found) == sorted(HUB_FILES)
    assert not [name for name, data in found.items() if REAL in data]


def test_push_carries_no_real_image(run_with_pictures):
    sent = push(PushOptions(str(run_with_pictures), "clinic/lesions", dry_run=True))
    assert sorted(sent.files) == sorted(HUB_FILES)


@pytest.mark.parametrize("figures", [True, False])
def test_evaluate_says_that_its_report_shows_real_images(tmp_path, monkeypatch, figures):
    from drai_cli.workflows import evaluate

    said: list[str] = []

    class Told(evaluate.Reporter):
        def info(self, message: str) -> None:
            said.append(message)

    evaluate._tell_of_pictures(tmp_path, ["a figure"] if figures else [], Told())
    expected = [f"{tmp_path / 'report.html'} shows real images of the data set; --no-figures leaves them out"]
    assert said == (expected if figures else [])
