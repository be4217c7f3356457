"""Disks that fill, files that grow too large, folders that may not be written: a clear error, and nothing lost.

    python tests/stress/fill_anywhere.py 40 [first seed] [case ...]

The commands of `kill_anywhere.py`, on a small tmpfs of a random size, under a limit of a file's size, or on a disk
that is read-only. Wants the right to mount.
"""

from __future__ import annotations

import contextlib
import random
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kill_anywhere import Case, Kills, main
from kill_checks import snapshot

ROOM = "64m"
CODES = {3, 4}  # input; weights, of the Hub's cache


def mount(folder: Path, options: str) -> bool:
    """Mounts a tmpfs; whether that was allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(line, capture_output=True).returncode == 0
    return False


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)


class Fills(Kills):
    """Commands that run out of room."""

    def disturb(self, case: Case, chance: random.Random) -> None:
        counts = self.counts.setdefault(case.name, Counter())
        disk = self.folder / "disk"
        wanted = snapshot(self.out(case, "whole"))
        total = sum(-(-len(data) // 4096) * 4096 for data in wanted.values())
        kind = chance.choice(("full", "full", "limit", "read-only"))
        size = max(8192, int(chance.random() * total)) if kind == "full" else ROOM
        assert mount(disk, f"size={size}"), "may not mount"
        try:
            out = disk / "out"
            self._fail(case, kind, out, int(chance.random() * max(map(len, wanted.values()))), counts)
            subprocess.run(["mount", "-o", f"remount,rw,size={ROOM}", str(disk)], check=True)
            code = self.run_one(case, out)
            assert code == 0 or (code == 6 and case.may_be_there), f"with room, {code}: {self.said()}"
            self.compare(case, out)
        finally:
            unmount(disk)

    def _fail(self, case: Case, kind: str, out: Path, limit: int, counts: Counter[str]) -> None:
        """Runs it once where it should not fit, and looks at what it says and leaves."""
        if kind == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(out.parent)], check=True)
        limits = {resource.RLIMIT_FSIZE: (limit, limit)} if kind == "limit" else {}
        code = self.run_one(case, out, limits=limits)
        counts[f"{kind}, {'refused' if code else 'fitted'}"] += 1
        said = self.said()
        assert code in CODES | {0}, f"{kind}, exit code {code}: {said}"
        assert "Traceback" not in said, said
        if code:
            errors = [line for line in said.splitlines() if line.startswith("drai: error: ")]
            assert len(errors) == 1, said
            assert kind != "full" or " free" in errors[0], said
        self.check_whole(case, out)
        left = [path.name for path in out.rglob("*") if path.name.endswith((".tmp", ".lock"))]
        assert not left, f"{kind}: left over: {left}"


if __name__ == "__main__":
    sys.exit(main(Fills))
