"""Mutated files of every kind that drai is given by others, through its commands: only documented errors may come out.

    python tests/stress/fuzz_files.py 10000 [kind ...] [--first N]

N cases of each kind (`fuzz_kinds.KINDS`) or of those named; case i of a kind is the same whenever it is made. Each is
held to a time, a growth of memory, exit codes other than 1, and: nothing is written outside its output folder, nothing
outside the folders it was given is read, no pickle is loaded, no program started, no connection made. A case that
breaks any of it is kept and named.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import unicodedata
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `tests` beside it

from typer.testing import Result

from tests.stress.fuzz_hidden import OUTSIDE
from tests.stress.fuzz_kinds import KINDS
from tests.stress.fuzz_mutations import SECRET
from tests.stress.fuzz_places import Kind, Place
from tests.support.memory import peak_bytes
from tests.support.patience import PATIENCE_S
from tests.support.prompt import run_drai

MAX_SECONDS = 10.0  # of the processor, whoever else uses it
MAX_GROWTH_BYTES = 1 << 30
SECRETS = (SECRET, f"{SECRET}.png")
UNTOUCHED = b"nobody may read this"
DOCUMENTED = {0, 2, 3, 4, 6}
PROGRAMS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "pickle.find_class",
    "socket.connect",
}
CHANGES = {
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
    "os.utime",
}


class Hang(BaseException):
    """A case took too long; no Exception, so that nobody catches it."""


class Watch:
    """What a case makes Python do that it must not, by Python's audit events (PEP 578)."""

    def __init__(self, base: Path) -> None:
        cases = os.path.join(os.path.realpath(base), "cases")
        self.forbidden = {"/dev/zero", "/etc/passwd", *(os.path.join(cases, name) for name in SECRETS)}
        self.allowed: tuple[str, ...] = ()
        self.is_on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def start(self, *allowed: Path) -> None:
        """Begins to look; writing is allowed below these folders."""
        self.allowed = tuple(os.path.realpath(path) for path in allowed)
        self.seen, self.is_on = [], True

    def stop(self) -> list[str]:
        self.is_on = False
        return self.seen

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in PROGRAMS:
            self.seen.append(f"{event} {arguments[:2]!r:.200}")
        elif event == "open" and isinstance(arguments[0], str | bytes):
            self._opened(os.fsdecode(arguments[0]), arguments[2])
        elif event in CHANGES:
            folders = [one for one in arguments[1:] if isinstance(one, int) and one >= 0]
            for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
                if isinstance(path, str | bytes):  # relative to a folder that is open, where one is given
                    folder = (
                        os.readlink(f"/proc/self/fd/{folders[-1]}") if folders and event != "os.mkdir" else ""
                    )
                    self._changed(event, os.path.join(folder, os.fsdecode(path)))

    def _opened(self, path: str, flags: int) -> None:
        self.is_on = False  # what follows opens nothing, but asks
        try:
            real = os.path.realpath(path)
        except ValueError:  # a NUL: the system will refuse it
            real = ""
        self.is_on = True
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            is_followed = not flags & (os.O_NOFOLLOW | os.O_EXCL)
            self._changed("open to write", real if real and is_followed else path)
        elif real in self.forbidden:
            self.seen.append(f"opened {path!r:.200}")

    def _changed(self, event: str, path: str) -> None:
        # The link itself is what is changed, so only its folder is followed.
        real = os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))
        if real != os.devnull and not real.startswith(
            tuple(f"{place}{os.sep}" for place in self.allowed) + self.allowed
        ):
            self.seen.append(f"{event} {path!r:.200}")


class Fuzzer:
    """Sound files, the watch, and what became of the cases so far."""

    def __init__(self, base: Path) -> None:
        self.base = base
        (base / "cases").mkdir()
        (base / "kept").mkdir()
        self._restore()
        self.place = Place(base, self._must)
        self.watch = Watch(base)
        self.results: Counter[str] = Counter()
        self.wrong: list[str] = []

    def fuzz(self, kind: str, count: int, first: int = 0) -> None:
        """Runs cases of a kind."""
        sound = self.base / f"sound-{kind}"
        if not sound.exists():
            sound.mkdir()
            KINDS[kind].make(self.place, sound)
        for number in range(first, first + count):
            found = self._case(KINDS[kind], sound, random.Random(f"{kind} {number}"))
            self.wrong += [f"{kind} {number}: {what}" for what in found]
            if found:
                self._restore()
                os.rename(self.base / "cases" / "case", self.base / "kept" / f"{kind}-{number}")

    def _case(self, kind: Kind, sound: Path, chance: random.Random) -> list[str]:
        cases = self.base / "cases"
        case, out = cases / "case", cases / "out"
        for folder in (case, out):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, case)
        out.mkdir()
        kind.spoil(case, chance)
        command = kind.command(self.place, case, out, chance)
        before, start = peak_bytes(), time.process_time()
        self.watch.start(out, self.base / "cache", self.base / "tmp", *([case] if kind.writes_case else []))
        signal.setitimer(signal.ITIMER_PROF, 2 * MAX_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)  # for a pipe's other end
        try:
            result: Result | str = _run(command)
        except Hang:
            result = "hangs"
        finally:
            for timer in (signal.ITIMER_PROF, signal.ITIMER_REAL):
                signal.setitimer(timer, 0)
            seen = self.watch.stop()
            wrong = [what for what in seen if not (kind.names_data and what.startswith("opened"))]
        seconds, growth = time.process_time() - start, peak_bytes() - before
        if isinstance(result, str):
            wrong.append(result)
        else:
            self.results[f"exit {result.exit_code}"] += 1
            wrong += _faults(result)
        if seconds > MAX_SECONDS:
            wrong.append(f"{seconds:.1f} s of processor time")
        if growth > MAX_GROWTH_BYTES:
            wrong.append(f"{growth >> 20} MiB")
        if {path.name for path in cases.iterdir()} - {"case", "out", OUTSIDE, *SECRETS}:
            wrong.append("wrote beside its folder")
        if {path.name for path in (cases / OUTSIDE).iterdir()} != {"kept"}:
            wrong.append("wrote into another folder")
        if any((cases / name).read_bytes() != UNTOUCHED for name in (*SECRETS, f"{OUTSIDE}/kept")):
            wrong.append("changed a file elsewhere")
        return [f"{what}\n  drai {' '.join(command)!r:.300}" for what in wrong]

    def _restore(self) -> None:
        """Makes what lies outside every case, again after a case has changed it."""
        cases = self.base / "cases"
        for name in {path.name for path in cases.iterdir()} - {"case", "out"}:
            path = cases / name
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (cases / OUTSIDE).mkdir()
        for name in (*SECRETS, f"{OUTSIDE}/kept"):
            (cases / name).write_bytes(UNTOUCHED)

    def _must(self, command: Sequence[str]) -> None:
        result = _run(command)
        if result.exit_code:
            raise RuntimeError(f"drai {' '.join(command)}: {result.output}")


def _run(command: Sequence[str]) -> Result:
    return run_drai(command)


def _faults(result: Result) -> list[str]:
    """What is wrong with how a command ended or with what it said."""
    if result.exit_code not in DOCUMENTED:
        lines = result.stderr.splitlines()
        places = [line.strip() for line in lines if line.startswith("  File ") and "drai_cli" in line]
        said = [line for line in lines if line and not line.startswith((" ", "drai: "))]
        return [f"exit {result.exit_code}: {' '.join(said[-1:])[:300]}\n  {' '.join(places[-2:])}"]
    wrong = []
    escapes = {c for c in result.output if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"}
    if escapes:
        wrong.append(f"control characters {sorted(escapes)} on the screen")
    said = ("drai: error: ", "drai: warning: ")  # what verify finds are warnings
    if result.exit_code and not any(line.startswith(said) for line in result.stderr.splitlines()):
        wrong.append(f"exit {result.exit_code} and does not say why: {result.stderr[-500:]}")
    if any(len(line) > 4000 for line in result.stderr.splitlines()):
        wrong.append("a message of more than 4,000 characters")
    return wrong


def _on_alarm(*_: object) -> None:
    raise Hang


def begin(base: Path) -> Fuzzer:
    """A fuzzer below `base`, this process being set up for it: far from the user's own settings, caches and files."""
    for name in ("cache", "tmp"):
        (base / name).mkdir()
    os.environ |= {
        "DRAI_CACHE": str(base / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(base / "cache"),
        "COLUMNS": "160",
    }
    os.environ.pop("DRAI_WEIGHTS", None)
    tempfile.tempdir = str(base / "tmp")
    sys.dont_write_bytecode = True
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _on_alarm)
    return Fuzzer(base)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("kinds", nargs="*", metavar="kind")
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="drai-fuzz-"))
    os.chdir(base)
    fuzzer = begin(base)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in asked.kinds or KINDS:
            start, before, wrong = time.monotonic(), fuzzer.results.copy(), len(fuzzer.wrong)
            with contextlib.suppress(KeyboardInterrupt):  # what was done until then is told
                fuzzer.fuzz(kind, asked.count, asked.first)
            print(*fuzzer.wrong[wrong:], sep="\n")
            print(
                f"{kind}: {dict(fuzzer.results - before)}, {len(fuzzer.wrong) - wrong} wrong, "
                f"{time.monotonic() - start:.0f} s, peak {peak_bytes() >> 20} MiB",
                flush=True,
            )
    print(f"kept in {base / 'kept'}" if fuzzer.wrong else "nothing wrong")
    if not fuzzer.wrong:
        shutil.rmtree(base)
    return int(bool(fuzzer.wrong))


if __name__ == "__main__":
    sys.exit(main())
