"""`swap-style` and labels: where content is not inferred, and where a label is changed."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import UsageError, WeightsError
from drai_cli.workflows.swap_style import swap_style
from tests.support.reporters import Recorder


def pixels(path):
    with PillowImage.open(path) as picture:
        return np.array(picture)


def test_a_model_without_encoder_says_so(swap_options, model_of):
    with pytest.raises(WeightsError, match="no encoder"):
        swap_style(replace(swap_options, weights=str(model_of("cgan"))))


@pytest.mark.parametrize("method", ["cinfogan", "cavae"])
def test_where_content_is_not_inferred_the_labels_give_it(swap_options, model_of, method):
    from drai_cli.api import Drai

    weights = str(model_of(method))
    swap_style(replace(swap_options, weights=weights, label_a="melanoma", label_b="nv"))
    model = Drai.from_pretrained(weights)
    assert model.encode([swap_options.content, swap_options.style]).content is None
    # A label's content has no deviation, so samples in the style of an image are the swaps.
    for label, source, name in (("mel", 1, "a_in_style_of_b"), ("nv", 0, "b_in_style_of_a")):
        other = (swap_options.content, swap_options.style)[source]
        expected = model.sample(label, 1, seed=5, style_from=other)[0]
        np.testing.assert_array_equal(pixels(swap_options.out / f"{name}.png"), expected)
    made = model.swap_style(swap_options.content, swap_options.style, label_a="mel", label_b="nv")
    np.testing.assert_array_equal(made[1], pixels(swap_options.out / "b_in_style_of_a.png"))


def test_pairs_give_labels_in_a_column(swap_options, model_of, tmp_path):
    weights = str(model_of("cavae"))
    table = tmp_path / "pairs.csv"
    table.write_text("content,style,content_label\na.png,b.png,mel\nb.png,a.png,nv\n")
    swap_style(replace(swap_options, content=None, style=None, pairs=table, weights=weights))
    swap_style(replace(swap_options, weights=weights, label_a="mel", label_b="nv", out=tmp_path / "two"))
    # The same table serves a model that needs no labels.
    swap_style(replace(swap_options, content=None, style=None, pairs=table, out=tmp_path / "drai"))
    for number, name in enumerate(("a_in_style_of_b", "b_in_style_of_a")):
        one, other = swap_options.out / f"{number:06d}_{name}.png", tmp_path / "two" / f"{name}.png"
        np.testing.assert_array_equal(pixels(one), pixels(other))


def test_labels_are_asked_for_where_they_are_needed_alone(swap_options, model_of, tmp_path):
    style_alone = replace(swap_options, weights=str(model_of("cinfogan")))
    with pytest.raises(UsageError, match=r"--label-b: this model \(cinfogan\) infers no content") as caught:
        swap_style(replace(style_alone, label_a="mel"))
    assert caught.value.hint == "--label-a mel --label-b nv"
    with pytest.raises(UsageError, match="nevus"):
        swap_style(replace(style_alone, label_a="mel", label_b="nevus"))
    with pytest.raises(UsageError, match="--label-a: this model infers content"):
        swap_style(replace(swap_options, label_a="mel"))
    (tmp_path / "pairs.csv").write_text("content,style\na.png,b.png\n")
    of_table = replace(style_alone, content=None, style=None, pairs=tmp_path / "pairs.csv")
    with pytest.raises(UsageError, match="row 1, content_label: this model") as caught:
        swap_style(of_table)
    assert "column content_label" in caught.value.hint
    with pytest.raises(UsageError, match="contradicts labels"):
        swap_style(replace(of_table, label_a="mel"))
    assert not swap_options.out.exists()


def test_a_finding_is_added_and_another_removed(swap_options, chest_model):
    heard = Recorder()
    asked = replace(swap_options, weights=str(chest_model), to_label="mass", without="Edema")
    result = swap_style(asked, heard)
    assert set(result.labels) == set(result.images)
    for _, after in result.labels.values():
        shown = after.split("|")
        assert "Mass" in shown
        assert "Edema" not in shown
    picture = PillowImage.open(swap_options.out / result.images[0])
    picture.load()
    assert picture.text["label"] == result.labels[result.images[0]][1]
    plain = swap_style(replace(asked, to_label=None, without=None, out=swap_options.out.parent / "plain"))
    assert plain.labels == {}
    assert (pixels(swap_options.out / result.images[0]) != pixels(plain.out / plain.images[0])).any()


def test_a_table_of_pairs_says_what_became_of_each_label(swap_options, tmp_path):
    table = tmp_path / "pairs.csv"
    table.write_text("content,style\na.png,b.png\nb.png,b.png\n")
    result = swap_style(replace(swap_options, content=None, style=None, pairs=table, to_label="melanoma"))
    with (result.out / "metadata.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["mel", "mel"]
    assert [row["content_label"] for row in rows] == [before for before, _ in result.labels.values()]


def test_without_is_for_findings_only(swap_options):
    with pytest.raises(UsageError, match="set of findings"):
        swap_style(replace(swap_options, without="mel"))
