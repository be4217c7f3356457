"""Figures: what stands where."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import ImageFont

from drai_cli.output.figure import _shorten, _wrap, add_row_names, draw_figure, enlarge, label_column
from drai_cli.training.grid import row_names


def test_a_label_called_label_is_not_named_twice():
    assert [f"the label{label_column(name)}" for name in ("dx", "label")] == ["the label (dx)", "the label"]


@pytest.mark.parametrize("channels", [1, 3])
def test_each_row_has_its_name_to_its_left(channels):
    sheet = np.random.default_rng(0).integers(0, 256, (3 * 18 - 2, 40, channels), np.uint8)
    named = add_row_names(
        sheet, ["nv", "", "a very long name of a lesion that no margin of a grid has room for"], 18
    )
    margin = named.shape[1] - sheet.shape[1]
    assert (named[:, margin:] == sheet).all()
    assert 0 < margin < 200
    has_ink = [bool((named[row * 18 : row * 18 + 16, :margin] < 128).any()) for row in range(3)]
    assert has_ink == [True, False, True]


def test_rows_without_an_encoder_are_samples_alone():
    assert row_names(["mel", "nv"], has_encoder=False) == ["mel", "nv"]
    assert row_names(["nv"], has_encoder=True) == [
        "nv", "real", "reconstructed", "content of real 1", "content of real 2", "content of real 3",
    ]  # fmt: skip
    assert len(row_names([str(k) for k in range(40)], has_encoder=True)) == 12 + 5


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_enlarged_smoothly_to_one_size_and_never_shrunk(channels):
    step = np.zeros((10, 20, channels), np.uint8)
    step[:, 10:] = 200
    large = enlarge(step, 256)
    assert large.shape == (128, 256, channels)
    assert len(np.unique(large)) > 10  # the step has become a slope
    assert (enlarge(step, 16) == step).all()
    assert (enlarge(step.astype(np.uint16) * 257, 16) == step).all()


def ink(figure: np.ndarray) -> np.ndarray:
    return (figure < 128).all(2)


def test_a_long_caption_takes_further_lines_and_rows_keep_their_names():
    images = [np.full((16, 16, 1), 255, np.uint8)] * 4
    short = draw_figure([("a", image) for image in images], 2, 100)
    long = draw_figure([("content of a_name_of_a_file.png", image) for image in images], 2, 100)
    assert len(long) > len(short)
    assert ink(short[16:116]).sum() == 0
    assert ink(short[116:140, 16:]).any()
    named = draw_figure([("", image) for image in images], 2, 100, row_names=["mel", "nv"], note="a note")
    assert named.shape[1] > short.shape[1]
    middles = [16 + 50, 16 + 108 + 50]
    assert all(ink(named[middle - 8 : middle + 8, :60]).any() for middle in middles)
    assert ink(named[-40:]).any()


def test_each_word_of_a_caption_is_kept_where_it_fits():
    font = ImageFont.load_default(15)
    assert _wrap("content of mel_000000.png", font, 160, 3) == ["content of", "mel_000000.png"]
    assert _wrap("", font, 160, 3) == []
    (line,) = _wrap("x" * 60, font, 160, 3)
    assert "…" in line
    assert font.getlength(line) <= 160
    assert len(_wrap("a b c " * 30, font, 30, 2)) == 2


@pytest.mark.parametrize("text", ["x" * 2_000_000, "\u0301" * 2_000_000, "word " * 400_000])
def test_a_text_of_any_length_is_shortened_at_once(text):
    font = ImageFont.load_default(15)
    start = time.process_time()
    lines = [*_wrap(text, font, 160, 3), _shorten(text, font, 160)]
    assert time.process_time() - start < 2
    assert all(font.getlength(line) <= 160 for line in lines)
