"""Power cuts: what was not synced is lost, and the same command again ends the same; what was done stays done.

    python tests/stress/cut_anywhere.py 200 [first seed] [case ...]

The commands of `kill_anywhere.py`. `drop_unsynced.c`, preloaded, records in order what a command writes, renames and
syncs. A cut is a place in that record: what was synced before it is on the disk, of the rest as much as a disk may have
kept. Wants a C compiler; see `POLICIES` for the disks.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kill_anywhere import Case, Kills, main
from kill_checks import snapshot

_HEAD = struct.Struct("5q")
OPEN, WRITE, TRUNCATE, RENAME, UNLINK, MKDIR, RMDIR, SYNC, SYNC_ALL = range(1, 10)
POLICIES = ("synced", "names", "zeros", "random")
"""What a disk keeps of what was not synced: nothing; names but no bytes; names and zeros; a random part of each."""


@dataclass
class File:
    """A file: what is on the disk, and what is not yet."""

    synced: bytes = b""
    waiting: list[tuple[int, bytes | None]] = field(
        default_factory=list
    )  # place and bytes; None: cut off there

    def sync(self) -> None:
        self.synced = apply(self.synced, self.waiting)
        self.waiting = []

    def after_cut(self, policy: str, chance: random.Random) -> bytes:
        whole = apply(self.synced, self.waiting)
        if policy == "random":
            kept = self.waiting[: chance.randrange(len(self.waiting) + 1)]
            part = apply(self.synced, kept)
            return part + bytes(len(whole) - len(part)) if chance.random() < 0.3 else part[: len(whole)]
        if policy == "zeros":
            return self.synced + bytes(max(0, len(whole) - len(self.synced)))
        return self.synced


def apply(content: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    out = bytearray(content)
    for place, data in changes:
        if data is None:
            out[place:] = bytes(max(0, place - len(out)))
        else:
            out.extend(bytes(max(0, place - len(out))))
            out[place : place + len(data)] = data
    return bytes(out)


Names = dict[str, "File | None"]
"""Files by path; None for a folder."""


@dataclass
class Change:
    """A change of a folder; `folders` says whose sync puts it on the disk."""

    make: Callable[[Names], None]
    folders: tuple[str, ...]
    is_synced: bool = False


class Disk:
    """A folder on a disk whose power can fail."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.names: Names = {}
        for path in sorted(root.rglob("*")):
            self.names[str(path)] = None if path.is_dir() else File(path.read_bytes())
        self.first: Names = dict(self.names)
        self.changes: list[Change] = []
        self.open: dict[int, File] = {}

    def follow(self, records: Iterator[tuple[int, int, int, bytes, bytes]], count: int) -> None:
        """Follows the first `count` records."""
        for (kind, fd, at, one, other), _ in zip(records, range(count), strict=False):
            path, new = os.path.normpath(os.fsdecode(one)) if kind != WRITE else "", os.fsdecode(other)
            if kind == WRITE and fd in self.open:
                self.open[fd].waiting.append((at, one))
            elif kind == TRUNCATE and fd in self.open:
                self.open[fd].waiting.append((at, None))
            elif kind == OPEN:
                self._open(fd, at, path)
            elif kind == RENAME and self._holds(new):
                self._change(_rename(path, new), path, new)
            elif kind in (UNLINK, RMDIR) and self._holds(path):
                self._change(lambda names, path=path: names.pop(path, None), path)
            elif kind == MKDIR and self._holds(path):
                self._change(lambda names, path=path: names.setdefault(path), path)
            elif kind == SYNC_ALL:
                self._sync_all()
            elif kind == SYNC and at:
                for change in self.changes:
                    change.is_synced |= path in change.folders
            elif kind == SYNC and (file := self.names.get(path)) is not None:
                file.sync()

    def write_after_cut(self, policy: str, chance: random.Random) -> None:
        """Writes what is there when the power is back."""
        names, counted = dict(self.first), Counter[tuple[str, ...]]()
        waiting = Counter(change.folders for change in self.changes if not change.is_synced)
        most = {folders: chance.randrange(count + 1) for folders, count in waiting.items()}
        for change in self.changes:
            is_kept = policy in ("names", "zeros")
            if policy == "random" and not change.is_synced:
                counted[change.folders] += 1
                is_kept = counted[change.folders] <= most[change.folders]
            if change.is_synced or is_kept:
                change.make(names)
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)
        for path in sorted(names):
            if not os.path.isdir(os.path.dirname(path)):
                continue  # in a folder that is not there
            file = names[path]
            if file is None:
                os.makedirs(path, exist_ok=True)
            else:
                Path(path).write_bytes(file.after_cut(policy, chance))

    def _holds(self, path: str) -> bool:
        return path.startswith(self.root + os.sep)

    def _open(self, fd: int, flags: int, path: str) -> None:
        self.open.pop(fd, None)
        if not self._holds(path):
            return
        if flags & 2:
            made = File()
            self._change(lambda names: names.update({path: made}), path)
        file = self.names.get(path)
        if file is not None:
            self.open[fd] = file
            if flags & 1:
                file.waiting.append((0, None))

    def _change(self, make: Callable[[Names], object], *paths: str) -> None:
        folders = tuple(sorted({os.path.dirname(path) for path in paths}))
        file = self.names.get(paths[0])
        make(self.names)
        if (
            len(paths) == 2 and file is not None
        ):  # a file keeps its content under a name that alone is on the disk
            renamed = make
            make = lambda names: (names.update({paths[0]: file}), renamed(names))  # noqa: E731
        self.changes.append(Change(make, folders))  # type: ignore[arg-type]

    def _sync_all(self) -> None:
        for change in self.changes:
            change.is_synced = True
        for file in {id(file): file for file in self.names.values() if file is not None}.values():
            file.sync()


def _rename(old: str, new: str) -> Callable[[Names], None]:
    def make(names: Names) -> None:
        inside = old + os.sep
        for path in [path for path in names if path == old or path.startswith(inside)]:
            names[new + path[len(old) :]] = names.pop(path)

    return make


def read_log(path: Path) -> Iterator[tuple[int, int, int, bytes, bytes]]:
    """The records: kind, descriptor, place, and a path or bytes, and another path."""
    with open(path, "rb") as file:
        while head := file.read(_HEAD.size):
            kind, fd, at, size, more = _HEAD.unpack(head)
            yield kind, fd, at, file.read(size), file.read(more)


class Cuts(Kills):
    """Commands whose power fails."""

    log: Path | None = None

    def disturb(self, case: Case, chance: random.Random) -> None:
        counts = self.counts.setdefault(case.name, Counter())
        disk = self.folder / "disk"
        shutil.rmtree(disk, ignore_errors=True)
        disk.mkdir()
        for number in range(1 + (chance.random() < 0.3)):
            policy = chance.choice(POLICIES)
            before = Disk(disk)
            code = self._recorded(case, disk)
            assert code == 0 or (code == 6 and case.may_be_there), f"exit code {code}: {self.said()}"
            total = sum(1 for _ in read_log(self.folder / "log"))
            is_end = number == 0 and chance.random() < 0.15
            before.follow(read_log(self.folder / "log"), total if is_end else chance.randrange(total + 1))
            before.write_after_cut(policy, chance)
            counts[f"{policy}{', done' if is_end else ''}"] += 1
            if is_end:
                self._compare_shown(case, disk / "out")  # it had said that it was done
                return
        code = self.run_one(case, disk / "out")
        assert code == 0 or (code == 6 and case.may_be_there), f"{policy}, again, {code}: {self.said()}"
        # A refusal changes nothing: what was done is there, and hidden names may have come back.
        self.compare(case, disk / "out") if code == 0 else self._compare_shown(case, disk / "out")

    def compare(self, case: Case, out: Path) -> None:
        if case.name == "train":  # the checkpoint before the last is that of the tick before, or of the cut
            expected = snapshot(self.out(case, "whole"))
            (out / "checkpoint" / "earlier.safetensors").write_bytes(
                expected["checkpoint/earlier.safetensors"]
            )
        super().compare(case, out)

    def _compare_shown(self, case: Case, out: Path) -> None:
        """Compares without hidden files: the names of locks may come back, and are removed by the next command."""
        for path in [path for path in out.rglob("*") if path.is_file()]:
            if any(part.startswith(".") for part in path.relative_to(out).parts):
                path.unlink()
        self.compare(case, out)

    def _recorded(self, case: Case, disk: Path) -> int:
        self.log = self.folder / "log"
        self.log.unlink(missing_ok=True)
        try:
            return self.run_one(case, disk / "out")
        finally:
            self.log = None

    def _fork(self, work: Callable[[], object], *more: object) -> int:
        log = self.log

        def recorded() -> None:
            if log is not None:
                ctypes.CDLL(None).cut_start(os.fsencode(log))
            work()

        return super()._fork(recorded, *more)  # type: ignore[arg-type]


def preload(name: str) -> None:
    """Starts this process again with the library of a C file beside this one, which is compiled for it."""
    if name in os.environ.get("LD_PRELOAD", ""):
        return
    library = Path(tempfile.mkdtemp(prefix="drai-preload-")) / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-w", "-o", library, source, "-ldl", "-lpthread"], check=True
    )
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, *sys.argv])


if __name__ == "__main__":
    preload("drop_unsynced")
    sys.exit(main(Cuts))
