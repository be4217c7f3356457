"""`interpolate`: walks whose ends are exact, in files that say what they are, and grids."""

from __future__ import annotations

import csv
import os
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.api import Drai
from drai_cli.errors import OverwriteError, UsageError, WeightsError
from drai_cli.io.read import read_stack
from drai_cli.output import walk_pictures
from drai_cli.output.marks import read_marks
from drai_cli.progress import Reporter, Task
from drai_cli.settings.image_options import InterpolateOptions
from drai_cli.workflows import interpolate as workflow
from drai_cli.workflows.interpolate import interpolate


@pytest.fixture
def options(tmp_path, tiny_model):
    paths = []
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        PillowImage.fromarray(small).resize((16, 16), PillowImage.Resampling.BILINEAR).save(tmp_path / name)
        paths.append(tmp_path / name)
    return InterpolateOptions(tuple(paths[:2]), out=tmp_path / "out", weights=str(tiny_model))


@pytest.fixture
def model(tiny_model):
    return Drai.from_pretrained(tiny_model)


def pixels(path):
    with PillowImage.open(path) as picture:
        return np.array(picture)


def frames(options):
    result = interpolate(options)
    return [pixels(options.out / name) for name in result.images]


@pytest.mark.parametrize("along", ["style", "content", "both"])
@pytest.mark.parametrize("even", [False, True])
def test_the_ends_are_what_the_model_makes_of_the_codes(options, model, along, even):
    made = frames(replace(options, along=along, even=even, steps=5))
    codes = model.encode(list(options.images))
    end = (0 if along == "style" else 1, 0 if along == "content" else 1)
    expected = model.generate(codes.content[[0, end[0]]], codes.style[[0, end[1]]])
    assert (made[0] == expected[0]).all()
    assert (made[-1] == expected[1]).all()
    assert len(made) == 5


def test_an_animation_is_drawn_in_a_stage_that_says_so(options, monkeypatch):
    open_stages = []

    class Heard(Reporter):
        @contextmanager
        def stage(self, name, total, unit):
            open_stages.append(name)
            yield Task()
            open_stages.remove(name)

    seen = []
    monkeypatch.setattr(workflow, "animate", lambda *_: seen.append(list(open_stages)) or b"")
    interpolate(replace(options, out=options.out.with_suffix(".gif"), steps=3), Heard())
    assert seen == [["drawing out.gif"]]


def test_even_steps_are_even(options):
    plain = interpolate(replace(options, steps=7))
    even = interpolate(replace(options, out=options.out.with_name("even"), steps=7, even=True))
    assert even.unevenness < 0.02 < plain.unevenness
    assert len(even.distances) == 6
    assert (even.positions[0], even.positions[-1]) == (0, 1)


def test_between_labels_the_first_frame_is_what_sample_makes(options, model):
    walk = replace(options, images=(), from_label="melanoma", to_label="nv", seed=3, steps=4)
    made = frames(walk)
    assert (made[0] == model.sample("mel", 1, seed=3)[0]).all()
    assert not (made[0] == made[-1]).all()
    styled = replace(walk, style_from=options.images[1], out=options.out.with_name("styled"))
    codes = model.encode(options.images[1])
    other = frames(styled)
    assert not (other[0] == made[0]).all()
    assert (other[0] == model.sample("mel", 1, seed=3, style_from=options.images[1])[0]).all()
    assert codes.style.shape == (1, 6)


def test_a_folder_has_a_table_and_every_frame_says_that_it_is_synthetic(options):
    interpolate(replace(options, along="style", steps=3))
    with open(options.out / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["position"] for row in rows] == ["0", "0.5", "1"]
    assert {(row["along"], row["from"], row["to"]) for row in rows} == {("style", "a.png", "b.png")}
    assert sorted(os.listdir(options.out)) == [f"frame_00000{i}.png" for i in range(3)] + ["metadata.csv"]
    for index, row in enumerate(rows):
        marks = read_marks(options.out / row["file_name"])
        assert (marks["synthetic"], marks["made_by"], marks["index"]) == ("yes", "interpolate", str(index))
        assert len(marks["weights_sha256"]) == 64
        assert "a.png" not in str(marks)


@pytest.mark.parametrize("name", ["strip.png", "walk.gif", "walk.mp4", "grid.png"])
def test_one_file(options, name):
    if name.endswith("mp4"):
        pytest.importorskip("av")
    out = options.out.with_name(name)
    interpolate(replace(options, out=out, steps=5, grid=name == "grid.png"))
    if name == "walk.mp4":
        import av

        with av.open(str(out)) as container:
            assert "synthetic: yes" in container.metadata["comment"]
            assert sum(1 for _ in container.decode(video=0)) == 16
    else:
        with PillowImage.open(out) as picture:
            assert getattr(picture, "n_frames", 1) == (8 if name == "walk.gif" else 1)
            assert "yes" in str(picture.info.get("synthetic", picture.info.get("comment")))
            assert ("real images" in picture.info.get("shows", "")) == (name == "grid.png")
    with pytest.raises(OverwriteError, match="exists already"):
        interpolate(replace(options, out=out, grid=name == "grid.png"))
    interpolate(replace(options, out=out, grid=name == "grid.png", overwrite=True))


def test_an_animation_goes_there_and_back_and_pauses_at_the_ends(options):
    out = options.out.with_name("walk.gif")
    result = interpolate(replace(options, out=out))
    assert len(result.positions) == 30
    with PillowImage.open(out) as picture:
        assert picture.n_frames == 58
        shown, durations = [], []
        for number in range(58):
            picture.seek(number)
            durations.append(picture.info["duration"])
            shown.append(np.asarray(picture.convert("RGB")).astype(int))
    assert (durations[0], durations[1], durations[29]) == (500, 100, 500)
    assert max(np.abs(shown[k] - shown[58 - k]).mean() for k in range(1, 29)) < 1


def test_captions_say_what_is_shown(options, monkeypatch):
    captions = []
    draw = walk_pictures.draw_figure

    def keep(panels, *given, **named):
        captions.append([caption for caption, _ in panels])
        return draw(panels, *given, **named)

    monkeypatch.setattr(walk_pictures, "draw_figure", keep)
    for along in ("both", "style", "content"):
        interpolate(replace(options, out=options.out.with_name(f"{along}.png"), along=along, steps=3))
    interpolate(replace(options, out=options.out.with_name("grid.png"), grid=True))
    assert captions == [
        ["a, reconstructed", "0.50", "b, reconstructed"],
        ["a, reconstructed", "0.50", "content of a, style of b"],
        ["a, reconstructed", "0.50", "content of b, style of a"],
        ["", "content of a.png", "content of b.png", "style of a.png", "", "", "style of b.png", "", ""],
    ]


def test_without_the_extra_mp4_names_it(options, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UsageError) as raised:
        interpolate(replace(options, out=options.out.with_name("walk.mp4")))
    assert "drai-cli[video]" in raised.value.hint
    assert not options.out.with_name("walk.mp4").exists()


def test_a_grid_has_contents_across_and_styles_down(options, model):
    a, b = options.images
    c = a.with_name("c.png")
    made = frames(replace(options, grid=True, images=(a, b, c), style=(b, c)))
    codes = model.encode([a, b, c])
    expected = model.generate(codes.content[[0, 1, 2, 0, 1, 2]], codes.style[[1, 1, 1, 2, 2, 2]])
    assert (np.stack(made) == expected).all()
    with open(options.out / "metadata.csv", newline="") as file:
        rows = [(row["content"], row["style"]) for row in csv.DictReader(file)]
    assert rows == [(x, y) for y in ("b.png", "c.png") for x in ("a.png", "b.png", "c.png")]


def test_frames_keep_the_kind_and_place_of_the_first_image(options, tmp_path, make_dicom, place):
    first = make_dicom(tmp_path / "a.dcm", np.arange(400, dtype=np.uint8).reshape(20, 20), **place((1, 2, 3)))
    result = interpolate(replace(options, images=(first, options.images[1]), steps=3))
    assert [name.rsplit(".", 1)[1] for name in result.images] == ["dcm"] * 3
    stacks = [read_stack(options.out / name) for name in result.images]
    assert all(stack.geometry is not None for stack in stacks)
    assert read_marks(options.out / result.images[0])["synthetic"] == "yes"
    nifti = interpolate(replace(options, out=tmp_path / "n", steps=2, format="nifti"))
    assert nifti.images[0] == "frame_000000.nii.gz"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": ()}, "expected two images or two labels"),
        ({"from_label": "mel"}, "expected both labels"),
        ({"from_label": "mel", "to_label": "nv"}, "expected two images or two labels, got both"),
        ({"steps": 1}, "from 2 to"),
        ({"fps": 0}, "from 0.01 to 100"),
        ({"style": ("x.png",)}, "is for a grid"),
        ({"grid": True, "images": ()}, "expected images"),
        ({"grid": True, "style_from": "x.png"}, "between labels"),
        ({"style_from": "x.png"}, "between labels"),
        (
            {"images": (), "from_label": "mel", "to_label": "nv", "along": "style"},
            "only content changes between labels",
        ),
    ],
)
def test_what_contradicts_is_said_before_anything_is_read(options, change, words):
    with pytest.raises(UsageError) as raised:
        interpolate(replace(options, **change))
    assert words in f"{raised.value} {raised.value.hint}"
    assert not options.out.exists()


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("walk.jpg", {}, "expected one of"),
        ("walk.png", {"format": "dicom"}, "in a folder"),
        ("g.gif", {"grid": True}, "a grid cannot be an animation"),
    ],
)
def test_outputs_that_cannot_be(options, name, more, words):
    with pytest.raises(UsageError, match=words):
        interpolate(replace(options, out=options.out.with_name(name), **more))


def test_api(model, options):
    images = model.interpolate(*options.images, along="content", steps=3, even=True)
    assert images.shape == (3, 16, 16, 3)
    with pytest.raises(UsageError):
        model.interpolate(*options.images, along="colour")


def test_without_inferred_content_a_walk_is_between_labels(options, model_of, tmp_path):
    style_alone = replace(options, weights=str(model_of("cinfogan")))
    for asked in (style_alone, replace(style_alone, grid=True)):
        with pytest.raises(WeightsError, match="cinfogan infers no content") as caught:
            interpolate(asked)
        assert "--from-label" in caught.value.hint
    labels = {"images": (), "from_label": "mel", "to_label": "nv"}
    made = frames(replace(style_alone, **labels, style_from=options.images[0], steps=3))
    model = Drai.from_pretrained(style_alone.weights)
    np.testing.assert_array_equal(made[0], model.sample("mel", style_from=options.images[0])[0])
    assert frames(replace(options, **labels, weights=str(model_of("cgan")), out=tmp_path / "cgan"))
