"""Memory that runs out: passes shrink and give the same, and what says so is known by its words."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.onnx_features import OnnxFeatures
from drai_cli.inference.onnx_session import explain_failures
from drai_cli.machine.memory import PassSize, SmallerBatchWarning, in_passes, is_device_lost, is_out_of_memory
from drai_cli.metrics import generation
from drai_cli.metrics.mapping import map_images
from drai_cli.model.encoder import Encoder
from drai_cli.model.generator import Generator
from drai_cli.model_file.checkpoint import load_model

ON_CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
)
OF_ONNX = type("RuntimeException", (Exception,), {"__module__": "onnxruntime.capi"})
OF_ONNX_FULL = OF_ONNX("Failed to allocate memory for requested buffer of size 68719476736")
ACCELERATOR = type("AcceleratorError", (RuntimeError,), {})


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        ON_CPU,
        RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        ACCELERATOR("CUDA error: out of memory"),
        OF_ONNX_FULL,
    ],
)
def test_out_of_memory_in_many_words(error):
    assert is_out_of_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize(
    "error", [ValueError("can't allocate memory"), RuntimeError("shapes differ"), OSError()]
)
def test_other_errors_are_not_about_the_device(error):
    assert not is_out_of_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize(
    "error",
    [ACCELERATOR("CUDA error: the launch timed out"), RuntimeError("CUDA error: no CUDA-capable device")],
)
def test_a_gpu_that_is_gone(error):
    assert is_device_lost(error)


def test_one_more_try_before_anything_shrinks():
    size, tries, freed = PassSize(8), [], []
    size.let_go = lambda: freed.append(1)

    def one_pass(rows):  # type: ignore[no-untyped-def]
        tries.append(rows)
        if len(tries) == 1:
            raise MemoryError
        return rows

    assert list(in_passes(10, size, one_pass)) == [slice(0, 8), slice(8, 10)]
    assert (size.now, tries[:2], freed) == (8, [slice(0, 8)] * 2, [1])


def test_passes_stay_small_and_it_is_said_once():
    size = PassSize(256)

    def one_pass(rows):  # type: ignore[no-untyped-def]
        if rows.stop - rows.start > 100:
            raise MemoryError
        return rows.stop - rows.start

    with pytest.warns(SmallerBatchWarning, match="out of memory at 256 images; continuing with 64") as told:
        assert sum(in_passes(300, size, one_pass)) == 300
    assert len(told) == 1
    assert sum(in_passes(300, size, one_pass)) == 300  # and not again


def test_not_even_one_fits():
    def one_pass(rows):  # type: ignore[no-untyped-def]
        raise MemoryError("all is full")

    with pytest.raises(MemoryError, match="all is full"):
        list(in_passes(3, PassSize(2), one_pass))


def test_an_error_of_another_kind_is_not_tried_again():
    tries = []

    def one_pass(rows):  # type: ignore[no-untyped-def]
        tries.append(rows)
        raise ValueError

    with pytest.raises(ValueError):
        list(in_passes(3, PassSize(2), one_pass))
    assert len(tries) == 1


def test_onnx_runtime_out_of_memory_is_no_fault_of_the_model():
    for error, told in ((OF_ONNX_FULL, OF_ONNX), (OF_ONNX("Invalid feed"), WeightsError)):
        with pytest.raises(told), explain_failures("model", "export it again"):
            raise error
    session = _Onnx(fits=8, error=OF_ONNX_FULL)
    with pytest.warns(SmallerBatchWarning, match="out of memory at 32 images; continuing with 8"):
        found = OnnxFeatures(session, "sha").features(np.zeros((40, 4, 4, 3), np.uint8))
    assert found.shape == (40, 48)


class _Onnx:
    """A session of a model whose output is its input, of 4 px and any number of rows, with memory for so many."""

    def __init__(self, fits: int, error: Exception) -> None:
        self.fits, self.error = fits, error

    def get_inputs(self):  # type: ignore[no-untyped-def]
        return [SimpleNamespace(name="x", type="tensor(float)", shape=["n", 3, 4, 4])]

    def get_outputs(self):  # type: ignore[no-untyped-def]
        return [SimpleNamespace(name="y")]

    def get_modelmeta(self):  # type: ignore[no-untyped-def]
        return SimpleNamespace(custom_metadata_map={})

    def run(self, outputs, feeds):  # type: ignore[no-untyped-def]
        if len(feeds["x"]) > self.fits:
            raise self.error
        return [feeds["x"]]


def test_a_gpu_that_is_gone_is_no_bug(drai, tiny_model, monkeypatch, tmp_path):
    def gone(*given):  # type: ignore[no-untyped-def]
        raise ACCELERATOR("CUDA error: unspecified launch failure\nCUDA kernel errors might be")

    monkeypatch.setattr(Generator, "forward", gone)
    result = drai("sample", "--label", "mel", "-n", 2, "--out", tmp_path / "out", "--weights", tiny_model)
    assert result.exit_code == 3
    assert "drai: error: device: CUDA error: unspecified launch failure.\n" in result.stderr
    assert "Traceback" not in result.stderr


def test_measures_are_made_of_the_same_draws(tiny_model, small):
    model = load_model(tiny_model)
    conditions = np.tile(model.header.schema.encode([{"dx": "mel"}, {"dx": "nv"}]), (60, 1))
    stored = np.random.default_rng(0).integers(0, 256, (120, 16, 16, 3), np.uint8)

    def all_of_it():  # type: ignore[no-untyped-def]
        made = generation.sample(model, conditions, 6, np.dtype(np.uint8), seed=3)
        codes = generation.encode(model, stored, conditions)
        again = generation.generate(model, codes.content, codes.style, np.dtype(np.uint8))
        features = map_images(lambda batch: model.encoder(batch)[1].mean, stored)
        return made, codes.content, codes.style, again, features

    whole = all_of_it()
    small.limit(Generator, 40)
    small.limit(Encoder, 40)
    with pytest.warns(SmallerBatchWarning, match="at 120 images; continuing with 30"):
        smaller = all_of_it()
    for before, after in zip(whole, smaller, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_memory_that_really_runs_out():
    """The bundled model under a limit of address space that has room for a part of the micro-batch.

    How far passes shrink, and in how many steps, depends on how memory is divided at the time.
    """
    script = (
        "import resource, warnings\n"
        "import numpy as np\n"
        "from drai_cli.inference.torch_model import Inference\n"
        "model = Inference.open(None, 'cpu')\n"
        "source, shape = np.random.default_rng(0), model.header.architecture\n"
        "codes = [source.standard_normal((70, n)).astype(np.float32) for n in (shape.content_dim, shape.style_dim)]\n"
        "model.passes.now = model.passes.told = 4\n"
        "whole = model.generate(*codes)\n"
        "model.passes.now = model.passes.told = 64\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4096 * pages + 60 * 2**20, resource.RLIM_INFINITY))\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    again = model.generate(*codes)\n"
        "print(abs(whole.astype(int) - again).max() <= 1, model.passes.now < 64, told[0].message)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("True True out of memory at 64 images; continuing with "), ended.stderr[
        -2000:
    ]
