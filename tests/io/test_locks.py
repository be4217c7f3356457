"""One process at a time: who holds, who waits, and what a killed holder leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from drai_cli.errors import OverwriteError
from drai_cli.io import locks
from drai_cli.io.locks import hold_folder, hold_lock, is_held, remove_left_lock
from tests.support.patience import PATIENCE_S

HOLD = """
import sys
from pathlib import Path
from drai_cli.io.locks import hold_folder
with hold_folder(Path(sys.argv[1]), "drai train"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds `out`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_who_holds_a_folder_is_told(holder, tmp_path):
    found = re.escape(f"drai train (process {holder.pid} on {os.uname().nodename}) is writing it")
    with pytest.raises(OverwriteError, match=found), hold_folder(tmp_path / "out", "drai evaluate"):
        pass
    holder.communicate("")  # lets go
    with hold_folder(tmp_path / "out", "drai evaluate"):
        pass
    assert not (tmp_path / "out").exists()


def test_whether_a_lock_is_held(holder, tmp_path):
    lock = tmp_path / "out" / ".drai.lock"
    assert is_held(lock)
    holder.kill()
    holder.wait()
    assert lock.exists()
    assert not is_held(lock)
    (tmp_path / "link").symlink_to(lock)
    assert not any(is_held(tmp_path / name) for name in ("link", "gone", "."))


def test_what_a_killed_process_held_is_taken(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".drai.lock"]
    with hold_folder(tmp_path / "out", "drai train"):
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_used_stays_and_one_that_was_there_too(tmp_path):
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "there", tmp_path / "deep" / "er"):
        with hold_folder(out, "drai train"):
            if out.name == "er":
                (out / "kept").touch()
    assert [path.name for path in (tmp_path / "deep" / "er").iterdir()] == ["kept"]
    assert (tmp_path / "there").is_dir()


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(OverwriteError, match="file: expected a folder, got a file"), hold_folder(out, ""):
            pass
    assert (tmp_path / "file").read_text() == "mine"


def test_of_many_that_wait_one_is_inside_at_a_time(tmp_path):
    inside: list[int] = []
    told: list[str] = []
    together = threading.Barrier(8, timeout=PATIENCE_S)

    def work(number: int) -> None:
        together.wait()
        for _ in range(20):
            with hold_lock(tmp_path / "lock", f"worker {number}", tmp_path, told.append) as is_alone:
                inside.append(number)
                assert inside == [number]
                assert is_alone
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == []
    assert not (tmp_path / "lock").exists()


def test_where_the_disk_knows_no_locks_the_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "try_lock", lambda file, wait=False: None)
    with (
        hold_lock(tmp_path / "lock", "", tmp_path) as first,
        hold_lock(tmp_path / "lock", "", tmp_path) as second,
    ):
        assert (first, second) == (False, False)


def test_a_lock_that_was_left_is_removed_and_one_that_is_held_is_not(tmp_path):
    lock = tmp_path / ".x.lock"
    remove_left_lock(lock)  # none there
    lock.write_text("{}")
    remove_left_lock(lock)
    assert not lock.exists()
    with hold_lock(lock, "drai", tmp_path):
        remove_left_lock(lock)
        assert lock.exists()
    (tmp_path / "other").write_text("kept")
    lock.symlink_to(tmp_path / "other")
    remove_left_lock(lock)
    assert (tmp_path / "other").read_text() == "kept"
