"""Rows as the bytes of a CSV file. Knows nothing of what is in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def encode_csv(rows: Iterable[Sequence[object]], delimiter: str = ",") -> bytes:
    """CSV in UTF-8 with LF line ends, the same on every system."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
