"""A run is followed: before its first model, at a better one; and an exported model is explored without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import pytest

from tests.explore.page_server import serve_page, wait_for_directions
from tests.support.patience import PATIENCE_S

pytest.importorskip("uvicorn")


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def exported(tiny_model, model_of, tmp_path_factory):
    """A model exported to ONNX, and one of another method."""
    pytest.importorskip("onnxscript")
    from drai_cli.settings.model_options import ExportOptions
    from drai_cli.workflows.export import export

    folder = tmp_path_factory.mktemp("exported")
    for name, weights in (("m", tiny_model), ("other", model_of("dai"))):
        export(ExportOptions(folder / f"{name}.onnx", "onnx", str(weights)))
    return folder


def until(condition):
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.1)):
        if condition():
            return
        pause.wait(0.1)
    raise TimeoutError


def test_a_run_is_followed_from_before_its_first_model(run, tiny_model, model_of, monkeypatch):
    from drai_cli.explore import opened

    monkeypatch.setattr(opened, "_LOOK_EVERY_S", 0.05)
    with serve_page(run, run=run, wait=False) as page:
        assert page.explorer.watch.status()["model"] is None
        status, refused = page.ask("grid", {"label": "mel"})
        assert (status, refused["hint"]) == (400, "it is written at the first tick")
        shutil.copy(tiny_model, run / "model.safetensors")
        until(lambda: page.explorer.watch.status()["model"])
        wait_for_directions(page.explorer.watch)
        first = page.explorer.watch.status()
        assert page.ask("grid", {"label": "mel", "count": 1})[1]["model"] == first["model"]
        assert page.ask("map")[0] == 200
        shutil.copy(model_of("dai"), run / "next")
        os.replace(run / "next", run / "model.safetensors")
        until(lambda: page.explorer.watch.status()["model"] not in (None, first["model"]))
        wait_for_directions(page.explorer.watch)
        assert page.ask("grid", {"label": "mel", "count": 1})[1]["model"] != first["model"]
        assert page.ask("map")[0] == 200
        # A file that is no model changes nothing.
        (run / "next").write_bytes(b"half")
        os.replace(run / "next", run / "model.safetensors")
        threading.Event().wait(0.5)
        assert page.ask("grid", {"label": "mel", "count": 1})[0] == 200
        assert page.request("GET", "/token-of-this-test/progress")[0] == 404
        (run / "progress.html").write_text("<!DOCTYPE html><title>p</title>")
        status, headers, _ = page.request("GET", "/token-of-this-test/progress")
        assert (status, "sandbox" in headers["content-security-policy"]) == (200, True)
        assert page.explorer.watch.status()["progress"]


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from drai_cli.explore.explorer import Explorer
from drai_cli.explore.directions import find_directions
from drai_cli.explore.model import open_model
from drai_cli.explore.opened import Opened, Watch
path, image = sys.argv[1:]
model = open_model(path, None, "torch")
watch = Watch(lambda: model)
watch.now = Opened(model, find_directions(model))
explorer = Explorer(watch, path, keep=dict)
about = explorer.describe()
assert about["can_swap"] and about["infers_content"]
assert len(explorer.grid({"label": "mel", "count": 5, "amounts": {"content": [1], "style": [1]}})["images"]) == 5
a = explorer.read(open(image, "rb").read(), "a.png", None, None)
two = {"content_a": a["content"], "style_a": a["style"], "content_b": a["content"], "style_b": a["style"]}
swapped = explorer.swap(two)
assert swapped["a_again"] == swapped["b_again"]
assert len(explorer.walk({**two, "along": "both"})["images"]) == 9
assert explorer.map()["samples"] == 240
print(explorer.command({"label": "mel", "keep": 3})["command"])
print(*a["content"], sep=",")
"""


def test_an_exported_model_is_explored_without_torch(tiny_model, exported, tmp_path):
    import numpy as np
    from PIL import Image

    from drai_cli.explore.model import open_model

    for path in exported.glob("m.*"):
        shutil.copy(path, tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    arguments = [sys.executable, "-c", WITHOUT_TORCH, "m.onnx", "a.png"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command, content = done.stdout.splitlines()
    assert command == "drai sample --out kept --weights m.onnx --label mel --count 3 --runtime onnx"
    by_torch = open_model(str(tiny_model), "cpu", "torch").encode(pixels[None])[0][0]
    np.testing.assert_allclose([float(number) for number in content.split(",")], by_torch, atol=1e-4)


def test_codes_give_the_same_images_by_onnx(tiny_model, exported):
    import numpy as np

    from drai_cli.explore.model import open_model

    random = np.random.default_rng(0)
    content, style = (random.standard_normal((5, dim)).astype(np.float32) for dim in (4, 6))
    made = [
        open_model(str(path), "cpu", "torch").generate(content, style).astype(int)
        for path in (tiny_model, exported / "m.onnx")
    ]
    assert np.abs(made[0] - made[1]).max() <= 1


def test_an_encoder_of_another_model_is_refused(exported, tmp_path):
    from drai_cli.errors import WeightsError
    from drai_cli.explore.model import open_model

    for path in exported.glob("m.*"):
        shutil.copy(path, tmp_path)
    shutil.copy(exported / "other.encoder.onnx", tmp_path / "m.encoder.onnx")
    with pytest.raises(WeightsError, match="was exported from another model"):
        open_model(str(tmp_path / "m.onnx"), "cpu", "torch")
    (tmp_path / "m.encoder.onnx").unlink()
    assert open_model(str(tmp_path / "m.onnx"), "cpu", "torch").encode is None


def test_the_judge_of_a_run_of_findings_names_sets(run, tmp_path):
    import numpy as np

    from drai_cli.explore.model import open_model
    from drai_cli.metrics.convnet import ConvNet, ConvNetConfig
    from drai_cli.metrics.finding_judge import FindingJudge
    from drai_cli.model_file.checkpoint import save_state
    from tests.support.chest import CHEST, save_chest_model

    save_chest_model(run / "model.safetensors")
    (run / "checkpoint").mkdir()
    network = ConvNet(ConvNetConfig(16, 1, 3, (8, 8))).eval()
    # What counts as shown is decided by the thresholds alone.
    judge = FindingJudge(network, "cpu", (1.1, -0.1, -0.1))
    save_state(run / "checkpoint/judge.safetensors", judge.state(), judge.config_json())
    model = open_model(str(run), "cpu", "torch")
    images = np.zeros((2, 16, 16, 1), np.uint8)
    assert model.judge(images) == ["Effusion|Mass"] * 2
    assert CHEST.find(model.judge(images)[0]) == "Effusion|Mass"
