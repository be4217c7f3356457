"""What a table takes in memory, counted as it is read: a small file may not become a large table. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drai_cli.errors import InputError

_ROW_BYTES, _CELL_BYTES = 400, 120  # of a row and a cell in lists and dictionaries, without their letters
_FREE_BYTES = 512 << 20
_MOST_PER_BYTE = 512  # a row of one letter takes 250 bytes for each of its own

MOST_UNPACKED_PER_BYTE = 32
"""Bytes that a byte of a compressed table may become; tables of 0 and 1 become some twenty."""
FREE_UNPACKED_BYTES = 16 << 20
"""What any compressed table may become."""


def most_unpacked(file_bytes: int, most_bytes: int) -> int:
    """What a compressed table of this size may become, at most `most_bytes`."""
    return min(most_bytes, FREE_UNPACKED_BYTES + MOST_UNPACKED_PER_BYTE * file_bytes)


class Weight:
    """Counts the rows of a table.

    Args:
        path: Of the table.
        file_bytes: Of its file.
    """

    def __init__(self, path: Path, file_bytes: int) -> None:
        self.path, self.most = path, max(_FREE_BYTES, _MOST_PER_BYTE * file_bytes)
        self.now = 0

    def add_row(self, cells: Sequence[str]) -> None:
        """Counts a row; raises as `add`."""
        self.add(1, len(cells), sum(map(len, cells)))

    def add(self, rows: int, cells: int, letters: int = 0) -> None:
        """Counts rows of so many cells together.

        Raises:
            InputError: The table becomes too large for its file.
        """
        self.now += rows * _ROW_BYTES + cells * _CELL_BYTES + letters
        if self.now > self.most:
            raise InputError(
                self.path,
                f"expected a table that takes at most {self.most >> 20} MiB in memory, got a larger one",
                "save the columns that are needed as an uncompressed CSV UTF-8",
            )
