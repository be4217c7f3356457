"""One part of a `sample` job in its folder: what of it is done, and how parts become one output. Makes no images.

A file under its final name is always whole. An image that the journal does not know is made again and compared with
its file, so a job may be killed at any moment. The hidden files are removed when the job is complete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import IO

from drai_cli.errors import OverwriteError
from drai_cli.io.durable import make_folders, sync_disk
from drai_cli.io.files import open_own
from drai_cli.io.locks import hold_lock
from drai_cli.sampling.job import Job
from drai_cli.sampling.job_folder import COMMAND, JobFolder
from drai_cli.sampling.journal import COPY, Journal, Reason, digest_of, reason_of
from drai_cli.sampling.layout import NPZ, Rows, Tars, container_of, tar_name
from drai_cli.sampling.layout_tables import write_tables
from drai_cli.sampling.manifest import (
    MANIFEST,
    METADATA,
    Manifest,
    shard_name,
    write_manifest,
    write_metadata,
)
from drai_cli.sampling.npz_file import read_levels
from drai_cli.sampling.npz_store import NpzStore, write_part
from drai_cli.sampling.plan import Item, Plan
from drai_cli.sampling.store import (
    NEW_FOLDER,
    FileStore,
    Placed,
    Store,
    TarStore,
    os_errors_as_input_errors,
    sha256_of,
)


@dataclass
class SampleOutput:
    """One part of a job in its folder.

    Attributes:
        out: The folder.
        plan: All images of the job.
        job: What decides them.
        seed: For the metadata.
        part: (i, n), from 1: this process makes the i-th of n equal ranges of the plan, in whole tar files.
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
    _folder: JobFolder = field(init=False)
    _store: Store | None = field(default=None, init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False)

    def __post_init__(self) -> None:
        self.start, self.stop = self.plan.part(*self.part)
        self._folder = JobFolder(self.out, self.plan, self.job, self.part[1])

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds the record of a job, this one or another."""
        return self._folder.is_begun

    def open(self, *, overwrite: bool) -> bool:
        """Takes the folder for this job, or resumes the job in it.

        Returns:
            Whether this part, or the whole job, is done already.

        Raises:
            OverwriteError: The folder holds anything that this job would not make.
            InputError: It cannot be written.
        """
        with os_errors_as_input_errors(self.out):
            self._refuse_file()
            if not overwrite and (self.out / MANIFEST).exists():  # a finished folder is only read: no lock
                self._folder.check()
                if self._is_done():
                    return True
            make_folders(self.out)
            with self._folder.lock():
                if self._folder.claim(overwrite=overwrite) and self._is_done():
                    return True
                try:
                    self._begin(overwrite=overwrite)
                except BaseException:
                    self.close()
                    raise
        return False

    def check(self, *, overwrite: bool) -> None:
        """Checks the folder as `open` does, without changing it; raises the same errors."""
        with os_errors_as_input_errors(self.out):
            self._refuse_file()
            if self.out.exists():
                self._folder.check_overwritable() if overwrite else self._folder.check()

    def _refuse_file(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise OverwriteError(self.out, "it is a file", "choose another --out")

    def close(self) -> None:
        """Ends the work on the part; its journal stays for the next command."""
        self._store = None
        self._stack.close()

    def find_missing(self, start: int, stop: int) -> list[int]:
        """Which of the images at these positions neither exist unchanged nor were left out."""
        assert self._store is not None
        return self._store.find_missing(start, stop)

    def place(self, item: Item, files: tuple[bytes, ...]) -> Placed:
        """Writes or packs an image's files; returns what `record` takes. Safe in threads.

        Raises:
            OverwriteError: Another file has its name.
            InputError: It cannot be written.
        """
        assert self._store is not None
        return self._store.place(item, files)

    def record(self, position: int, placed: Placed | Reason) -> None:
        """Records that an image is done, or why it was left out; called in order. Raises as `place`."""
        assert self._store is not None
        self._store.record(position, placed)

    def finish(self) -> bool:
        """Writes this part's tables and, if all parts are done, merges them; returns whether the job is complete."""
        with os_errors_as_input_errors(self.out):
            sync_disk(self.out)  # all images at once, before the tables say that they are there
            metadata = self.out / shard_name(METADATA, self.part)
            assert self._store is not None
            self._store.finish()
            list_entries = partial(self._store.list_entries, self.start, self.stop)
            rejected = {name for name, digest in list_entries() if reason_of((digest,))}
            metadata_sha256 = write_metadata(metadata, self.plan, self.seed, self.start, self.stop, rejected)
            manifest = self.out / shard_name(MANIFEST, self.part)
            tables = write_tables(self.out, self.plan, self.job, rejected) if self.part[1] == 1 else {}
            write_manifest(manifest, self.job, metadata_sha256, list_entries(), tables)
            self.close()
            with self._folder.lock():
                for path in (self._journal_path(), self._rows_path()):
                    path.unlink(missing_ok=True)
                return self._merge()

    def list_rejected(self) -> set[str]:
        """Names of the images of a complete job that were left out."""
        manifest = Manifest.open(self.out / MANIFEST)
        return set() if manifest is None else set(manifest.rejected())

    def count_rejected(self) -> dict[str, Counter[str]]:
        """Images of this part that were left out, by label and reason, from the tables of a finished output."""
        out: dict[str, Counter[str]] = {}
        for name in (MANIFEST, shard_name(MANIFEST, self.part)):
            manifest = Manifest.open(self.out / name)
            if manifest is not None:
                rejected = manifest.rejected()
                for item in self.plan.items(self.start, self.stop) if rejected else ():
                    if reason := rejected.get(self.plan.file_name(item)):
                        out.setdefault(item.label, Counter())[reason] += 1
                break
        return out

    def _begin(self, *, overwrite: bool) -> None:
        """Records the job, makes the folders and opens this part's journal."""
        self._folder.begin()
        path = self._journal_path()
        self._stack.enter_context(hold_lock(path.with_suffix(".lock"), COMMAND, self.out))
        file, layout = self._open_hidden(path), self.plan.layout
        digests = 1 if isinstance(layout, Tars) else self.plan.files_per_image
        journal = Journal(file, self.start, self.stop, digests)
        if isinstance(layout, Tars):
            self._store = TarStore(self.out, self.plan, layout, journal, overwrite=overwrite)
        elif isinstance(layout, Rows):
            npz, rows = self.out / shard_name(NPZ, self.part), self._open_hidden(self._rows_path())
            self._store = NpzStore(npz, self.plan, self.job, journal, rows, overwrite=overwrite)
        else:
            self._store = FileStore(self.out, self.plan, journal, overwrite=overwrite)
        if not overwrite and (manifest := Manifest.open(self.out / MANIFEST)) is not None:
            self._recall(manifest, journal)  # a finished job with damaged files
        self._stack.callback(self._store.close)

    def _open_hidden(self, path: Path) -> IO[bytes]:
        """A hidden file of this part, made if it is not there, for reading and writing; never through a link."""
        return self._stack.enter_context(open_own(path))

    def _recall(self, manifest: Manifest, journal: Journal) -> None:
        """Writes what a finished job's manifest lists into the journal of this part, so that sound files are kept."""
        layout, files = self.plan.layout, dict(manifest.entries())
        if isinstance(layout, Rows):
            return  # the rows of a finished npz file are no files of their own: all are made again
        for item, position in zip(self.plan.items(self.start, self.stop), count(self.start), strict=False):
            names = self.plan.file_names(item)
            if isinstance(layout, Tars):
                names = (names[0] if names[0] in files else tar_name(position // layout.unit),)
            journal.write(position, [tuple(files.get(name, digest_of(COPY)) for name in names)])

    def _is_done(self) -> bool:
        """Whether the whole job or this part has its manifest, and its files are as listed there."""
        manifest = Manifest.open(self.out / MANIFEST)
        if manifest is not None:
            if not self._check_files(manifest, 0, self.plan.total):
                return False
            for name, digest in manifest.tables().items():
                self._check_table(self.out / name, digest)
            self._folder.sweep()
            return True
        manifest = Manifest.open(self.out / shard_name(MANIFEST, self.part))
        if manifest is None:
            return False
        if not self._check_files(manifest, self.start, self.stop):
            return False
        self._merge()
        return True

    def _check_files(self, manifest: Manifest, start: int, stop: int) -> bool:
        """Whether the files are as listed. One that is not may be what a power cut left: it is made again and compared.

        Raises:
            OverwriteError: A file is missing, or the tables were changed.
        """
        is_same = True
        # An image that was left out of a tar or npz file is listed too, but has no file.
        files = (
            (name, digest)
            for name, digest in manifest.files()
            if digest is not None or not container_of(name)
        )
        try:
            for name, (listed, digest) in zip(
                self._names(manifest.path.name, start, stop), files, strict=True
            ):
                actual = sha256_of(self.out / listed) if listed == name else ""
                if listed != name or (actual != digest and None in (actual, digest)):
                    reason = "it is missing" if actual is None else "it was changed"
                    raise OverwriteError(self.out / name, reason, NEW_FOLDER)
                is_same = is_same and actual == digest
        except ValueError as error:
            raise OverwriteError(manifest.path, "it lists other images", NEW_FOLDER) from error
        name = manifest.path.name.replace("manifest", "metadata")
        metadata = manifest.path.with_name(name).with_suffix(".csv")
        self._check_table(metadata, manifest.head.get("metadata_sha256"))
        return is_same

    def _check_table(self, path: Path, digest: object) -> None:
        if sha256_of(path) != digest:
            raise OverwriteError(path, "it is missing or was changed", NEW_FOLDER)

    def _names(self, manifest: str, start: int, stop: int) -> Iterator[str]:
        """The files on disk that hold the images at these positions, in order, by the manifest of this name."""
        layout = self.plan.layout
        if isinstance(layout, Rows):
            return iter((NPZ if manifest == MANIFEST else shard_name(NPZ, self.part),))
        if isinstance(layout, Tars):
            return (tar_name(first // layout.unit) for first, _ in layout.ranges(start, stop))
        return (name for item in self.plan.items(start, stop) for name in self.plan.file_names(item))

    def _merge(self) -> bool:
        """Merges the parts' tables if all exist; returns whether the job is complete. The folder is locked."""
        if self.part[1] > 1 and not (self.out / MANIFEST).exists():
            names = [shard_name(MANIFEST, (number, self.part[1])) for number in range(1, self.part[1] + 1)]
            manifests = [
                manifest for name in names if (manifest := Manifest.open(self.out / name)) is not None
            ]
            if len(manifests) < len(names):
                return False
            rejected = {name for manifest in manifests for name in manifest.rejected()}
            metadata = self.out / METADATA
            metadata_sha256 = write_metadata(metadata, self.plan, self.seed, 0, self.plan.total, rejected)
            files: Iterator[tuple[str, str]]
            files = chain.from_iterable(manifest.entries() for manifest in manifests)
            if isinstance(self.plan.layout, Rows):
                digest = self._merge_npz(rejected)
                files = chain([(NPZ, digest)], (entry for entry in files if reason_of((entry[1],))))
            tables = write_tables(self.out, self.plan, self.job, rejected)
            write_manifest(self.out / MANIFEST, self.job, metadata_sha256, files, tables)
        self._folder.sweep()
        return True

    def _merge_npz(self, rejected: set[str]) -> str:
        """Writes the npz file of the whole job from those of its parts; returns its sha256."""
        parts = (self.out / shard_name(NPZ, (i + 1, self.part[1])) for i in range(self.part[1]))
        rows = chain.from_iterable(map(read_levels, parts))
        return write_part(self.out / NPZ, self.plan, self.job, 0, self.plan.total, rejected, rows)

    def _rows_path(self) -> Path:
        return self._journal_path().with_suffix(".rows")

    def _journal_path(self) -> Path:
        return self.out / f".drai-sample-{self.part[0]}-of-{self.part[1]}.journal"
