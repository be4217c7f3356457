"""`swap-style`: a's content in b's style, of any image that a user may have, and nothing of theirs overwritten."""

from __future__ import annotations

import csv
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.io.image import Image, fit_to_square
from drai_cli.output.derived_images import scale_back
from drai_cli.workflows.swap_style import swap_style
from tests.support.reporters import Recorder


def pixels(path):
    with PillowImage.open(path) as picture:
        return np.array(picture)


def test_two_images_swap_both_ways(swap_options):
    result = swap_style(swap_options)
    names = ["a_in_style_of_b.png", "b_in_style_of_a.png"]
    assert sorted(os.listdir(swap_options.out)) == [*names, "figure.png"]
    assert list(result.images) == names
    first, second = (pixels(swap_options.out / name) for name in names)
    assert first.shape == (16, 16, 3)
    assert (first != second).any()
    marks = PillowImage.open(swap_options.out / names[0])
    marks.load()
    assert marks.text["synthetic"] == "yes"
    figure = PillowImage.open(swap_options.out / "figure.png")
    figure.load()
    assert min(figure.size) > 500
    assert figure.text["synthetic"] == "yes"


def test_it_is_the_generator_on_swapped_codes(swap_options):
    from drai_cli.api import Drai

    swap_style(swap_options)
    model = Drai.from_pretrained(swap_options.weights)
    a, b = model.encode(swap_options.content), model.encode(swap_options.style)
    np.testing.assert_array_equal(
        pixels(swap_options.out / "a_in_style_of_b.png"), model.generate(a.content, b.style)[0]
    )
    np.testing.assert_array_equal(
        pixels(swap_options.out / "b_in_style_of_a.png"), model.generate(b.content, a.style)[0]
    )


def test_default_folder_is_named_after_both(swap_options, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert str(swap_style(replace(swap_options, out=None)).out) == "swap_a_b"


def test_equal_stems_stay_apart(swap_options, tmp_path, picture):
    (tmp_path / "x").mkdir()
    picture(seed=5).save(tmp_path / "x" / "a.png")
    result = swap_style(replace(swap_options, style=tmp_path / "x" / "a.png"))
    assert result.images == ("a-1_in_style_of_a-2.png", "a-2_in_style_of_a-1.png")


@pytest.mark.parametrize(
    ("name", "convert", "suffix", "words"),
    [
        ("c.jpg", lambda p: p, ".png", ""),
        ("c.bmp", lambda p: p, ".png", ""),
        ("c.gif", lambda p: p.convert("P"), ".png", ""),
        ("c.tif", lambda p: p, ".tif", ""),
        ("c.png", lambda p: p.convert("L"), ".png", "grey"),
        ("c.png", lambda p: p.convert("P"), ".png", ""),
        ("c.png", lambda p: p.convert("1"), ".png", "grey"),
        ("c.png", lambda p: p.resize((40, 30)), ".png", "not square"),
        ("c.png", lambda p: PillowImage.merge("RGBA", (*p.split(), p.split()[0])), ".png", "transparent"),
        (
            "c.png",
            lambda p: PillowImage.fromarray(np.array(p.convert("L")).astype(np.uint16) * 257),
            ".png",
            "grey",
        ),
    ],
)
def test_kinds_and_modes(swap_options, tmp_path, picture, name, convert, suffix, words):
    convert(picture(seed=3)).save(tmp_path / name)
    heard = Recorder()
    result = swap_style(replace(swap_options, content=tmp_path / name), heard)
    assert result.images[0] == f"c_in_style_of_b{suffix}"
    with PillowImage.open(swap_options.out / result.images[0]) as made:
        assert made.size == (16, 16)
        assert made.mode == "RGB"
        if suffix == ".tif":
            assert "synthetic: yes" in made.tag_v2[270]
    assert (words in " ".join(heard.warnings)) if words else not heard.warnings


def test_sixteen_bit_grey_means_the_same_as_eight(swap_options, tmp_path, picture):
    grey = np.array(picture(seed=3).convert("L"))
    PillowImage.fromarray(grey).save(tmp_path / "eight.png")
    PillowImage.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    made = []
    for name in ("eight", "sixteen"):
        out = tmp_path / f"out-{name}"
        swap_style(replace(swap_options, content=tmp_path / f"{name}.png", out=out))
        made.append(pixels(out / f"{name}_in_style_of_b.png"))
    np.testing.assert_array_equal(*made)


def test_exif_orientation_is_applied(swap_options, tmp_path, picture):
    upright = picture(seed=3)
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turned by 270 degrees in the file
    upright.save(tmp_path / "upright.png")
    upright.transpose(PillowImage.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    made = []
    for name in ("upright", "turned"):
        out = tmp_path / f"out-{name}"
        swap_style(replace(swap_options, content=tmp_path / f"{name}.png", out=out))
        made.append(pixels(out / f"{name}_in_style_of_b.png"))
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_size_input_scales_back(swap_options, tmp_path, picture, fit):
    picture(30, 40, seed=3).save(tmp_path / "c.png")
    heard = Recorder()
    result = swap_style(replace(swap_options, content=tmp_path / "c.png", size="input", fit=fit), heard)
    made = pixels(swap_options.out / result.images[0])
    assert made.shape == (30, 40, 3)
    assert pixels(swap_options.out / result.images[1]).shape == (16, 16, 3)
    assert (made[:, :5].max() == 0) == (fit == "crop")
    assert any("no detail is added" in line for line in heard.warnings)


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize(("height", "width"), [(30, 40), (41, 30), (16, 16)])
def test_scale_back_undoes_the_fit(fit, height, width):
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows * 4, columns * 4, rows + columns], -1).astype(np.uint8)
    back = scale_back(fit_to_square(Image(image), 64, 3, fit), height, width, fit)
    inner = np.s_[12:-12, 12:-12] if height != width else np.s_[2:-2, 2:-2]
    assert np.abs(back[inner].astype(int) - image[inner]).max() <= 8


def test_pairs(swap_options, tmp_path, picture):
    (tmp_path / "sub").mkdir()
    picture(seed=4).save(tmp_path / "sub" / "c.tif")
    table = tmp_path / "pairs.csv"
    table.write_text("content,style\na.png,b.png\nsub/c.tif,a.png\na.png,b.png\n")
    result = swap_style(replace(swap_options, content=None, style=None, pairs=table))
    names = ["000000_a_in_style_of_b.png", "000001_c_in_style_of_a.tif", "000002_a_in_style_of_b.png"]
    assert sorted(os.listdir(swap_options.out)) == [*names, "metadata.csv"]
    with open(swap_options.out / "metadata.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file_name"] for row in rows] == names == list(result.images)
    assert rows[1] == {"file_name": names[1], "content": "c.tif", "style": "a.png"}
    swap_style(replace(swap_options, out=tmp_path / "two"))
    np.testing.assert_array_equal(
        pixels(swap_options.out / names[0]), pixels(tmp_path / "two" / "a_in_style_of_b.png")
    )


def test_many_pairs_give_what_one_gives(swap_options, tmp_path, picture):
    lines = ["content,style"]
    for number in range(20):
        picture(seed=number).save(tmp_path / f"i{number}.png")
        lines.append(f"i{number}.png,i{(number + 7) % 20}.png")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    swap_style(replace(swap_options, content=None, style=None, pairs=tmp_path / "pairs.csv"))
    swap_style(
        replace(swap_options, content=tmp_path / "i19.png", style=tmp_path / "i6.png", out=tmp_path / "one")
    )
    many = pixels(swap_options.out / "000019_i19_in_style_of_i6.png")
    np.testing.assert_array_equal(many, pixels(tmp_path / "one" / "i19_in_style_of_i6.png"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("content\na.png\n", "'style'"),
        ("content,style\na.png,gone.png\n", "row 1, style: no such file"),
        ("content,style\na.png,b.png\n,b.png\n", "row 2, content: expected a file name"),
    ],
)
def test_tables_that_cannot_be_followed(swap_options, tmp_path, text, words):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        swap_style(replace(swap_options, content=None, style=None, pairs=tmp_path / "pairs.csv"))
    assert not swap_options.out.exists()


def test_a_broken_image_is_found_before_anything_is_written(swap_options, tmp_path):
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"b\.png"):
        swap_style(swap_options)
    assert not swap_options.out.exists()


def test_nothing_is_overwritten(swap_options):
    swap_style(swap_options)
    before = (swap_options.out / "figure.png").read_bytes()
    with pytest.raises(OverwriteError, match="not empty"):
        swap_style(swap_options)
    swap_style(replace(swap_options, overwrite=True))
    assert (swap_options.out / "figure.png").read_bytes() == before
    assert len(os.listdir(swap_options.out)) == 3


@pytest.fixture
def drawn(monkeypatch):
    """The panels and swap_options of each figure that is drawn."""
    from drai_cli.workflows import swap_style as module

    drawn = []
    draw = module.draw_figure
    monkeypatch.setattr(
        module,
        "draw_figure",
        lambda panels, *given, **named: drawn.append((panels, named)) or draw(panels, *given),
    )
    return drawn


def test_the_figure_shows_reconstructions_beside_the_inputs(swap_options, drawn):
    from drai_cli.api import Drai

    swap_style(swap_options)
    ((panels, named),) = drawn
    assert [caption for caption, _ in panels] == [
        "a: a.png", "a, reconstructed (synthetic)", "content of a, style of b (synthetic)",
        "b: b.png", "b, reconstructed (synthetic)", "content of b, style of a (synthetic)",
    ]  # fmt: skip
    assert "the label (dx)" in named["note"]
    model = Drai.from_pretrained(swap_options.weights)
    codes = model.encode([swap_options.content, swap_options.style])
    again = model.generate(codes.content, codes.style)
    np.testing.assert_array_equal([panels[1][1], panels[4][1]], again)


def test_the_figure_has_the_labels_of_the_runs_own_judge(swap_options, drawn, monkeypatch):
    from drai_cli.workflows import swap_style as module

    monkeypatch.setattr(
        module, "find_own_judge", lambda *_: lambda images: [f"label {n}" for n in range(len(images))]
    )
    swap_style(swap_options)
    ((panels, named),) = drawn
    assert [caption for caption, _ in panels][::5] == [
        "a: a.png, judged label 0", "content of b, style of a (synthetic), judged label 5",
    ]  # fmt: skip
    assert "classifier of real images" in named["note"]


def test_a_failure_leaves_nothing(swap_options, monkeypatch):
    from drai_cli.workflows import swap_style as module

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "draw_figure", full)
    with pytest.raises(InputError, match="no space left"):
        swap_style(swap_options)
    assert not swap_options.out.exists()


def test_two_images_or_a_table(swap_options, tmp_path):
    for wrong in (
        replace(swap_options, style=None),
        replace(swap_options, content=None),
        replace(swap_options, pairs=tmp_path / "p.csv"),
    ):
        with pytest.raises(UsageError):
            swap_style(wrong)
