"""Files of less than 1 MiB that claim or become much: none may take more than 1 GiB or 60 s of the processor.

    python tests/stress/fuzz_bounds.py 10000 [kind ...] [--first N]

N files of each kind (`KINDS`) or of those named; file i of a kind is the same whenever it is made. Each is given to a
command, some dozen after another in a process that is forked for them; what breaks a bound, ends by anything but a
documented error, or says more than one error, runs again alone, and if it does so again it is kept and named.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `tests` beside it
os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", COLUMNS="160")

from tests.stress.bounds_others import OTHERS
from tests.stress.bounds_rasters import RASTERS
from tests.stress.bounds_volumes import VOLUMES
from tests.support.memory import peak_bytes
from tests.support.prompt import program

KINDS = {**RASTERS, **VOLUMES, **OTHERS}
MOST_FILE_BYTES, MOST_BYTES, MOST_SECONDS = 1 << 20, 1 << 30, 60.0
_NO_MORE_BYTES = 4 << 30  # what would take more fails, and is counted as taking too much
_PATIENCE_S = 400
_TOGETHER, _MOST_KEPT_BYTES = 20, 150 << 20
DOCUMENTED = {0, 2, 3, 4, 6}


@dataclass
class Result:
    """What a command did with a file.

    Attributes:
        number: Of the file.
        code: Exit code; None for a file that is over 1 MiB.
        growth: Bytes that the process had more than at its start, at most.
        seconds: Of the processor.
        said: All that it printed.
        command: The command.
    """

    number: int
    code: int | None
    growth: int = 0
    seconds: float = 0.0
    said: str = ""
    command: str = ""

    def wrong(self) -> list[str]:
        """What breaks a bound or is not documented."""
        errors = [line for line in self.said.splitlines() if line.startswith("drai: error: ")]
        named = f"exit {self.code}: {' '.join(errors)[:200]}"
        out = []
        if self.code is None:
            return []
        if self.code not in DOCUMENTED or "Traceback" in self.said:
            out.append(f"exit {self.code}: {self.said[-600:]}")
        elif len(errors) != (self.code != 0):
            out.append(f"exit {self.code} with {len(errors)} errors: {self.said[-600:]}")
        if self.growth > MOST_BYTES:
            out.append(f"{self.growth >> 20} MiB, {named}")
        if self.seconds > MOST_SECONDS:
            out.append(f"{self.seconds:.0f} s of the processor, {named}")
        return out


class Bounds:
    """What became of the files so far."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.results: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.most = (0, "")
        self.slowest = (0.0, "")

    def fuzz(self, kind: str, count: int, first: int = 0) -> None:
        """Makes and runs files of a kind."""
        number = first
        while number < first + count:
            for result in self._run(kind, range(number, min(number + _TOGETHER, first + count))):
                number = result.number + 1
                if result.wrong():  # alone, with nothing left of those before
                    (result,) = self._run(kind, range(result.number, result.number + 1))
                self._count(kind, result)

    def _count(self, kind: str, result: Result) -> None:
        name = f"{kind} {result.number}"
        self.results["over 1 MiB, not run" if result.code is None else f"exit {result.code}"] += 1
        self.most = max(self.most, (result.growth >> 20, name))
        self.slowest = max(self.slowest, (round(result.seconds, 1), name))
        found = result.wrong()
        for what in found:
            self.wrong.append(f"{name}: {what}\n  drai {result.command:.300}")
            print(self.wrong[-1], flush=True)
        if found:
            os.rename(self.base / "case", self.base / name.replace(" ", "-"))

    def _run(self, kind: str, numbers: range) -> list[Result]:
        """Runs files one after another in one process; as many as it could, at least one."""
        reading, writing = os.pipe()
        process = os.fork()
        if not process:
            os.close(reading)
            run_alone(kind, numbers, self.base, writing)
        os.close(writing)
        results: list[Result] = []
        with open(reading, "rb", buffering=0) as pipe:
            lines = b""
            while select.select([pipe], [], [], _PATIENCE_S)[0] and (chunk := pipe.read(1 << 16)):
                lines += chunk
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        results = [Result(**json.loads(line)) for line in lines.split(b"\n")[:-1] if line]
        if lines[-2:] == b"\n\n":  # after its last one, of its own accord
            return results
        said = (self.base / "said").read_text(errors="replace")
        return [*results, Result(numbers[len(results)], os.waitstatus_to_exitcode(status), said=said)]


def run_alone(kind: str, numbers: range, base: Path, writing: int) -> None:
    """Runs commands in this forked process, writes a line for each to a pipe, and ends."""
    code = 70
    try:
        log = os.open(base / "said", os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        resource.setrlimit(resource.RLIMIT_DATA, (_NO_MORE_BYTES, _NO_MORE_BYTES))
        before = peak_bytes()  # of a fork, what it has
        for number in numbers:
            result = _run_one(kind, number, base, before)
            os.write(writing, json.dumps(asdict(result)).encode() + b"\n")
            # Memory that is free, but kept, would hide what the next one takes; a thread may go on for hours.
            if result.growth > _MOST_KEPT_BYTES or threading.active_count() > 1:
                break
        os.write(writing, b"\n")
        code = 0
    except BaseException:  # such as a file that could not be made
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _run_one(kind: str, number: int, base: Path, before: int) -> Result:
    case, code = base / "case", 0
    os.chdir(base)
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir()
    command = KINDS[kind](case, random.Random(f"{kind} {number}"))
    if any(path.stat().st_size > MOST_FILE_BYTES for path in case.rglob("*") if path.is_file()):
        return Result(number, None)
    os.environ["DRAI_CACHE"] = str(case / "cache")
    tempfile.tempdir = str(case)
    os.chdir(case)
    os.ftruncate(1, 0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    started = time.process_time()
    try:
        program()(command)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    except BaseException as error:
        code = 70
        print("Traceback:", repr(error), file=sys.stderr)
    seconds = time.process_time() - started
    sys.stdout.flush()
    sys.stderr.flush()
    said = (base / "said").read_text(errors="replace")
    return Result(number, code, peak_bytes() - before, seconds, said[-5000:], " ".join(command))


def import_all() -> None:
    """Imports what the commands do, so that a fork has it; starts no thread."""
    import nibabel  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import openpyxl  # noqa: F401
    import PIL.Image  # noqa: F401
    import pydicom  # noqa: F401
    import SimpleITK  # noqa: F401
    import torch  # noqa: F401

    from drai_cli.inference import onnx_model  # noqa: F401
    from drai_cli.io import registry
    from drai_cli.workflows import inspect, sample, train  # noqa: F401

    for format in registry.FORMATS:
        for name in format.modules:
            __import__(name)
    program()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("kinds", nargs="*", metavar="kind")
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    import_all()
    base = Path(tempfile.mkdtemp(prefix="drai-bounds-"))
    bounds = Bounds(base)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    for kind in asked.kinds or KINDS:
        start, before, wrong = time.monotonic(), bounds.results.copy(), len(bounds.wrong)
        bounds.most, bounds.slowest = (0, ""), (0.0, "")
        with contextlib.suppress(KeyboardInterrupt):  # what was done until then is told
            bounds.fuzz(kind, asked.count, asked.first)
        most, slowest = (f"{number} ({name})" for number, name in (bounds.most, bounds.slowest))
        print(
            f"{kind}: {dict(bounds.results - before)}, {len(bounds.wrong) - wrong} wrong, most memory in MiB {most}, "
            f"slowest in s {slowest}, {time.monotonic() - start:.0f} s in all",
            flush=True,
        )
    print(f"kept in {base}" if bounds.wrong else "nothing wrong")
    if not bounds.wrong:
        shutil.rmtree(base)
    return int(bool(bounds.wrong))


if __name__ == "__main__":
    sys.exit(main())
