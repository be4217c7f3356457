"""Numbers and settings as text for pages, tables and the command's output."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from drai_cli.errors import printable
from drai_cli.report.findings import Better, Standing

MINUS, DASH, BEST = "−", "–", "★"
DIGITS = 3
_SPREAD_DIGITS = 2
DIRECTIONS: dict[Better, tuple[str, str]] = {
    "lower": ("↓", "lower is better"),
    "higher": ("↑", "higher is better"),
    "baseline": ("→", "nearest to the baseline is better"),
}
"""Sign and words for which way is better."""
STANDINGS: dict[Standing, str] = {"good": "●", "near": "◐", "inconclusive": "?", "poor": "○"}
"""A sign for each word, so that they differ by more than colour."""
OF_A_RUN: dict[str, str] = {"good": "good", "near": "close to good", "poor": "poor"}
"""How the standing of a run's measure is called: there is no baseline to be near to."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None) -> str:
    """Three significant digits, a minus sign, no negative zero; a dash for unknown values.

    From 1,000 up all digits before the point are shown, in groups of three; from a million up and below 0.0001 the
    number has a power of ten. Zero itself is `0`.
    """
    return DASH if value is None else _format(value, _scale([value]))


def number_with_spread(value: float | None, *ends: float | None) -> tuple[str, ...]:
    """A number and the ends of its interval, all with the same decimal places.

    They are the number's own, or, where the number is small compared with its interval, those of two digits of the
    interval's longer side: 0.001 in [-0.02, 0.03] does not have three significant digits.
    """
    if value is None or not math.isfinite(value):
        return tuple(map(number, (value, *ends)))
    scale = _scale([value], [end - value for end in ends if end is not None and math.isfinite(end)])
    return tuple(DASH if each is None else _format(each, scale) for each in (value, *ends))


def mean_and_deviation(mean: float | None, deviation: float | None) -> str:
    """`23.4 ± 1.2`, decimal places as in `number_with_spread`; the mean alone without a deviation."""
    if mean is None or deviation is None or not math.isfinite(mean) or not math.isfinite(deviation):
        return number(mean)
    power, places = _scale([mean], [deviation])
    both = f"{_format(mean, (0, places), power)} ± {_format(deviation, (0, places), power)}"
    return f"({both}){_times(power)}" if power else both


def count(value: Any) -> str:
    """Whole numbers in groups of three; anything else in words."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else words(value)


def words(value: Any) -> str:
    """A setting in words: lists with commas, yes or no, six digits; `not known` for None and empty text."""
    if value is None or value == "":
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", MINUS)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {words(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value)) or "none"
    return str(value)


def markdown_text(text: object) -> str:
    """Text without meaning to Markdown, to the HTML in it or to a terminal; on one line."""
    out = printable(" ".join(str(text).split("\n")))
    for sign in "\\`*_{}[]#|":
        out = out.replace(sign, "\\" + sign)
    return out.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def markdown_code(text: object) -> str:
    """Text in a code span, whatever backticks it has (CommonMark 6.1)."""
    out = printable(text)
    longest = max((len(run) for run in re.findall("`+", out)), default=0)
    fence, pad = "`" * (longest + 1), " " if out[:1] in ("`", "") or out[-1:] == "`" else ""
    return f"{fence}{pad}{out}{pad}{fence}"


def markdown_prose(text: str) -> str:
    """A text by its author, with paragraphs, emphasis and links, but without HTML, images or control characters."""
    lines = [printable(line) for line in text.split("\n")]
    safe = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
    return safe.replace("![", "!\\[")


def markdown_table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are Markdown already; line breaks in them become spaces."""
    table = [list(columns), *rows]
    lines = [f"| {' | '.join(' '.join(cell.split()) for cell in line)} |" for line in table]
    lines.insert(1, "|" + "---|" * len(table[0]))
    return "\n".join(lines)


def _scale(values: list[float], distances: Sequence[float] = ()) -> tuple[int, int]:
    """Power of ten to factor out (0 for none) and decimal places after it."""
    first = max((e for v in values if (e := _exponent(v, DIGITS)) is not None), default=None)
    second = max((e for v in distances if (e := _exponent(v, _SPREAD_DIGITS)) is not None), default=None)
    if first is not None and (second is None or first >= second):
        exponent, digits = first, DIGITS
    elif second is not None:
        exponent, digits = second, _SPREAD_DIGITS
    else:
        return 0, 0
    return (0, max(0, digits - 1 - exponent)) if -4 <= exponent < 6 else (exponent, digits - 1)


def _exponent(value: float, digits: int) -> int | None:
    """Exponent of the number rounded to these digits (9.996 is 10.0); None for zero and non-finite numbers."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2]) if value and math.isfinite(value) else None


def _format(value: float, scale: tuple[int, int], divided_by: int = 0) -> str:
    """Text with this power and these places; `divided_by` is a power that was factored out already."""
    power, places = scale
    if value == 0 or math.isnan(value):
        return "0" if value == 0 else DASH
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{Decimal(value).scaleb(-power or -divided_by):,.{places}f}"
    is_zero = not any(digit in text for digit in "123456789")
    return (text.lstrip("-") if is_zero else text.replace("-", MINUS)) + _times(power)


def _times(power: int) -> str:
    return f"×10{str(power).translate(_SUPERSCRIPTS)}" if power else ""
