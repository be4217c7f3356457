"""The class `Drai`: what the commands do, on arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli import Drai
from drai_cli.errors import InputError, UsageError
from drai_cli.settings.image_options import SampleOptions
from drai_cli.workflows.sample import sample


@pytest.fixture(scope="module")
def model(tiny_model):
    return Drai.from_pretrained(tiny_model)


def test_import_is_light():
    code = "import sys, drai_cli; print(drai_cli.__version__, {'torch', 'numpy', 'PIL'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("set()\n")


def test_it_says_what_it_is(model):
    assert model.labels == ("mel", "nv")
    assert (model.content_dim, model.style_dim) == (4, 6)


def test_samples_are_those_of_the_command(model, tiny_model, tmp_path):
    sample(
        SampleOptions(
            out=tmp_path / "o", weights=str(tiny_model), label="mel", count=20, attributes=("age=60",)
        )
    )
    images = model.sample("melanoma", 3, seed=0, attributes={"age": 60.0}, start=17)
    assert images.shape == (3, 16, 16, 3)
    assert images.dtype == np.uint8
    for index in range(3):
        written = np.array(PillowImage.open(tmp_path / "o" / "mel" / f"mel_{17 + index:06d}.png"))
        np.testing.assert_array_equal(images[index], written)
    assert model.sample("nv", 0).shape == (0, 16, 16, 3)


def test_images_may_be_paths_arrays_or_pillow(model, tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    picture = PillowImage.fromarray(array)
    picture.save(tmp_path / "x.png")
    expected = model.encode(array)
    assert expected.content.shape == (1, 4)
    for same in (picture, tmp_path / "x.png", str(tmp_path / "x.png"), [array], array[None]):
        np.testing.assert_array_equal(model.encode(same).style, expected.style)
    both = model.encode([array, picture.convert("L")])
    assert both.style.shape == (2, 6)
    np.testing.assert_array_equal(both.style[0], expected.style[0])


def test_swap_is_generate_on_swapped_codes(model):
    a, b = model.sample("mel", 2)
    codes = model.encode([a, b])
    first, second = model.swap_style(a, b)
    made = model.generate(codes.content, codes.style[[1, 0]])
    np.testing.assert_array_equal(np.stack([first, second]), made)


def test_style_from_an_image(model):
    style = model.sample("mel", 1)[0]
    images = model.sample("nv", 2, style_from=style)
    assert (images != model.sample("nv", 2)).any()


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda m: m.sample("lentigo"), UsageError),
        (lambda m: m.sample("mel", -1), UsageError),
        (lambda m: m.sample("mel", 1, attributes={"weight": 3}), UsageError),
        (lambda m: m.generate(np.zeros((2, 4)), np.zeros((3, 6))), UsageError),
        (lambda m: m.generate(np.zeros((2, 6)), np.zeros((2, 4))), UsageError),
        (lambda m: m.encode([]), InputError),
        (lambda m: m.encode(np.zeros((16, 16, 3), np.float32)), InputError),
        (lambda m: m.encode("nowhere.png"), InputError),
    ],
)
def test_mistakes_are_errors_in_words(model, call, kind):
    with pytest.raises(kind):
        call(model)


def test_callers_settings_are_put_back(model):
    import torch

    torch.set_float32_matmul_precision("medium")
    try:
        model.sample("mel")
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.is_grad_enabled()
    finally:
        torch.set_float32_matmul_precision("highest")
