"""progress.html of a real run: at its ticks, at its end, after a signal; and the command it shows is the run's."""

from __future__ import annotations

import json
import os
import shlex
import signal
import webbrowser
from dataclasses import replace

import numpy as np
import pytest
import typer
from PIL import Image as PillowImage

from drai_cli.cli.app import app
from drai_cli.cli.fields import collect_given
from drai_cli.cli.train import resolve_settings
from drai_cli.progress import Reporter, Task
from drai_cli.run import progress_page
from drai_cli.settings.model_options import TrainRun
from drai_cli.settings.spelling import spell_train
from drai_cli.workflows.train import train
from tests.report.html_checks import check_page

pytestmark = pytest.mark.usefixtures("quick_judge")


def read_back(line: str) -> TrainRun:
    """The run that a command line starts."""
    _, name, *words = shlex.split(line)
    with typer.main.get_command(app).commands[name].make_context(name, words) as context:
        data, training = resolve_settings(context.params["preset"], context.params)
        return TrainRun(data, training, **collect_given(TrainRun, context.params, skip=("data", "training")))


def test_a_run_leaves_its_page_and_opens_it_once(run, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    train(replace(run, open=True))
    text = (run.out / "progress.html").read_text(encoding="utf-8")
    page = check_page(text)
    assert "Finished after 0.32 kimg: the budget of images is used up." in page.text
    assert "Is it good, is it finished?" in page.text
    assert "on real images" in page.text
    assert len(page.named("img")) == 4  # a grid for each tick
    assert opened == [(run.out / "progress.html").resolve().as_uri()]
    ticks = [json.loads(line) for line in (run.out / "stats.jsonl").read_text().splitlines()]
    assert all(isinstance(tick["warnings"], list) for tick in ticks)
    assert {"frechet_real", "power_fine"} <= set(ticks[-1]["validation"])
    longer = replace(run, open=False, training=replace(run.training, kimg=20.0))
    assert str(run.out.parent) not in text.replace(spell_train(longer).replace("'", "&#39;"), "")


def test_the_judge_of_a_run_labels_pictures(run):
    train(run)
    from drai_cli.explore.model import open_model

    model = open_model(str(run.out), "cpu", "torch")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    assert model.judge is not None
    assert set(model.judge(pixels)) <= set(model.header.schema.labels)
    (run.out / "checkpoint/judge.safetensors").write_bytes(b"broken")
    assert open_model(str(run.out), "cpu", "torch").judge is None


class _StopAt(Reporter):
    """Sends a signal after some images."""

    def __init__(self, images: int) -> None:
        self.images = images

    def task(self, name, total, unit):
        from contextlib import contextmanager

        outer = self

        class Stop(Task):
            def advance(self, n: int = 1) -> None:
                outer.images -= n if unit == "images" and name == "training" else 0
                if outer.images <= 0 and name == "training":
                    outer.images = 10**9
                    os.kill(os.getpid(), signal.SIGTERM)

        @contextmanager
        def make():
            yield Stop()

        return make()


def test_a_run_that_is_stopped_says_how_to_go_on(run):
    assert train(run, _StopAt(128)).stopped_by == "SIGTERM"
    page = check_page((run.out / "progress.html").read_text(encoding="utf-8"))
    assert "Stopped by SIGTERM after 0.096 kimg. Everything is saved" in page.text
    assert spell_train(run) in page.text
    assert train(run).is_finished
    page = check_page((run.out / "progress.html").read_text(encoding="utf-8"))
    assert "Finished after 0.32 kimg" in page.text


def test_the_command_is_the_runs(run):
    assert read_back(spell_train(run)) == run
    other = replace(
        run,
        training=replace(run.training, method="dai", symmetry="flip", seed=3, hours=1.5, kimg=None),
        init="lesions-64", licence="CC0-1.0",
    )  # fmt: skip
    assert read_back(spell_train(other)) == other


@pytest.mark.parametrize("size", [32, 128])
def test_what_a_preset_says_is_not_repeated(size):
    line = f"drai train --data les --size {size} --out runs/les"
    assert spell_train(read_back(line)) == line


def test_a_film_is_short_and_small(run, tmp_path):
    grids = [(index, tmp_path / f"{index}.png") for index in range(100)]
    chosen = progress_page._spread(grids)
    assert len(chosen) == progress_page._MOST_FRAMES
    assert (chosen[0], chosen[-1]) == (grids[0], grids[-1])
    assert progress_page._spread(grids[:5]) == grids[:5]
    PillowImage.new("RGB", (1500, 900)).save(tmp_path / "0.png")
    page = progress_page.ProgressPage.__new__(progress_page.ProgressPage)
    page._frames = {}
    (tmp_path / "small.png").write_bytes(page._shrink(tmp_path / "0.png"))
    with PillowImage.open(tmp_path / "small.png") as small:
        assert max(small.size) <= 480
