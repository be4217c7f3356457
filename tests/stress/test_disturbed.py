"""A few kills and full disks of `kill_anywhere.py` and `fill_anywhere.py`; many are done by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = ("train", "sample", "cache", "pull", "export hub-folder")


def run(script: str, count: int) -> subprocess.CompletedProcess[str]:
    path = Path(__file__).with_name(script)
    return subprocess.run([sys.executable, path, str(count), "0", *CASES], capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills forks")
def test_killed_anywhere():
    done = run("kill_anywhere.py", 8)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'killed'" in done.stdout


@pytest.mark.slow
def test_out_of_room_anywhere(small_disk):
    small_disk("1m")  # or skipped
    done = run("fill_anywhere.py", 8)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused'" in done.stdout
