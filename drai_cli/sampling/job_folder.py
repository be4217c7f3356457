"""The folder of a `sample` job: which job's records it holds, and whether it holds anything else. Makes no images.

Hidden files lie next to the images while a job runs: its record and, for each part, a journal and a lock.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.files import atomic_writer, make_inside, read_json, remove_left_over
from drai_cli.io.locks import hold_lock
from drai_cli.sampling.job import Job
from drai_cli.sampling.layout import (
    TABLES,
    is_container_name,
    is_part_of_npz,
    made_patterns,
)
from drai_cli.sampling.manifest import MANIFEST, METADATA, Manifest
from drai_cli.sampling.plan import Plan
from drai_cli.sampling.store import NEW_FOLDER

COMMAND = "drai sample"
"""What the locks name as their holder."""

_RECORD = ".drai-sample.json"
_LOCK = ".drai-sample.lock"
_TABLE = re.compile(r"(metadata|manifest)(-\d+-of-\d+)?\.(csv|json)")
_ANY_MANIFEST = re.compile(r"manifest(-\d+-of-\d+)?\.json")


@dataclass(frozen=True)
class JobFolder:
    """A folder, as a job of so many parts sees it.

    Attributes:
        out: The folder.
        plan: All images of the job.
        job: What decides them.
        parts: Into how many parts the job is cut.
    """

    out: Path
    plan: Plan
    job: Job
    parts: int

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds the record of a job, this one or another."""
        return (self.out / _RECORD).exists() or (self.out / MANIFEST).exists()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Locks the folder against other processes of the job; waits for them, since they hold it for a moment."""
        with hold_lock(self.out / _LOCK, COMMAND, self.out, waiting=lambda who: None):
            yield

    def claim(self, *, overwrite: bool) -> bool:
        """Checks that the folder may be used, and empties it for `overwrite`; returns whether this job was begun in it.

        Raises:
            OverwriteError: It holds anything that this job would not make, or another process writes to it.
        """
        if not overwrite:
            return self.check()
        names, differences = self._read_records()
        if not names:
            self._check_entries(has_record=False)
            return False
        if not differences and self.parts > 1 and MANIFEST not in names:
            return True  # another part of the same command has emptied it
        self._clear()
        return False

    def check(self) -> bool:
        """Whether this job was begun in the folder before.

        Raises:
            OverwriteError: The folder holds anything that this job would not make.
        """
        names, differences = self._read_records()
        if differences:
            raise OverwriteError(
                self.out, f"made by another command ({'; '.join(differences[:3])})", NEW_FOLDER
            )
        self._check_entries(has_record=bool(names))
        return bool(names)

    def check_overwritable(self) -> None:
        """Checks that `claim` may empty the folder: it holds the records of a job, or nothing.

        Raises:
            OverwriteError: It holds anything else.
        """
        if not self._read_records()[0]:
            self._check_entries(has_record=False)

    def begin(self) -> None:
        """Records the job and makes the folders of its images."""
        record = self.out / _RECORD
        if not record.exists():
            with atomic_writer(record) as file:
                file.write(json.dumps({**self.job.to_json(), "parts": self.parts}).encode())
        for folder in self.plan.layout.folders:
            make_inside(self.out, self.out / folder)

    def sweep(self) -> None:
        """Removes what a finished job leaves: tables of parts, hidden records, files and locks of killed processes."""
        for lock in self.out.glob(".drai-sample*.lock"):
            with suppress(OverwriteError), hold_lock(lock, COMMAND, self.out):
                pass  # removed with the lock
        for entry in self._entries():
            is_part = _TABLE.fullmatch(entry.name) and entry.name not in (METADATA, MANIFEST)
            if is_part or is_part_of_npz(entry.name) or _is_record(entry):
                entry.unlink(missing_ok=True)
        for folder in (self.out, *(self.out / folder for folder in self.plan.layout.folders)):
            remove_left_over(folder)

    def _records(self) -> dict[str, dict[str, Any]]:
        """The records in the folder, by name."""
        records: dict[str, dict[str, Any]] = {}
        for entry in self._entries():
            if _ANY_MANIFEST.fullmatch(entry.name):
                manifest = Manifest.open(entry)
                if manifest is not None:
                    records[entry.name] = dict(manifest.head)
            elif entry.name == _RECORD:
                try:
                    records[entry.name] = dict(read_json(entry))
                except (InputError, TypeError, ValueError) as error:
                    raise OverwriteError(entry, "it is damaged", NEW_FOLDER) from error
        return records

    def _read_records(self) -> tuple[set[str], list[str]]:
        """Names of the records in the folder, and how they differ from this job."""
        records = self._records()
        if MANIFEST in records:
            return set(records), self.job.differences(records[MANIFEST])
        differences: list[str] = []
        for name, record in records.items():
            numbers = re.findall(r"-of-(\d+)", name)
            parts = int(numbers[0]) if numbers else record.get("parts", 1)
            if parts != self.parts:
                differences.append(f"parts {parts} there, {self.parts} here")
            differences += self.job.differences(record)
        return set(records), list(dict.fromkeys(differences))

    def _check_entries(self, *, has_record: bool) -> None:
        """Checks that the folder holds nothing but what this job makes; hidden files do not count."""
        folders = set(self.plan.layout.folders)
        for entry in self._entries():
            if entry.name.startswith("."):
                continue
            if not has_record:
                raise OverwriteError(
                    self.out, f"the folder holds other files ({entry.name})", "choose another --out"
                )
            if entry.name in folders and entry.is_dir() and not entry.is_symlink():
                self._check_folder(entry.name, folders)
            elif not (
                _TABLE.fullmatch(entry.name)
                or entry.name in TABLES[self.plan.layout_name]
                or self.plan.layout.makes(entry.name)
            ):
                raise OverwriteError(entry, "it is no output of this command", NEW_FOLDER)

    def _check_folder(self, folder: str, folders: Collection[str]) -> None:
        with os.scandir(self.out / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}"
                if name in folders and entry.is_dir(follow_symlinks=False):
                    self._check_folder(name, folders)
                elif not (entry.name.startswith(".") or self.plan.layout.makes(name)):
                    raise OverwriteError(entry.path, "it is no output of this command", NEW_FOLDER)

    def _clear(self) -> None:
        """Removes what an earlier `sample` command wrote, and nothing else.

        Raises:
            OverwriteError: That command is still running.
        """
        for lock in self.out.glob(".drai-sample-*.lock"):
            with hold_lock(lock, COMMAND, self.out):
                pass  # raises if a process holds it; else removes it
        for layout, has_masks in {_layout_of(record) for record in self._records().values()}:
            folders, files = made_patterns(layout, has_masks)
            for entry in self._entries():
                if entry.is_dir() and not entry.is_symlink():
                    _clear_folder(entry, entry.name, folders, files)
                elif entry.name in TABLES.get(layout, ()):
                    entry.unlink()
        for entry in self._entries():
            if _TABLE.fullmatch(entry.name) or is_container_name(entry.name) or _is_record(entry):
                entry.unlink()

    def _entries(self) -> list[Path]:
        return sorted(self.out.iterdir())


def _is_record(path: Path) -> bool:
    """Whether it is a job's record or journal. A lock is removed by the process that holds it."""
    return path.name.startswith(".drai-sample") and path.suffix != ".lock"


def _layout_of(record: Mapping[str, Any]) -> tuple[str, bool]:
    """The layout of a recorded job, `folders` if the record does not say; and whether it has masks."""
    options = record.get("options")
    if not isinstance(options, dict):
        return "folders", False
    return str(options.get("layout", "folders")), bool(options.get("masks"))


def _clear_folder(folder: Path, name: str, folders: re.Pattern[str], files: re.Pattern[str]) -> None:
    """Removes a layout's images from a folder and from its folders in it, and each folder that is empty then."""
    if not folders.fullmatch(name):
        return
    with os.scandir(folder) as scan:
        entries = list(scan)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            _clear_folder(Path(entry.path), f"{name}/{entry.name}", folders, files)
        elif files.fullmatch(f"{name}/{entry.name}"):
            os.unlink(entry.path)
    with suppress(OSError):
        folder.rmdir()  # fails if it holds anything else
