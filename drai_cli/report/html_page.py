"""What every HTML page of drai is made of: the shell, escaping, tables, definitions and figures.

A page is one file that loads nothing: no scripts, no fonts, images as data. Knows nothing of what is on it.
"""

from __future__ import annotations

import base64
import html
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drai_cli.report.findings import Figure
from drai_cli.report.html_style import STYLE
from drai_cli.report.wording import words

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# Controls, lone surrogates (undecodable file names), and what would reorder text beyond its own element.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff]")
_NARROWEST_PX = 240  # a caption needs room
_PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def escape(text: object) -> str:
    """Text for anywhere in a page, attributes included; what cannot be seen is spelled out."""
    seen = _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), str(text))
    return html.escape(seen, quote=True)


def isolated(text: object) -> str:
    """A name from outside (a label, a file), kept from changing the direction of the text around it."""
    return f"<bdi>{escape(text)}</bdi>"


def page(title: str, body: str) -> str:
    """A whole document around the contents of its `main`."""
    return (
        "<!DOCTYPE html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def table(caption: str, head: str, bodies: Iterable[str], name: str, kind: str, foot: str = "") -> str:
    """A table in a box of its own that scrolls where the page is too narrow.

    Args:
        caption: HTML.
        head: Cells of the head's one row, as HTML.
        bodies: Groups of rows that are not torn apart in print, as HTML; they may be empty.
        name: Unique on the page.
        kind: Class of the table and its box.
        foot: Rows below all groups, as HTML.
    """
    groups = "\n".join(f"<tbody>\n{body}</tbody>" for body in bodies if body)
    groups += f"\n<tfoot>\n{foot}</tfoot>" if foot else ""
    return (
        f'<div class="scroll {kind}" role="region" aria-labelledby="{name}" tabindex="0">\n<table class="{kind}">\n'
        f'<caption id="{name}"><div class="caption">{caption}</div></caption>\n'
        f"<thead>\n<tr>{head}</tr>\n</thead>\n{groups}\n</table>\n</div>\n"
    )


def definitions(entries: Iterable[tuple[str, str]], kind: str = "facts") -> str:
    """Terms and what they are, both HTML; nothing for none."""
    rows = "".join(f"<div><dt>{term}</dt><dd>{meaning}</dd></div>\n" for term, meaning in entries)
    return f'<dl class="{kind}">\n{rows}</dl>\n' if rows else ""


def settings_list(settings: Mapping[str, Any]) -> str:
    """Settings as definitions, names with their underscores read as spaces."""
    return definitions(
        (escape(str(name).replace("_", " ")), isolated(words(value))) for name, value in settings.items()
    )


def note(kind: str, head: str, texts: Sequence[str]) -> str:
    """A remark set apart: one text as a paragraph, more as a list; nothing for none."""
    if not texts:
        return ""
    if len(texts) == 1:
        return f'<p class="note {kind}"><strong>{escape(head)}</strong> {escape(texts[0])}</p>\n'
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<div class="note {kind}"><p><strong>{escape(head)}</strong></p><ul>{items}</ul></div>\n'


def figures_block(figures: Sequence[Figure], first: int, arrangement: str = "flowing") -> str:
    """Figures, numbered from `first`; nothing for none.

    Args:
        figures: In the order to show them.
        first: Number of the first.
        arrangement: `flowing`: at their own size, as many in a row as there is room for; `beside-each-other`:
            in columns of one width, to be compared.

    Raises:
        ValueError: A figure is no PNG file.
    """
    if not figures:
        return ""
    shown = "".join(_figure(figure, first + index) for index, figure in enumerate(figures))
    return f'<div class="figures {arrangement}">\n{shown}</div>\n'


def _figure(figure: Figure, index: int) -> str:
    width, height = png_size(figure.png)
    data = base64.b64encode(figure.png).decode("ascii")
    return (
        f'<figure style="width: {max(width, _NARROWEST_PX)}px">\n'
        f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{escape(figure.title)}">\n'
        f"<figcaption><strong>Figure {index}. {isolated(figure.title)}.</strong> {escape(figure.caption)}"
        "</figcaption>\n</figure>\n"
    )


def png_size(png: bytes) -> tuple[int, int]:
    """Width and height as a PNG file's header states them.

    Raises:
        ValueError: It is no PNG file.
    """
    if not png.startswith(_PNG_HEAD) or len(png) < 24:
        raise ValueError("a figure that is no PNG file")
    width, height = struct.unpack(">II", png[16:24])
    return width, height
