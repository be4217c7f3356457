"""`sample --sheet`: rows of labels with names, of any output, and nothing of it changes the output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import OverwriteError, UsageError
from drai_cli.output.marks import read_marks
from drai_cli.sampling import copy_filter, sheet
from drai_cli.workflows.sample import preview_sample, sample
from tests.workflows.sample_checks import Heard, contents, rows
from tests.workflows.test_sample_tars import Copies


@pytest.fixture
def asked(options, tmp_path):
    return replace(options, label=None, count=None, per_class=3, sheet=tmp_path / "sheets" / "s.png")


@pytest.fixture
def drawn(monkeypatch):
    """The figures drawn: panels, columns and row names."""
    kept, draw = [], sheet.draw_figure

    def keep(panels, columns, side, **named):
        kept.append(([image for _, image in panels], columns, named["row_names"]))
        return draw(panels, columns, side, **named)

    monkeypatch.setattr(sheet, "draw_figure", keep)
    return kept


@pytest.mark.parametrize("format", ["png", "dicom", "npz", "webdataset"])
def test_rows_are_labels_and_show_the_images_of_the_output(asked, drawn, tmp_path, format):
    sample(replace(asked, format=format))
    ((images, columns, names),) = drawn
    assert (len(images), columns, names) == (6, 3, ["mel", "nv"])
    plain = replace(asked, out=tmp_path / "png", sheet=None)
    sample(plain)
    expected = [np.array(PillowImage.open(plain.out / row["file_name"])) for row in rows(plain.out)]
    np.testing.assert_array_equal(images, expected)
    assert read_marks(asked.sheet)["synthetic"] == "yes"
    with PillowImage.open(asked.sheet) as picture:
        assert 3 * 96 < picture.width < 4 * 96 + 32


def test_rows_have_one_length(asked, drawn, tmp_path):
    table = tmp_path / "real.csv"
    table.write_text("dx\n" + "nv\n" * 2 + "mel\n" * 30)
    sample(replace(asked, per_class=None, like=table))
    ((images, columns, names),) = drawn
    assert (columns, names) == (8, ["mel", "", "nv"])
    assert [bool((image == 255).all()) for image in images] == [False] * 18 + [True] * 6


def test_a_sheet_changes_no_byte_of_the_output_and_is_drawn_afterwards_too(asked, tmp_path):
    plain = replace(asked, out=tmp_path / "plain", sheet=None)
    sample(plain)
    sample(asked)
    assert contents(asked.out) == contents(plain.out)
    before = asked.sheet.read_bytes()
    assert sample(asked).made == 0
    asked.sheet.unlink()
    assert sample(asked).made == 0
    assert asked.sheet.read_bytes() == before


def test_the_last_part_draws_it(asked):
    heard = Heard()
    sample(replace(asked, shard="2/2"), heard)
    assert not asked.sheet.exists()
    assert any("drawn by the command that completes the job" in line for line in heard.lines)
    sample(replace(asked, shard="1/2"))
    assert asked.sheet.exists()


@pytest.mark.parametrize("share", [3, 1])
def test_copies_are_not_shown(asked, drawn, tmp_path, monkeypatch, share):
    monkeypatch.setattr(copy_filter, "load_training_copies", lambda *_: Copies(share))
    options = replace(asked, label="mel", per_class=None, count=40, reject_copies=True, train_data=tmp_path)
    result = sample(options)
    assert result.rejected > 0
    ((images, _, names),) = drawn
    if share == 1:
        assert names == ["no images"]
    else:
        assert len(images) == 32 - 8 * (40 - result.rejected <= 24)
        assert names[0] == "mel"
        assert not any(
            Copies(share).find(np.stack([image]))[0] for image in images if not (image == 255).all()
        )


@pytest.mark.parametrize("run", [sample, preview_sample])
def test_what_cannot_be_is_said_before_the_work(asked, tmp_path, run):
    for path, words in ((tmp_path / "s.jpg", r"ends in \.png"), (asked.out / "s.png", "outside of --out")):
        with pytest.raises(UsageError, match=words):
            run(replace(asked, sheet=path))
    asked.sheet.parent.mkdir()
    asked.sheet.write_text("mine")
    with pytest.raises(OverwriteError, match="exists already"):
        run(asked)
    assert not asked.out.exists()


def test_another_file_is_not_replaced_after_the_work(asked):
    sample(replace(asked, sheet=None))
    asked.sheet.parent.mkdir()
    asked.sheet.write_text("mine")
    with pytest.raises(OverwriteError, match="another file has this name"):
        sample(asked)
    assert asked.sheet.read_text() == "mine"
    sample(replace(asked, overwrite=True))
    assert asked.sheet.read_bytes().startswith(b"\x89PNG")
