"""Helper files are drai's own: nothing is written through a link, whatever a folder holds."""

from __future__ import annotations

import os

import pytest

from drai_cli.errors import InputError
from drai_cli.io.files import check_inside, make_inside, open_own, remove_left_over
from drai_cli.io.locks import hold_folder


@pytest.fixture
def victim(tmp_path):
    """A file of the user's, outside the output folder."""
    path = tmp_path / "victim"
    path.write_text("mine")
    (tmp_path / "out").mkdir()
    return path


LINKS = {
    "symbolic": lambda path, victim: path.symlink_to(os.path.join("..", victim.name)),
    "dangling": lambda path, victim: path.symlink_to(os.path.join("..", "new")),
    "hard": lambda path, victim: os.link(victim, path),
}


@pytest.mark.parametrize("kind", LINKS)
def test_no_helper_file_is_opened_through_a_link(victim, kind):
    path = victim.parent / "out" / ".drai.lock"
    LINKS[kind](path, victim)
    with pytest.raises(InputError, match=r"got a link\."):
        open_own(path)
    with pytest.raises(InputError, match=r"got a link\."), hold_folder(path.parent, "drai train"):
        pass
    assert victim.read_text() == "mine"
    assert not (victim.parent / "new").exists()


def test_a_pipe_is_no_helper_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="expected a file, got a pipe"):
        open_own(tmp_path / "pipe")


def test_a_helper_file_keeps_what_it_holds(tmp_path):
    with open_own(tmp_path / "journal") as file:
        file.write(b"abc")
    with open_own(tmp_path / "journal") as file:
        assert file.read() == b"abc"


def test_a_folder_below_the_output_is_no_link(tmp_path):
    out = tmp_path / "out"
    (tmp_path / "elsewhere").mkdir()
    out.mkdir()
    (out / "grids").symlink_to("../elsewhere")
    for folder in (out / "grids", out / "grids" / "deep"):
        with pytest.raises(InputError, match=r"grids: expected a file or folder of drai's own, got a link"):
            make_inside(out, folder)
    (tmp_path / "link").symlink_to("out")  # the output itself may be one: the user named it
    check_inside(tmp_path / "link", tmp_path / "link" / "checkpoint")
    make_inside(tmp_path / "link", tmp_path / "link" / "checkpoint")
    assert (out / "checkpoint").is_dir()


def test_left_over_links_and_pipes_are_let_be(victim):
    out = victim.parent / "out"
    (out / ".a.1-00000000.tmp").symlink_to("../victim")
    os.mkfifo(out / ".b.1-00000000.tmp")
    os.link(victim, out / ".c.1-00000000.tmp")
    (out / ".d.1-00000000.tmp").write_text("half")
    remove_left_over(out)
    assert victim.read_text() == "mine"
    assert sorted(path.name[:2] for path in out.iterdir()) == [".a", ".b", ".c"]
