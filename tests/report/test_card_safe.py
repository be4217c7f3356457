"""A card shows what strangers wrote as text: no script, no image of theirs, no escape sequence, no broken table."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from drai_cli.conditions.schema import Attribute, ConditionSchema
from drai_cli.model_file.checkpoint import read_header
from drai_cli.report.model_card import model_card
from drai_cli.report.wording import markdown_code

HOSTILE = (
    "<script>alert(1)</script>", "![x](http://evil/x.png)", "a`b``c", "`", "\x1b[2Jred", "\u202etxt.exe", "a|b",
    "[x](javascript:1)", "<img src=x onerror=1>", "# title", "---", "a\nb", "&lt;script&gt;",
)  # fmt: skip


def without_code(text: str) -> str:
    """Without code spans, which end with their paragraph at the latest."""
    span = re.compile(r"(?<![`\\])(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
    return "\n\n".join(span.sub("", paragraph) for paragraph in text.split("\n\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_and_texts_are_text(tiny_model, text):
    header = read_header(tiny_model)
    label = Attribute("dx", "categorical", (text, "nv"), {"alias " + text: "nv"})
    schema = ConditionSchema((label, Attribute(text, "continuous")))
    training = {"label_counts": {text: 3, "nv": 9}, "images_seen": 5, "seed": text, "images": {"train": text}}
    header = replace(
        header, schema=schema, training=training, data=f"Data {text}", licence=text, intended_use=f"Use {text}",
        measures={"test": {text: 0.5, "fidelity": {"numbers": {text: 1.0}, "cautions": [text]}}},
    )  # fmt: skip
    card = model_card(header, f"name {text}", "samples.png")
    body = card.split("\n---\n", 1)[1]
    assert not [c for c in body if c != "\n" and not c.isprintable()]
    shown = without_code(body)
    assert "<" not in shown.replace("&lt;", "")
    assert re.findall(r"(?<!\\)!\[[^\]]*\]\(([^)]*)\)", shown) == ["samples.png"]
    tables = [line for line in body.splitlines() if line.startswith("| ")]
    assert tables


@pytest.mark.parametrize("text", ["`", "a`b", "``", "a ``` b", "", "plain"])
def test_code_spans_hold_any_backticks(text):
    made = markdown_code(text)
    fence = re.match("`+", made)[0]
    assert made.endswith(fence)
    assert fence not in made[len(fence) : -len(fence)].split(" ") or text == ""
