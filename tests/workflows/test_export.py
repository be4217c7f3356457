"""`export`: files that agree with the model, and sampling from one without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

import drai_cli
from drai_cli.errors import DraiError, OverwriteError, UsageError, WeightsError
from drai_cli.export.programs import Difference
from drai_cli.hub.locate import locate_weights
from drai_cli.model_file.checkpoint import file_sha256, load_model
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.settings.model_options import ExportOptions
from drai_cli.workflows import export as module
from drai_cli.workflows.export import export
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    """The tiny model as `m.onnx`, `m.encoder.onnx` and `m.swap.onnx`, and what export said of them."""
    folder = tmp_path_factory.mktemp("onnx")
    return folder, export(ExportOptions(folder / "m.onnx", "onnx", str(tiny_model)))


def session(path):
    return onnxruntime.InferenceSession(str(path))


def test_three_files_that_agree_and_say_what_they_are(exported, tiny_model):
    import onnx

    folder, result = exported
    assert sorted(path.name for path in folder.iterdir()) == sorted(result.files)
    assert sorted(result.files) == ["m.encoder.onnx", "m.onnx", "m.swap.onnx"]
    for name, difference in result.files.items():
        assert difference.mean <= difference.largest < 1e-4
        proto = onnx.load(folder / name)
        onnx.checker.check_model(proto, full_check=True)
        assert proto.opset_import[0].version == result.opset == 18
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        header = json.loads(metadata["drai"])
        assert header["schema"][0]["aliases"] == {"melanoma": "mel"}
        assert metadata["exported_from_sha256"] == file_sha256(tiny_model) == result.weights_sha256
        raw = (folder / name).read_bytes()
        assert str(Path(drai_cli.__file__).parent).encode() not in raw
        assert not proto.graph.node[0].metadata_props


@pytest.mark.parametrize("n", [1, 17])
def test_against_the_model_on_real_images(exported, tiny_model, n):
    import torch

    folder, _ = exported
    model = load_model(tiny_model)
    random = np.random.default_rng(n)
    a, b = random.uniform(-1, 1, (2, n, 3, 16, 16)).astype(np.float32)
    with torch.inference_mode():
        content, style = model.encoder(torch.from_numpy(a))
        _, other = model.encoder(torch.from_numpy(b))
        swapped = model.generator(content.mean, other.mean)
    codes = session(folder / "m.encoder.onnx").run(None, {"images": a})
    np.testing.assert_allclose(codes[0], content.mean, atol=1e-4)
    np.testing.assert_allclose(codes[1], style.mean, atol=1e-4)
    (images,) = session(folder / "m.swap.onnx").run(None, {"content_images": a, "style_images": b})
    np.testing.assert_allclose(images, swapped, atol=1e-4)


def test_samples_are_those_of_the_model_and_can_be_verified(exported, tiny_model, tmp_path):
    folder, _ = exported
    options = SampleOptions(
        tmp_path / "onnx", str(folder / "m.onnx"), per_class=3, runtime="onnx", truncation=0.7
    )
    sample(options)
    sample(replace(options, out=tmp_path / "torch", weights=str(tiny_model), runtime="torch"))
    for path in (tmp_path / "torch").glob("*/*.png"):
        one, other = (
            np.array(PillowImage.open(p)).astype(int)
            for p in (path, tmp_path / "onnx" / path.parts[-2] / path.name)
        )
        assert np.abs(one - other).max() <= 1
    again = VerifyOptions(tmp_path / "onnx", regenerate=6, weights=str(folder / "m.onnx"))
    assert verify(again).findings == ()
    with pytest.raises(UsageError, match="needs the encoder"):
        sample(replace(options, out=tmp_path / "styled", style_from=path))


def test_threads_change_no_byte_of_samples(exported, tmp_path, monkeypatch):
    folder, _ = exported
    made = []
    for count in (1, 2, 3, 8):
        monkeypatch.setenv("OMP_NUM_THREADS", str(count))
        options = SampleOptions(
            tmp_path / str(count), str(folder / "m.onnx"), label="mel", count=50, runtime="onnx"
        )
        sample(options)
        made.append({path.name: path.read_bytes() for path in (options.out / "mel").iterdir()})
    assert all(files == made[0] for files in made)


def test_without_torch(exported, tmp_path):
    folder, _ = exported
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['drai', *sys.argv[1:]]; "
        "from drai_cli.cli.app import main; main()"
    )
    arguments = [
        "sample",
        "--runtime",
        "onnx",
        "-w",
        str(folder / "m.onnx"),
        "-l",
        "melanoma",
        "-n",
        "2",
        "-q",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "out" / "mel").glob("*.png"))) == 2


def test_exported_files_are_weights_for_onnx_alone(exported, tiny_model, tmp_path):
    folder, _ = exported
    with pytest.raises(UsageError) as raised:
        locate_weights(str(folder / "m.onnx"))
    assert "--runtime onnx" in raised.value.hint
    options = SampleOptions(tmp_path / "out", str(tiny_model), label="mel", count=1, runtime="onnx")
    with pytest.raises(UsageError, match="expected an exported model"):
        sample(options)
    with pytest.raises(WeightsError, match="expected an exported generator"):
        sample(replace(options, weights=str(folder / "m.swap.onnx")))
    (tmp_path / "x.onnx").write_bytes((folder / "m.onnx").read_bytes()[:-500])
    with pytest.raises(WeightsError, match="cannot be run as an ONNX model"):
        sample(replace(options, weights=str(tmp_path / "x.onnx")))
    with pytest.raises(WeightsError, match="no such file"):
        sample(replace(options, weights=str(tmp_path / "gone.onnx")))
    with pytest.raises(UsageError, match="computes in fp32"):
        sample(replace(options, weights=str(folder / "m.onnx"), precision="bf16"))
    with pytest.raises(UsageError, match="no such device"):
        sample(replace(options, weights=str(folder / "m.onnx"), device="tpu"))


def test_a_model_of_somebody_else_is_refused(exported, tmp_path):
    import onnx

    proto = onnx.load(exported[0] / "m.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "x.onnx")
    with pytest.raises(WeightsError, match="that drai exported"):
        sample(
            SampleOptions(tmp_path / "out", str(tmp_path / "x.onnx"), label="mel", count=1, runtime="onnx")
        )


def test_what_differs_from_the_model_is_not_written(tiny_model, tmp_path, monkeypatch):
    wrong = (".onnx", lambda program, model, target: (b"x", Difference(1e-3, 1e-5)))
    monkeypatch.setitem(module._KINDS, "onnx", wrong)
    with pytest.raises(DraiError, match="differs from the model"):
        export(ExportOptions(tmp_path / "m.onnx", "onnx", str(tiny_model)))
    assert not list(tmp_path.iterdir())


def test_without_the_extra_it_is_named(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="--to onnx: needs ONNX Runtime") as raised:
        export(ExportOptions(tmp_path / "m.onnx", "onnx", str(tiny_model)))
    assert raised.value.hint == "pip install 'drai-cli[onnx]'"


def test_targets(exported, tiny_model, tmp_path):
    with pytest.raises(OverwriteError):
        export(ExportOptions(exported[0] / "m.onnx", "onnx", str(tiny_model)))
    with pytest.raises(UsageError, match="ends in"):
        export(ExportOptions(tmp_path / "m.onnx", "torch-export", str(tiny_model)))


def test_hub_folder_is_weights(tiny_model, tmp_path):
    result = export(ExportOptions(tmp_path / "out", "hub-folder", str(tiny_model), name="clinic/lesions"))
    assert sorted(result.files) == ["README.md", "config.json", "model.safetensors", "samples.png"]
    assert locate_weights(str(tmp_path / "out")).read_bytes() == tiny_model.read_bytes()
    assert "# clinic/lesions" in (tmp_path / "out" / "README.md").read_text()


def test_a_hub_folder_is_called_as_its_folder_where_no_name_is_given(drai, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = drai("export", "--to", "hub-folder", "--weights", tiny_model, "--out", "carried/", "-q")
    assert result.exit_code == 0, result.stderr
    # No table: nothing was compared.
    assert result.stdout.splitlines() == ["model.safetensors", "config.json", "README.md", "samples.png"]
    card = (tmp_path / "carried" / "README.md").read_text()
    assert "\n# carried\n" in card
    assert "drai sample --weights carried --label LABEL" in card


@pytest.mark.slow
def test_torch_export(tiny_model, tmp_path):
    import torch

    result = export(ExportOptions(tmp_path / "m.pt2", "torch-export", str(tiny_model)))
    assert all(difference.largest < 1e-4 for difference in result.files.values())
    extra = {"drai": "", "exported_from_sha256": ""}
    program = torch.export.load(tmp_path / "m.encoder.pt2", extra_files=extra)
    content, _ = program.module()(torch.zeros(5, 3, 16, 16))
    assert content.shape == (5, 4)
    assert json.loads(extra["drai"])["method"] == "drai"
    with pytest.raises(WeightsError):
        locate_weights(str(tmp_path / "m.pt2"))


@pytest.mark.parametrize(("method", "swap"), [("cgan", None), ("cavae", ["condition", "style_images"])])
def test_methods_that_infer_no_content(model_of, method, swap, tmp_path):
    result = export(ExportOptions(tmp_path / "m.onnx", "onnx", str(model_of(method))))
    sessions = {name: session(tmp_path / name) for name in result.files}
    inputs = {name: [one.name for one in found.get_inputs()] for name, found in sessions.items()}
    assert inputs.get("m.swap.onnx") == swap
    if swap:
        assert [one.name for one in sessions["m.encoder.onnx"].get_outputs()] == ["style"]
    # Fixed content: the noise that is drawn for it changes nothing.
    codes = {"condition": np.eye(2, 5, dtype=np.float32), "style": np.zeros((2, 6), np.float32)}
    contents = []
    for noise in (0, 3):
        noises = {"content_noise": np.full((2, 4), noise, np.float32), "truncation": np.array(1, np.float32)}
        contents.append(sessions["m.onnx"].run(["content"], {**codes, **noises})[0])
    np.testing.assert_array_equal(*contents)
    assert (contents[0][0] != contents[0][1]).any()
