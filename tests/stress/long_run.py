"""Hours of train and sample cycles in one process: memory, open files, threads and temporary space stay flat.

    python tests/stress/long_run.py 120 [table.csv]

The argument is minutes. A cycle trains a small model, goes on with it, samples from it in every format, swaps, walks,
encodes, exports and evaluates, all in this process and by the command line's own code, and removes its folder. After
each cycle what the process holds is a row of the table. The first quarter warms up; from then on the medians of the
first and of the last quarter of the rows may not differ by more than 3 % of memory or by one file, thread or process,
and the temporary folder is empty.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", TQDM_DISABLE="1")

COLUMNS = ("cycle", "minutes", "memory_mib", "open_files", "threads", "processes", "temporary_bytes")
MEMORY_GROWTH = 1.03
NETWORKS = "--size 16 --base-channels 8 --max-channels 8 --content-dim 4 --style-dim 4 --batch-size 16"
FORMATS = ("png", "dicom", "nifti", "npz")
CYCLE = (
    f"train --data D --out C/run {NETWORKS} --kimg 0.16 --tick-kimg 0.064",
    f"train --data D --out C/run {NETWORKS} --kimg 0.24 --tick-kimg 0.064",
    *(f"sample --weights C/run -n 64 --format {kind} --out C/{kind}" for kind in FORMATS),
    "swap-style C/png/amber/amber_000000.png C/png/brick/brick_000000.png --weights C/run --out C/swap",
    "interpolate C/png/amber/amber_000000.png C/png/brick/brick_000000.png --weights C/run --out C/walk.gif",
    "encode C/png/amber --weights C/run --out C/codes.npz",
    "export --weights C/run --to hub-folder --out C/hub",
    "evaluate --data D --weights C/run --metrics fidelity --samples 32 --judge-images 64 --out C/report",
)  # fmt: skip


def run(line: str) -> None:
    """A command line in this process; anything but exit code 0 ends the script."""
    from drai_cli.cli.app import app

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            app([*line.split(), "-q"])
    except SystemExit as error:
        if error.code not in (0, None):
            raise RuntimeError(f"exit code {error.code}: drai {line}") from error


def held(cycle: int, started: float, temporary: Path) -> tuple[float, ...]:
    """A row of the table. Memory is what is resident, in MiB."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return (
        cycle,
        round((time.monotonic() - started) / 60, 2),
        round(int(status["VmRSS"].split()[0]) / 1024, 1),
        len(os.listdir("/proc/self/fd")),
        int(status["Threads"]),
        len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file()),
    )


def growth(rows: Sequence[tuple[float, ...]]) -> list[str]:
    """What is not flat, in words."""
    warm = rows[len(rows) // 4 :]
    quarter = max(1, len(warm) // 4)
    found = []
    for index, name in enumerate(COLUMNS[2:], 2):
        first = statistics.median(row[index] for row in warm[:quarter])
        last = statistics.median(row[index] for row in warm[-quarter:])
        bound = first * MEMORY_GROWTH if name == "memory_mib" else first + 1
        print(f"{name}: {first:g} after the warm-up, {last:g} at the end")
        if last > bound:
            found.append(f"{name} grew from {first:g} to {last:g}")
    return found


def main() -> int:
    minutes = float(sys.argv[1])
    warnings.simplefilter("ignore")  # as at the prompt
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as files:
        folder, temporary = Path(place), Path(place) / "tmp"
        temporary.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
        os.environ["DRAI_CACHE"] = str(folder / "cache")
        table = files.enter_context(open(sys.argv[2], "w", newline="")) if len(sys.argv) > 2 else sys.stderr
        writer = csv.writer(table)
        writer.writerow(COLUMNS)
        run(f"phantom --out {folder}/data -n 140 --size 16")
        started = time.monotonic()
        rows: list[tuple[float, ...]] = []
        while time.monotonic() - started < 60 * minutes:
            for line in CYCLE:
                run(line.replace("C/", f"{folder}/cycle/").replace("--data D", f"--data {folder}/data"))
            shutil.rmtree(folder / "cycle")
            rows.append(held(len(rows) + 1, started, temporary))
            writer.writerow(rows[-1])
            table.flush()
        print(f"{len(rows)} cycles in {rows[-1][1]:g} minutes")
        found = growth(rows)
    for line in found:
        print(f"not flat: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
