"""Text tables: their encoding, their separator, their lines of cells."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drai_cli.errors import InputError
from drai_cli.io.files import MAX_FILE_BYTES
from drai_cli.tables.weight import most_unpacked

_DELIMITERS = ",;\t|"
_LOOKED_AT = 20
"""Lines in which a delimiter is looked for: a title may stand above the column names."""
_QUOTED = re.compile(r'"[^"]*("|$)')
_SEPARATOR_LINE = re.compile(r"sep=([^\w\s]|\t)(?:\r\n|\n|\r|$)", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(?:!doctype|html|table|\?xml|head|body)\b", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f]")


class Lines:
    """Lines of cells, with the number of the line that was read last."""

    def __init__(self, path: Path, text: str, delimiter: str, skipped: int) -> None:
        self._path, self._skipped = path, skipped
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    @property
    def line_num(self) -> int:
        return self._reader.line_num + self._skipped

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        try:
            return next(self._reader)
        except csv.Error as error:
            raise InputError(self._path, f"line {self.line_num} is no CSV ({error})") from error


@dataclass(frozen=True)
class TextTable:
    """A text table's lines of cells, not yet checked.

    Attributes:
        lines: Iterated once; raises InputError at a line that is no CSV.
        delimiter: What separates cells.
        note: What is unusual in its encoding; empty for UTF-8.
    """

    lines: Lines
    delimiter: str
    note: str


def read_lines(path: Path, raw: bytes, *, holds_names: bool = False) -> TextTable:
    """The cells of a text table, also of one compressed by gzip.

    Args:
        path: For messages.
        raw: Its bytes.
        holds_names: It is UTF-8 but for names of files, whose other bytes are kept.

    Raises:
        InputError: It is no text in UTF-8, UTF-16 or Windows-1252, or cannot be decompressed.
    """
    if raw[:2] == b"\x1f\x8b":
        raw = _decompress(path, raw)
    text, note = (raw.decode("utf-8-sig", "surrogateescape"), "") if holds_names else _decode(path, raw)
    if _MARKUP.match(text):
        raise InputError(
            path, "expected a table, got a web page (HTML or XML)",
            "a download may need a login; a table in a page can be opened in a spreadsheet and saved as CSV UTF-8",
        )  # fmt: skip
    separator = _SEPARATOR_LINE.match(text)
    if separator is not None:
        delimiter, skipped, text = separator[1], 1, text[separator.end() :]
    else:
        delimiter, skipped = _find_delimiter(text), 0
        if not delimiter and path.suffix.lower() == ".txt":
            delimiter, text = " ", re.sub(r"[^\S\n]+", " ", re.sub(r"(?m)^[^\S\n]+|[^\S\n]+$", "", text))
    return TextTable(Lines(path, text, delimiter or ",", skipped), delimiter or ",", note)


def _find_delimiter(text: str) -> str:
    """The most frequent delimiter of the first line that has one; empty where none of the first lines has."""
    for line in text[: 1 << 20].splitlines()[:_LOOKED_AT]:
        bare = _QUOTED.sub("", line)
        counts = {one: bare.count(one) for one in _DELIMITERS}
        found = max(counts, key=lambda one: (counts[one], one != "|"))
        if counts[found]:
            return found
    return ""


def _decode(path: Path, raw: bytes) -> tuple[str, str]:
    """The text, and a note where its encoding is not UTF-8."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16"), "is read as UTF-16"
        except UnicodeDecodeError as error:
            raise InputError(path, "expected UTF-16 text, as it begins, got other bytes") from error
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        cause = error
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError:
        text = "\0"
    if _CONTROLS.search(text):
        raise InputError(
            path, f"expected UTF-8 text, got other bytes in line {line}", "save it as CSV UTF-8"
        ) from cause
    return text, f"is no UTF-8 and is read as Windows-1252 (line {line} is the first with such letters)"


def _decompress(path: Path, raw: bytes) -> bytes:
    most = most_unpacked(len(raw), MAX_FILE_BYTES)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            data = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(path, f"cannot be decompressed ({error})") from error
    if len(data) > most:
        raise InputError(
            path, f"expected at most {most} bytes when decompressed, got more", "decompress it yourself"
        )
    return data
