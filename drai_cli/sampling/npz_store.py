"""Writes the images of a part of a `sample` job as rows of one npz file, whole or not at all.

While the part runs, finished rows lie in a hidden file next to its journal. The npz file is written from them at the
end: images that are left out have no row, so its size is known only then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO

from drai_cli.errors import OverwriteError
from drai_cli.io.files import atomic_writer, file_sha256
from drai_cli.output.marks import synthetic_marks
from drai_cli.sampling.job import Job
from drai_cli.sampling.journal import Journal, Reason, digest_of, reason_of
from drai_cli.sampling.npz_file import write_npz
from drai_cli.sampling.plan import Item, Plan
from drai_cli.sampling.store import NEW_FOLDER, Placed, is_beginning, os_errors_as_input_errors

_CHUNK = 4096


class NpzStore:
    """The rows of one part.

    Args:
        path: Of the part's npz file.
        plan: All images of the job.
        job: What decides them.
        journal: Of the part; the digest of an image is that of its row.
        rows: The hidden file, open for reading and writing, unbuffered.
        overwrite: Whether another file of that name may be replaced.
    """

    def __init__(
        self, path: Path, plan: Plan, job: Job, journal: Journal, rows: IO[bytes], *, overwrite: bool
    ) -> None:
        self.path, self.plan, self.job, self.journal, self.rows = path, plan, job, journal, rows
        self.overwrite = overwrite
        assert plan.rows is not None
        self._size = plan.rows.row_bytes
        self._sha256 = ""

    def find_missing(self, start: int, stop: int) -> list[int]:
        entries = enumerate(self.journal.read(start, stop), start)
        return [position for position, digests in entries if not self._is_done(position, digests)]

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        return files[0]

    def record(self, position: int, placed: Placed | Reason) -> None:
        assert isinstance(placed, bytes | str)
        with os_errors_as_input_errors(self.path):
            if isinstance(placed, str):
                digest = digest_of(placed)
            else:
                self.rows.seek((position - self.journal.start) * self._size)
                self.rows.write(placed)
                digest = hashlib.sha256(placed).hexdigest()
            self.journal.write(position, [(digest,)])

    def finish(self) -> None:
        start, stop = self.journal.start, self.journal.stop
        self._sha256 = write_part(
            self.path, self.plan, self.job, start, stop, {name for name, _ in self._rejected()},
            (self._read(position) for position, reason in self._entries() if reason is None), overwrite=self.overwrite,
        )  # fmt: skip

    def list_entries(self, start: int, stop: int) -> Iterator[tuple[str, str]]:
        yield self.path.name, self._sha256
        yield from self._rejected()

    def close(self) -> None:
        pass

    def _is_done(self, position: int, digests: Collection[str]) -> bool:
        if not digests or reason_of(digests):
            return bool(digests)
        return hashlib.sha256(self._read(position)).hexdigest() in digests

    def _read(self, position: int) -> bytes:
        self.rows.seek((position - self.journal.start) * self._size)
        return self.rows.read(self._size)

    def _rejected(self) -> Iterator[tuple[str, str]]:
        """Names of the images that were left out, with their digests."""
        for position, reason in self._entries():
            if reason is not None:
                (item,) = self.plan.items(position, position + 1)
                yield self.plan.file_name(item), digest_of(reason)

    def _entries(self) -> Iterator[tuple[int, Reason | None]]:
        """Each position of the part, and why its image was left out; None if it was kept."""
        start, stop = self.journal.start, self.journal.stop
        for first in range(start, stop, _CHUNK):
            entries = self.journal.read(first, min(first + _CHUNK, stop))
            yield from ((first + i, reason_of(digests)) for i, digests in enumerate(entries))


def write_part(
    path: Path,
    plan: Plan,
    job: Job,
    start: int,
    stop: int,
    rejected: Collection[str],
    rows: Iterable[bytes],
    *,
    overwrite: bool = False,
) -> str:
    """Writes the npz file of a range of the plan; returns its sha256.

    Args:
        path: Where to.
        plan: All images of the job.
        job: What decides them.
        start: First position.
        stop: One after the last.
        rejected: Names of the images that were left out: they have no row.
        rows: The levels of the others.
        overwrite: Whether another file of that name may be replaced.

    Raises:
        OverwriteError: Another file has the name.
        InputError: It cannot be written.
    """
    assert plan.rows is not None
    # Only names within the range count.
    items: Callable[[], Iterator[Item]] = lambda: (  # noqa: E731
        item for item in plan.items(start, stop) if not rejected or plan.file_name(item) not in rejected
    )
    count = sum(1 for _ in items()) if rejected else stop - start
    marks = synthetic_marks(
        job.weights_sha256, seed=str(job.options["seed"]), licence=plan.licence, **plan.rows.texts
    )
    with os_errors_as_input_errors(path), atomic_writer(path) as file:
        write_npz(file, plan.rows, plan.schema.label, count, items, rows, marks)
        file.flush()
        if path.exists() and not overwrite and not is_beginning(path, Path(file.name)):
            raise OverwriteError(path, "another file has this name", NEW_FOLDER)
    return file_sha256(path)
