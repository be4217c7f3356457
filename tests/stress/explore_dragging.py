"""Drags the sliders of `drai explore` for minutes in a headless browser: memory must not grow, pictures must follow.

    python tests/stress/explore_dragging.py 10 [WEIGHTS]

Every half minute it prints the memory of the server and of the browser, how many pictures were shown, the time from
slider to picture (median and 95 %, by the clock, so busy machines look slow) and the processor time of the server per
picture, which other work does not change. Garbage is collected before the browser is measured. It fails if memory of
either grows by more than 60 MB after the first minute.

The browser fills caches of its own with the first thousand pictures (about 15 MB) and then stays. While DevTools
records the network it keeps every picture twice, 43 kB each at 64 pixels: that looks like a leak of the page.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, it finds `tests` beside it

from tests.support.browser import Browser, find_browser  # noqa: E402

MOST_GROWTH_MB = 60
_DRAG_S = 30
_DRAG = """(async () => {
  const sliders = [...document.querySelectorAll('#sliders input[type=range]')], end = performance.now() + %d;
  window.times.length = 0;
  for (let n = 0; performance.now() < end; n++) {
    const one = sliders[Math.floor(n / 40) %% sliders.length];
    one.value = 3 * Math.sin(n / 5);
    one.dispatchEvent(new Event('input'));
    await new Promise((r) => setTimeout(r, 30));
  }
  return [...window.times];
})()"""


def main(minutes: float, weights: str | None) -> int:
    """Runs it; returns the exit code."""
    program = find_browser()
    if program is None:
        print("no browser is installed")
        return 2
    command = [
        sys.executable,
        "-m",
        "drai_cli",
        "explore",
        *([weights] if weights else []),
        "--device",
        "cpu",
    ]
    server = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    first: tuple[float, float] | None = None
    growth = (0.0, 0.0)
    try:
        with tempfile.TemporaryDirectory() as profile, Browser(program, Path(profile)) as browser:
            browser.open(address, 1280, 900)
            browser.until("document.querySelectorAll('.slider').length > 1", 600)
            # What DevTools records of the network would be measured, and not the page.
            browser.call("Network.disable")
            began = time.monotonic()
            while time.monotonic() - began < 60 * minutes:
                spent = processor_s(server.pid)
                times = np.array(browser.evaluate(_DRAG % (1000 * _DRAG_S)) or [np.nan])
                spent = processor_s(server.pid) - spent
                browser.call("HeapProfiler.collectGarbage")
                now = (private_mb({server.pid}), private_mb(children_of(os.getpid()) - {server.pid}))
                elapsed = time.monotonic() - began
                print(
                    f"{elapsed:5.0f} s: server {now[0]:.0f} MB, browser {now[1]:.0f} MB, {len(times)} pictures, "
                    f"slider to picture {np.median(times):.0f} ms (95 % {np.percentile(times, 95):.0f} ms), "
                    f"server {1000 * spent / len(times):.0f} ms of the processor per picture",
                    flush=True,
                )
                if first is None and elapsed > 60:
                    first = now
                elif first is not None:
                    growth = (now[0] - first[0], now[1] - first[1])
    finally:
        server.terminate()
        server.wait()
    print(f"after the first minute the server grew by {growth[0]:.0f} MB, the browser by {growth[1]:.0f} MB")
    return int(max(growth) > MOST_GROWTH_MB)


def processor_s(pid: int) -> float:
    """Seconds of the processor that a process and its threads have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_mb(pids: set[int]) -> float:
    """Memory that processes which are still there have for themselves, also what of it was swapped out."""
    kilobytes = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(("Private_", "Swap:")))
    return kilobytes / 1024


def children_of(pid: int) -> set[int]:
    """All descendants of a process."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
