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


def test_it_shows_what_model_it_is(model, tiny_model):
    assert repr(model) == (
        f"<Drai {tiny_model}: drai, 16 px RGB, labels mel, nv; attributes age; content 4, style 6; cpu>"
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m: m.sample("mel", "3"), "n: expected a whole number, got '3' (str)."),
        (
            lambda m: m.sample("mel", 1, seed=-1),
            "seed: expected at least 0 and at most 9223372036854775807, got -1.",
        ),
        (
            lambda m: m.sample("mel", 1, truncation="a"),
            "truncation: expected a number of at least 0, got 'a' (str).",
        ),
        (
            lambda m: m.sample("mel", 1, attributes=["age"]),
            "attributes: expected a mapping, got ['age'] (list).",
        ),
        (lambda m: m.interpolate(1, 2, steps=2.5), "steps: expected a whole number, got 2.5 (float)."),
        (lambda m: m.interpolate(1, 2, along="x"), "along: no such code: 'x' (str)."),
        (lambda m: m.evaluate("x", qick=True), "qick: no such option."),
        (lambda m: m.evaluate("x", samples="9"), "samples: expected a whole number, got '9' (str)."),
        (lambda m: Drai.train("x", kimgs=3), "kimgs: no such option."),
        (lambda m: Drai.train("x", size=40), "--size 40: expected a multiple of 16 from 16 to 1024."),
    ],
)
def test_arguments_are_checked_before_anything_is_computed(model, call, said):
    with pytest.raises(UsageError) as caught:
        call(model)
    assert str(caught.value) == said
    if caught.value.hint:  # a traceback shows it, as the prompt does
        assert caught.value.__notes__ == [f"hint: {caught.value.hint}"]


def test_a_near_name_is_suggested(model):
    with pytest.raises(UsageError) as caught:
        model.evaluate("x", qick=True)
    assert caught.value.hint == "did you mean quick?"


def test_the_transform_makes_images_as_the_model_sees_them(model):
    import pickle

    picture = PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (40, 24, 3), np.uint8))
    transform = pickle.loads(pickle.dumps(model.transform))
    assert repr(transform).startswith("<ModelTransform to 16 px RGB")
    seen = transform(picture)
    assert (seen.shape, seen.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_array_equal(model.encode(seen).style, model.encode(picture).style)


@pytest.mark.usefixtures("quick_judge")
def test_training_and_evaluating_are_those_of_the_commands(tmp_path, monkeypatch):
    from drai_cli.workflows import evaluate as workflow
    from drai_cli.workflows.phantom import PhantomOptions, make_phantoms

    make_phantoms(PhantomOptions(tmp_path / "lesions", count=70, size=16))
    small = {"base_channels": 8, "max_channels": 8, "content_dim": 4, "style_dim": 4, "batch_size": 8}
    made = Drai.train(
        tmp_path / "lesions", out=str(tmp_path / "run"), size=16, kimg=0.016, device="cpu", cache_dir=tmp_path / "c",
        condition="hairs", **small,
    )  # fmt: skip
    assert made.header.architecture.image_size == 16
    assert [attribute.name for attribute in made.header.schema.attributes] == ["label", "hairs"]
    asked = []
    monkeypatch.setattr(workflow, "evaluate", lambda options, reporter: asked.append(options))
    made.evaluate(tmp_path / "lesions", metrics="fidelity", out=tmp_path / "report", quick=True)
    assert (asked[0].weights, asked[0].metrics, asked[0].quick) == (
        str(tmp_path / "run"),
        ("fidelity",),
        True,
    )
