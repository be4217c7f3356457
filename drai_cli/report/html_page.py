"""Renders drai's HTML pages from `templates/`, every value escaped.

A page is one file that loads nothing: no scripts, no fonts, images as data. What is on a page is its module's to know.
"""

from __future__ import annotations

import base64
import re
import struct
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from drai_cli.report.wording import (
    BEST,
    DASH,
    DIRECTIONS,
    OF_A_RUN,
    STANDINGS,
    count,
    number,
    number_with_spread,
    words,
)

TEMPLATES = Path(__file__).with_name("templates")
# Controls, lone surrogates (undecodable file names), and characters that reorder text beyond their own element.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]")
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def render(template: str, **values: Any) -> str:
    """A template with these values; the same bytes for the same values."""
    return _ENVIRONMENT.get_template(template).render(values)


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height from a PNG file's header.

    Raises:
        ValueError: It is not a PNG file.
    """
    if not png.startswith(_PNG_HEAD) or len(png) < 24:
        raise ValueError("a figure that is not a PNG file")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def _spell_unseen(value: Any) -> Any:
    """Text with the characters that cannot be seen spelled out; jinja2 escapes the rest."""
    if hasattr(value, "__html__"):
        return value
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), str(value))


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, finalize=_spell_unseen, undefined=StrictUndefined,
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
)  # fmt: skip
_ENVIRONMENT.globals |= {
    "BEST": BEST,
    "DASH": DASH,
    "DIRECTIONS": DIRECTIONS,
    "OF_A_RUN": OF_A_RUN,
    "STANDINGS": STANDINGS,
}
_ENVIRONMENT.filters |= {
    "base64": lambda data: base64.b64encode(data).decode("ascii"),
    "count": count,
    "number": number,
    "places": "{:.2f}".format,
    "png_size": png_size,
    "spread": lambda measure: number_with_spread(measure.value, measure.low, measure.high),
    "words": words,
}
