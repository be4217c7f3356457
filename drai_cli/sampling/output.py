"""The folder that `sample` writes: whose it is, what of it is done, and how parts become one. Makes no images.

While a job runs, hidden files stand beside the images: the job's record and, for each part, a journal of what is
done. A file under its final name is always whole. What a journal does not know is made
again and compared, so a job may be killed at any moment. At the end the hidden files are gone.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.files import atomic_writer, read_json, remove_left_over
from drai_cli.io.locks import held
from drai_cli.sampling.job import Job
from drai_cli.sampling.journal import Journal
from drai_cli.sampling.layout import Tars, image_names, is_tar_name, tar_name, tar_of
from drai_cli.sampling.manifest import (
    MANIFEST,
    METADATA,
    Manifest,
    shard_name,
    write_manifest,
    write_metadata,
)
from drai_cli.sampling.plan import Item, Plan
from drai_cli.sampling.store import (
    NEW_FOLDER,
    FileStore,
    Placed,
    Store,
    TarStore,
    os_errors,
    sha256_of,
)

_JOB = ".drai-sample.json"
_LOCK = ".drai-sample.lock"
_COMMAND = "drai sample"
_OWN_TABLE = re.compile(r"(metadata|manifest)(-\d+-of-\d+)?\.(csv|json)")


@dataclass
class SampleOutput:
    """One part's view of the output folder.

    Attributes:
        out: The folder.
        plan: All images of the job.
        job: What decides them.
        seed: For the metadata.
        part: (i, n), from 1: this process makes the i-th of n equal ranges of the plan, tar files whole.
        start: First position of the part.
        stop: One after its last.
    """

    out: Path
    plan: Plan
    job: Job
    seed: int
    part: tuple[int, int] = (1, 1)
    start: int = field(init=False)
    stop: int = field(init=False)
    _store: Store | None = field(default=None, init=False)
    _held: ExitStack = field(default_factory=ExitStack, init=False)

    def __post_init__(self) -> None:
        self.start, self.stop = self.plan.part(*self.part)

    def open(self, *, overwrite: bool) -> bool:
        """Takes the folder for this job, or goes on in it.

        Returns:
            Whether there is nothing left to do: this part, or all, is done.

        Raises:
            OverwriteError: The folder holds anything that this job would not make.
            InputError: It cannot be written.
        """
        with os_errors(self.out):
            self._check_kind()
            if (
                not overwrite and (self.out / MANIFEST).exists()
            ):  # without the lock: a finished folder is only read
                self._check_recorded()
                return self._is_done()
            self.out.mkdir(parents=True, exist_ok=True)
            with self._locked():
                recorded, differences = self._recorded()
                is_same = bool(recorded) and not differences
                if overwrite and not recorded:
                    self._check_entries(has_record=False)  # what no `sample` made is not replaced
                if overwrite and not (is_same and self.part[1] > 1 and MANIFEST not in recorded):
                    self._clear(is_ours=bool(recorded))
                    is_same = False
                if not overwrite:
                    is_same = self._check_recorded()
                if is_same and self._is_done():
                    return True
                try:
                    self._begin(overwrite=overwrite)
                except BaseException:
                    self.close()
                    raise
        return False

    def check(self, *, overwrite: bool) -> None:
        """Checks the folder as `open` does, and changes nothing; raises the same errors."""
        with os_errors(self.out):
            self._check_kind()
            if not self.out.exists():
                return
            if not overwrite:
                self._check_recorded()
            elif not self._recorded()[0]:
                self._check_entries(has_record=False)

    def _check_kind(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise OverwriteError(self.out, "it is a file", "choose another --out")

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds the record of a job, this one or another."""
        return (self.out / _JOB).exists() or (self.out / MANIFEST).exists()

    def close(self) -> None:
        """Lets go of the part; what its journal holds stays for the next time."""
        self._store = None
        self._held.close()

    def missing(self, start: int, stop: int) -> list[int]:
        """Which of the images at these positions are neither on the disk, unchanged, nor left out."""
        assert self._store is not None
        return self._store.missing(start, stop)

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        """Takes an image's files; returns what `record` is given. Safe in threads.

        Raises:
            OverwriteError: There is another file of that name already.
            InputError: It cannot be written.
        """
        assert self._store is not None
        return self._store.place(item, files)

    def record(self, position: int, placed: Placed | None) -> None:
        """Writes down that an image is done or, with None, left out; called in order. Raises as `place`."""
        assert self._store is not None
        self._store.record(position, placed)

    def finish(self) -> bool:
        """Writes this part's tables and, if all parts are done, merges them; returns whether the job is complete."""
        with os_errors(self.out):
            metadata = self.out / shard_name(METADATA, self.part)
            assert self._store is not None
            listed = partial(self._store.listed, self.start, self.stop)
            rejected = {name for name, digest in listed() if digest is None}
            metadata_sha256 = write_metadata(metadata, self.plan, self.seed, self.start, self.stop, rejected)
            write_manifest(self.out / shard_name(MANIFEST, self.part), self.job, metadata_sha256, listed())
            self.close()
            with self._locked():
                self._journal_path().unlink(missing_ok=True)
                return self._merge()

    def count_rejected(self) -> int:
        """Images of this part that were left out, by the tables of a finished output."""
        for name in (MANIFEST, shard_name(MANIFEST, self.part)):
            manifest = Manifest.open(self.out / name)
            if manifest is not None:
                rejected = {name for name, digest in manifest.files() if digest is None}
                own = self.plan.items(self.start, self.stop) if rejected else ()
                return sum(self.plan.file_name(item) in rejected for item in own)
        return 0

    def _is_done(self) -> bool:
        """Whether this part or all has its manifest; its files are compared with it."""
        if Manifest.open(self.out / MANIFEST) is None:
            manifest = Manifest.open(self.out / shard_name(MANIFEST, self.part))
            if manifest is None:
                return False
            self._check_files(manifest, self.start, self.stop)
            self._merge()
            return True
        manifest = Manifest.open(self.out / MANIFEST)
        assert manifest is not None
        self._check_files(manifest, 0, self.plan.total)
        self._sweep()
        return True

    def _check_files(self, manifest: Manifest, start: int, stop: int) -> None:
        # What was left out of a tar file is listed too, and is no file.
        files = (
            (name, digest) for name, digest in manifest.files() if digest is not None or not tar_of(name)
        )
        try:
            for name, (listed, digest) in zip(self._names(start, stop), files, strict=True):
                found = sha256_of(self.out / listed) if listed == name else ""
                if found != digest:
                    is_gone = listed == name and found is None
                    raise OverwriteError(
                        self.out / name, "it is gone" if is_gone else "it was changed", NEW_FOLDER
                    )
        except ValueError as error:
            raise OverwriteError(manifest.path, "it lists other images", NEW_FOLDER) from error
        metadata = manifest.path.with_name(manifest.path.name.replace("manifest", "metadata")).with_suffix(
            ".csv"
        )
        if sha256_of(metadata) != manifest.head.get("metadata_sha256"):
            raise OverwriteError(metadata, "it is gone or was changed", NEW_FOLDER)

    def _names(self, start: int, stop: int) -> Iterator[str]:
        """The files on the disk that hold the images at these positions, in order."""
        layout = self.plan.layout
        if isinstance(layout, Tars):
            return (tar_name(first // layout.unit) for first, _ in layout.ranges(start, stop))
        return (name for item in self.plan.items(start, stop) for name in self.plan.file_names(item))

    def _merge(self) -> bool:
        """Joins the parts' tables if all are there. The folder is locked."""
        parts = [(number, self.part[1]) for number in range(1, self.part[1] + 1)]
        if self.part[1] > 1 and not (self.out / MANIFEST).exists():
            manifests = [Manifest.open(self.out / shard_name(MANIFEST, part)) for part in parts]
            files = [manifest.files() for manifest in manifests if manifest is not None]
            if len(files) < len(parts):
                return False
            rejected = {
                name
                for manifest in manifests
                if manifest is not None
                for name, digest in manifest.files()
                if digest is None
            }
            metadata_sha256 = write_metadata(
                self.out / METADATA, self.plan, self.seed, 0, self.plan.total, rejected
            )
            write_manifest(
                self.out / MANIFEST, self.job, metadata_sha256, (entry for part in files for entry in part)
            )
        self._sweep()
        return True

    def _sweep(self) -> None:
        """Removes what a finished job needs no more: parts' tables, hidden records, leftovers of killed processes."""
        for entry in self._entries():
            is_part = _OWN_TABLE.fullmatch(entry.name) and entry.name not in (METADATA, MANIFEST)
            if is_part or _is_record(entry):
                entry.unlink(missing_ok=True)
        for folder in (self.out, *(self.out / folder for folder in self.plan.layout.folders)):
            remove_left_over(folder)

    def _recorded(self) -> tuple[set[str], list[str]]:
        """The names of the records that stand in the folder, and how they differ from this job."""
        records: dict[str, dict[str, Any]] = {}
        for entry in self._entries():
            if re.fullmatch(r"manifest(-\d+-of-\d+)?\.json", entry.name):
                manifest = Manifest.open(entry)
                if manifest is not None:
                    records[entry.name] = dict(manifest.head)
            elif entry.name == _JOB:
                try:
                    records[entry.name] = dict(read_json(entry))
                except (InputError, TypeError, ValueError) as error:
                    raise OverwriteError(entry, "it is damaged", NEW_FOLDER) from error
        if MANIFEST in records:
            return set(records), self.job.differences(records[MANIFEST])
        differences: list[str] = []
        for name, record in records.items():
            numbers = re.findall(r"-of-(\d+)", name)
            parts = int(numbers[0]) if numbers else record.get("parts", 1)
            if parts != self.part[1]:
                differences.append(f"parts {parts} there, {self.part[1]} here")
            differences += self.job.differences(record)
        return set(records), list(dict.fromkeys(differences))

    def _check_recorded(self) -> bool:
        """Whether this job was begun here before; an error if the folder holds anything else."""
        recorded, differences = self._recorded()
        if differences:
            raise OverwriteError(
                self.out, f"made by another command ({'; '.join(differences[:3])})", NEW_FOLDER
            )
        self._check_entries(has_record=bool(recorded))
        return bool(recorded)

    def _check_entries(self, *, has_record: bool) -> None:
        """Whether the folder holds nothing but what this job makes. Hidden files are nobody's."""
        folders = set(self.plan.layout.folders)
        for entry in self._entries():
            if entry.name.startswith("."):
                continue
            if not has_record:
                raise OverwriteError(
                    self.out,
                    f"the folder holds other files ({entry.name})",
                    "choose another --out",
                )
            if entry.name in folders and entry.is_dir():
                self._check_folder(entry.name, folders)
            elif not (_OWN_TABLE.fullmatch(entry.name) or self.plan.layout.makes(entry.name)):
                raise OverwriteError(entry, "this command would not make it", NEW_FOLDER)

    def _check_folder(self, folder: str, folders: Collection[str]) -> None:
        with os.scandir(self.out / folder) as found:
            for entry in found:
                name = f"{folder}/{entry.name}"
                if name in folders and entry.is_dir():
                    self._check_folder(name, folders)
                elif not (entry.name.startswith(".") or self.plan.layout.makes(name)):
                    raise OverwriteError(entry.path, "this command would not make it", NEW_FOLDER)

    def _begin(self, *, overwrite: bool) -> None:
        """Records the job, makes the folders and opens this part's journal."""
        record = self.out / _JOB
        if not record.exists():
            with atomic_writer(record) as file:
                file.write(json.dumps({**self.job.to_json(), "parts": self.part[1]}).encode())
        for folder in self.plan.layout.folders:
            (self.out / folder).mkdir(exist_ok=True)
        path = self._journal_path()
        self._held.enter_context(held(path.with_suffix(".lock"), _COMMAND, self.out))
        path.touch()
        file = self._held.enter_context(open(path, "r+b", buffering=0))  # noqa: SIM115
        layout = self.plan.layout
        if isinstance(layout, Tars):
            journal = Journal(file, self.start, self.stop, 1)
            self._store = TarStore(self.out, self.plan, layout, journal, overwrite=overwrite)
        else:
            journal = Journal(file, self.start, self.stop, len(self.plan.suffixes))
            self._store = FileStore(self.out, self.plan, journal, overwrite=overwrite)
        self._held.callback(self._store.close)

    def _clear(self, *, is_ours: bool) -> None:
        """Makes room for a new job: removes what an earlier `sample` left, and nothing else.

        Raises:
            OverwriteError: That is still at work.
        """
        if not is_ours:
            return
        for lock in self.out.glob(".drai-sample-*.lock"):
            with held(lock, _COMMAND, self.out):
                pass  # nobody holds it, and it is gone
        for entry in self._entries():
            if entry.is_dir() and not entry.is_symlink():
                _clear_folder(entry, image_names(entry.name))
            elif _OWN_TABLE.fullmatch(entry.name) or is_tar_name(entry.name) or _is_record(entry):
                entry.unlink()

    def _entries(self) -> list[Path]:
        return sorted(self.out.iterdir())

    def _journal_path(self) -> Path:
        return self.out / f".drai-sample-{self.part[0]}-of-{self.part[1]}.journal"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the folder against other processes of the same job."""
        with held(self.out / _LOCK, _COMMAND, self.out, waiting=lambda who: None):  # for a moment
            yield


def _is_record(path: Path) -> bool:
    """Whether it is a job's record or journal. Locks go with those who hold them."""
    return path.name.startswith(".drai-sample") and path.suffix != ".lock"


def _clear_folder(folder: Path, own: re.Pattern[str]) -> None:
    """Removes a label's images from its folder and from the numbered ones in it, and what of these is empty then."""
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if re.fullmatch(r"\d{3,}", entry.name) and entry.is_dir(follow_symlinks=False):
            _clear_folder(Path(entry.path), own)
        elif own.fullmatch(entry.name):
            os.unlink(entry.path)
    with suppress(OSError):
        folder.rmdir()  # only if nothing else is in it
