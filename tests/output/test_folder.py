"""A folder is filled whole or not at all, by one command at a time, and one after a killed command works."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from drai_cli.errors import InputError, OverwriteError
from drai_cli.io import files
from drai_cli.io.files import atomic_writer, remove_left_over
from drai_cli.io.locks import hold_folder
from drai_cli.output.folder import check_file, check_folder, make_parent, open_stage


def fill(out: Path, overwrite: bool = False, names: tuple[str, ...] = ("a", "b", "c")) -> None:
    with open_stage(out, overwrite, "drai pull") as stage:
        for name in names:
            (stage / name).write_text(f"new {name}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Killed(BaseException):
    """Stands for the process ending at this very point."""


def kill_after(monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    """Lets so many files reach their final names, and then nothing more happens, as if killed."""
    replace, left = os.replace, [moves + 1]  # the first is the list of what is moved

    def move(source: object, target: object) -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", move)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_the_next_command_removes_what_a_killed_one_left(tmp_path, monkeypatch, moves):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        kill_after(patch, moves)
        with pytest.raises(Killed):
            fill(out, names=("a", "b", "c", "d"))
    check_folder(out, overwrite=False)
    fill(out)
    assert names(out) == ["a", "b", "c"]
    with pytest.raises(OverwriteError, match="not empty"):
        fill(out)


def test_what_somebody_put_there_meanwhile_stays(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        kill_after(patch, 1)
        with pytest.raises(Killed):
            fill(out)
    (out / "mine").write_text("mine")
    with pytest.raises(OverwriteError, match="not empty"):
        check_folder(out, overwrite=False)
    fill(out, overwrite=True)
    assert names(out) == ["a", "b", "c", "mine"]


def test_a_list_that_somebody_prepared_leads_nowhere_else(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "mine").write_text("mine")
    (out / ".drai-moving.json").write_text(json.dumps([".drai-stage-x", ["../mine"]]))
    fill(out)
    assert (tmp_path / "mine").read_text() == "mine"
    assert names(out) == ["a", "b", "c"]


def test_after_a_failure_all_is_as_before(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        fill(tmp_path / "new", names=("a", "no-such-folder/b"))
    assert names(tmp_path) == []


def test_one_at_a_time(tmp_path):
    with hold_folder(tmp_path / "out", "drai pull"):
        with pytest.raises(OverwriteError, match=r"drai pull \(process \d+ on .+\) is writing it"):
            fill(tmp_path / "out")
        assert names(tmp_path / "out") == [".drai.lock"]


def test_what_a_killed_writer_left_is_removed_and_a_living_one_s_is_not(tmp_path):
    (tmp_path / ".codes.npz.1-0123abcd.tmp").write_text("left by a killed process")
    (tmp_path / ".codes.npz.1-01234567.tmp").touch()  # killed before a byte was written
    (tmp_path / ".other.npz.1-0123abcd.tmp").write_text("of another name")
    with atomic_writer(tmp_path / "codes.npz") as file:
        file.write(b"whole")
        file.flush()
        check_file(tmp_path / "codes.npz", overwrite=False)
        assert [name for name in names(tmp_path) if "1-0123" in name] == [".other.npz.1-0123abcd.tmp"]
        remove_left_over(tmp_path)
    assert names(tmp_path) == ["codes.npz"]
    assert (tmp_path / "codes.npz").read_bytes() == b"whole"


def test_one_that_is_removed_before_it_is_locked_is_opened_anew(tmp_path, monkeypatch):
    real, calls = files.try_lock, []

    def swept(file, wait=False):
        calls.append(file.name)
        if len(calls) == 1:
            os.unlink(file.name)  # by another process that took it for left over
        return real(file, wait=wait)

    monkeypatch.setattr(files, "try_lock", swept)
    with atomic_writer(tmp_path / "a") as file:
        file.write(b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"
    assert names(tmp_path) == ["a"]


def test_folders_that_are_missing_are_looked_at_before_the_work_and_made_after(tmp_path):
    out = tmp_path / "new" / "deeper" / "codes.npz"
    check_file(out, overwrite=False)
    assert names(tmp_path) == []
    make_parent(out)
    assert out.parent.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is no folder"):
        check_file(tmp_path / "file" / "in" / "codes.npz", overwrite=False)
