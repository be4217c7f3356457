"""The folder that `sample` writes: whose it is, what of it is done, and how parts become one. Makes no images.

While a job runs, hidden files stand beside the images: the job's record and, for each part, a journal with the
sha256 of every finished image. A file under its final name is always whole. What a journal does not know is made
again and compared, so a job may be killed at any moment. At the end the hidden files are gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io.files import (
    atomic_writer,
    file_sha256,
    open_regular,
    read_json,
    remove_left_over,
    shown,
    why,
)
from drai_cli.io.locks import held
from drai_cli.workflows.manifest import (
    MANIFEST,
    METADATA,
    Job,
    Manifest,
    shard_name,
    write_manifest,
    write_metadata,
)
from drai_cli.workflows.options import SAMPLE_SUFFIXES
from drai_cli.workflows.sample_plan import Item, Plan

_JOB = ".drai-sample.json"
_LOCK = ".drai-sample.lock"
_COMMAND = "drai sample"
_OWN_TABLE = re.compile(r"(metadata|manifest)(-\d+-of-\d+)?\.(csv|json)")
_GO_ON = "what is written is kept: make room or mend the permissions, and the same command goes on"
_NEW_FOLDER = "choose another --out, or --overwrite"
_DIGEST_BYTES = 32
_REJECTED = "ff" * _DIGEST_BYTES  # stands in a journal for an image that was left out
_ANY_SUFFIX = "|".join(re.escape(suffix) for suffixes in SAMPLE_SUFFIXES.values() for suffix in suffixes)


@dataclass
class SampleOutput:
    """One part's view of the output folder.

    Attributes:
        out: The folder.
        plan: All images of the job.
        job: What decides them.
        seed: For the metadata.
        part: (i, n), from 1: this process makes the i-th of n equal ranges of the plan.
    """

    out: Path
    plan: Plan
    job: Job
    seed: int
    part: tuple[int, int] = (1, 1)
    _journal: IO[bytes] | None = field(default=None, init=False)
    _held: ExitStack = field(default_factory=ExitStack, init=False)

    @property
    def start(self) -> int:
        """First position of this part."""
        return self.plan.total * (self.part[0] - 1) // self.part[1]

    @property
    def stop(self) -> int:
        """One after the last position of this part."""
        return self.plan.total * self.part[0] // self.part[1]

    def open(self, *, overwrite: bool) -> bool:
        """Takes the folder for this job, or goes on in it.

        Returns:
            Whether there is nothing left to do: this part, or all, is done.

        Raises:
            OverwriteError: The folder holds anything that this job would not make.
            InputError: It cannot be written.
        """
        with _os_errors(self.out):
            if self.out.exists() and not self.out.is_dir():
                raise OverwriteError(shown(self.out), "it is a file", "choose another --out")
            if (
                not overwrite and (self.out / MANIFEST).exists()
            ):  # without the lock: a finished folder is only read
                self._check_recorded()
                return self._is_done()
            self.out.mkdir(parents=True, exist_ok=True)
            with self._locked():
                recorded, differences = self._recorded()
                is_same = bool(recorded) and not differences
                if overwrite and not (is_same and self.part[1] > 1 and MANIFEST not in recorded):
                    self._clear(is_ours=bool(recorded))
                    is_same = False
                if not overwrite:
                    is_same = self._check_recorded()
                if is_same and self._is_done():
                    return True
                try:
                    self._begin()
                except BaseException:
                    self.close()
                    raise
        return False

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds the record of a job, this one or another."""
        return (self.out / _JOB).exists() or (self.out / MANIFEST).exists()

    def close(self) -> None:
        """Lets go of the journal and of the part; what the journal holds stays for the next time."""
        self._journal = None
        self._held.close()

    @property
    def _entry_bytes(self) -> int:
        """Of a journal's entry: a digest for each file of an image."""
        return _DIGEST_BYTES * len(self.plan.suffixes)

    def digests(self, start: int, stop: int) -> list[tuple[str, ...]]:
        """The journal's sha256 of each image's files at these positions; empty where there is none yet."""
        assert self._journal is not None
        self._journal.seek((start - self.start) * self._entry_bytes)
        data = self._journal.read((stop - start) * self._entry_bytes)
        entries = [data[i : i + self._entry_bytes] for i in range(0, len(data), self._entry_bytes)]
        return [_split_digests(entry) if any(entry) else () for entry in entries]

    def is_there(self, item: Item, digests: tuple[str, ...]) -> bool:
        """Whether the files of the journal's image are on the disk, unchanged, or it was left out."""
        if _REJECTED in digests:
            return True
        names = self.plan.file_names(item)
        return bool(digests) and all(
            _sha256(self.out / name) == digest for name, digest in zip(names, digests, strict=True)
        )

    def place(self, item: Item, files: tuple[bytes, ...], *, overwrite: bool) -> tuple[str, ...]:
        """Puts an image's files under their final names, each whole or not at all; returns their sha256.

        Safe in threads.

        Raises:
            OverwriteError: There is another file of that name already.
            InputError: It cannot be written.
        """
        for name, data in zip(self.plan.file_names(item), files, strict=True):
            path = self.out / name
            with _os_errors(path):
                # What a power cut left is a beginning of the right file; anything else is somebody's.
                if path.exists() and not overwrite and not data.startswith(_beginning(path, len(data))):
                    raise OverwriteError(shown(path), "there is another file of that name", _NEW_FOLDER)
            with _os_errors(path), atomic_writer(path) as file:
                file.write(data)
        return tuple(hashlib.sha256(data).hexdigest() for data in files)

    def record(self, position: int, digests: tuple[str, ...]) -> None:
        """Writes down that an image is done."""
        assert self._journal is not None
        with _os_errors(self.out):
            self._journal.seek((position - self.start) * self._entry_bytes)
            self._journal.write(bytes.fromhex("".join(digests)))

    def record_rejected(self, position: int) -> None:
        """Writes down that an image is left out."""
        self.record(position, (_REJECTED,) * len(self.plan.suffixes))

    def finish(self) -> bool:
        """Writes this part's tables and, if all parts are done, merges them; returns whether the job is complete."""
        with _os_errors(self.out):
            metadata = self.out / shard_name(METADATA, self.part)
            rejected = {name for name, digest in self._finished() if digest is None}
            metadata_sha256 = write_metadata(metadata, self.plan, self.seed, self.start, self.stop, rejected)
            write_manifest(
                self.out / shard_name(MANIFEST, self.part), self.job, metadata_sha256, self._finished()
            )
            self.close()
            with self._locked():
                self._journal_path().unlink(missing_ok=True)
                return self._merge()

    def count_rejected(self) -> int:
        """Images of this part that were left out, by the tables of a finished output."""
        for name in (MANIFEST, shard_name(MANIFEST, self.part)):
            manifest = Manifest.open(self.out / name)
            if manifest is not None:
                own = {self.plan.file_name(item) for item in self.plan.items(self.start, self.stop)}
                return sum(digest is None and name in own for name, digest in manifest.files())
        return 0

    def _finished(self) -> Iterator[tuple[str, str | None]]:
        """Names and sha256 of this part's files, in order; None for one that was left out."""
        for start in range(self.start, self.stop, 4096):
            stop = min(start + 4096, self.stop)
            for item, digests in zip(self.plan.items(start, stop), self.digests(start, stop), strict=True):
                for name, digest in zip(self.plan.file_names(item), digests, strict=True):
                    yield name, None if digest == _REJECTED else digest

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
        names = (name for item in self.plan.items(start, stop) for name in self.plan.file_names(item))
        try:
            for name, (listed, digest) in zip(names, manifest.files(), strict=True):
                found = _sha256(self.out / listed) if listed == name else ""
                if found != digest:
                    is_gone = listed == name and found is None
                    raise OverwriteError(
                        shown(self.out / name), "it is gone" if is_gone else "it was changed", _NEW_FOLDER
                    )
        except ValueError as error:
            raise OverwriteError(shown(manifest.path), "it lists other images", _NEW_FOLDER) from error
        metadata = manifest.path.with_name(manifest.path.name.replace("manifest", "metadata")).with_suffix(
            ".csv"
        )
        if _sha256(metadata) != manifest.head.get("metadata_sha256"):
            raise OverwriteError(shown(metadata), "it is gone or was changed", _NEW_FOLDER)

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
        for folder in (self.out, *(self.out / folder for folder in self.plan.folders)):
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
                    raise OverwriteError(shown(entry), "it is damaged", _NEW_FOLDER) from error
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
                shown(self.out), f"made by another command ({'; '.join(differences[:3])})", _NEW_FOLDER
            )
        self._check_entries(has_record=bool(recorded))
        return bool(recorded)

    def _check_entries(self, *, has_record: bool) -> None:
        """Whether the folder holds nothing but what this job makes. Hidden files are nobody's."""
        folders = self.plan.folders
        for entry in self._entries():
            if entry.name.startswith("."):
                continue
            if not has_record:
                raise OverwriteError(
                    shown(self.out), f"the folder holds other files ({shown(entry.name)})", _NEW_FOLDER
                )
            if entry.name in folders and entry.is_dir():
                self._check_folder(entry, folders[entry.name])
            elif not _OWN_TABLE.fullmatch(entry.name):
                raise OverwriteError(shown(entry), "this command would not make it", _NEW_FOLDER)

    def _check_folder(self, folder: Path, count: int) -> None:
        suffixes = "|".join(re.escape(suffix) for suffix in self.plan.suffixes)
        pattern = re.compile(rf"{re.escape(folder.name)}_(\d{{6,}})({suffixes})")
        with os.scandir(folder) as found:
            for entry in found:
                match = pattern.fullmatch(entry.name)
                if not entry.name.startswith(".") and not (match and int(match[1]) < count):
                    raise OverwriteError(shown(entry.path), "this command would not make it", _NEW_FOLDER)

    def _begin(self) -> None:
        """Records the job, makes the folders and opens this part's journal."""
        record = self.out / _JOB
        if not record.exists():
            with atomic_writer(record) as file:
                file.write(json.dumps({**self.job.to_json(), "parts": self.part[1]}).encode())
        for folder in self.plan.folders:
            (self.out / folder).mkdir(exist_ok=True)
        path = self._journal_path()
        self._held.enter_context(held(path.with_suffix(".lock"), _COMMAND, self.out))
        path.touch()
        self._journal = self._held.enter_context(open(path, "r+b", buffering=0))  # noqa: SIM115
        self._journal.truncate((self.stop - self.start) * self._entry_bytes)

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
            if _OWN_TABLE.fullmatch(entry.name) or _is_record(entry):
                entry.unlink()
            elif entry.is_dir() and not entry.is_symlink():
                own = re.compile(rf"{re.escape(entry.name)}_\d{{6,}}({_ANY_SUFFIX})")
                with os.scandir(entry) as found:
                    for image in [image for image in found if own.fullmatch(image.name)]:
                        os.unlink(image.path)
                with suppress(OSError):
                    entry.rmdir()  # only if nothing else is in it

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


def _split_digests(entry: bytes) -> tuple[str, ...]:
    return tuple(entry[i : i + _DIGEST_BYTES].hex() for i in range(0, len(entry), _DIGEST_BYTES))


def _sha256(path: Path) -> str | None:
    """None if there is no such file, empty if it cannot be read."""
    if not path.exists():
        return None
    try:
        return file_sha256(path)
    except InputError:
        return ""


def _beginning(path: Path, size: int) -> bytes:
    """A file's bytes, at most one more than `size`."""
    with open_regular(path, max_bytes=None) as file:
        return file.read(size + 1)


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """The system's refusals as errors in words."""
    try:
        yield
    except OSError as error:
        raise InputError(
            shown(error.filename or path), f"cannot be written ({why(error, path)})", _GO_ON
        ) from error
    except InputError as error:
        if isinstance(error.__cause__, OSError):
            raise InputError(error.subject, error.message, _GO_ON) from error.__cause__
        raise
