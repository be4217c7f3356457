"""`--show`: what each terminal gets, that the pixels are the images', and that pipes and files get nothing."""

from __future__ import annotations

import base64
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drai_cli.cli.pictures import MOST, draw, how_to_draw, spread

ROOT = Path(__file__).parents[2]
RED = np.zeros((4, 4, 3), np.uint8)
RED[..., 0] = 255
TOP = np.zeros((4, 4), np.uint8)
TOP[:2] = 255


@pytest.mark.parametrize(
    ("environment", "how"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "mlterm-256color"}, "sixel"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "xterm-256color"}, "blocks-256"),
        ({"TERM": "tmux-256color", "TMUX": "1", "KITTY_WINDOW_ID": "1"}, "blocks-256"),
        ({"TERM": "screen", "TERM_PROGRAM": "iTerm.app", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "dumb"}, "letters"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "letters"),
        ({}, "blocks-256"),
    ],
)
def test_terminals(environment, how):
    assert how_to_draw(environment, "utf-8") == how


def test_without_utf_8_there_are_no_blocks():
    assert how_to_draw({"TERM": "xterm-256color"}, "iso-8859-1") == "letters"


def decode(data: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_kitty_gets_a_png_in_parts():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    text = draw([noise], "kitty", 80)
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{control};{data}\x1b\\" for control, data in parts) == text
    assert len(parts) > 1
    assert parts[0][0] == "a=T,f=100,m=1"
    assert [control for control, _ in parts[1:]] == ["m=1"] * (len(parts) - 2) + ["m=0"]
    assert max(len(data) for _, data in parts) <= 4096
    shown = decode("".join(data for _, data in parts))
    np.testing.assert_array_equal(shown[::2, ::2], noise)


def test_iterm_gets_one_png():
    text = draw([RED, RED], "iterm", 80)
    size, data = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+):(.*)\a", text).groups()
    assert len(base64.b64decode(data)) == int(size)
    assert decode(data).shape == (128, 260, 3)


@pytest.mark.parametrize(("columns", "width"), [(200, 830), (80, 640), (10, 128)])
def test_a_figure_that_is_alone_can_be_read(columns, width):
    figure = np.random.default_rng(0).integers(0, 256, (560, 830, 3), np.uint8)
    shown = decode(re.search(r":([^:]*)\a", draw([figure], "iterm", columns))[1])
    assert shown.shape[1] == width
    if width == 830:
        np.testing.assert_array_equal(shown, figure)
    assert decode(re.search(r":([^:]*)\a", draw([figure, figure], "iterm", columns))[1]).shape[1] <= 260


def unsixel(text: str) -> np.ndarray:
    """The picture of sixel graphics."""
    width, height = map(int, re.search(r'"1;1;(\d+);(\d+)', text).groups())
    palette = {int(i): tuple(map(int, rest)) for i, *rest in re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", text)}
    picture = np.zeros((height + 6, width, 3), int)
    body = re.sub(r"^\x1bPq\"[\d;]*(#\d+;2;\d+;\d+;\d+)*", "", text).removesuffix("\x1b\\")
    for band, line in enumerate(body.split("-")):
        for colour, cells in re.findall(r"#(\d+)([?-~]+)\$", line):
            for x, cell in enumerate(cells):
                for bit in range(6):
                    if (ord(cell) - 63) >> bit & 1:
                        picture[6 * band + bit, x] = palette[int(colour)]
    return picture[:height]


def test_sixels_are_the_picture():
    picture = unsixel(draw([RED, TOP], "sixel", 80))
    assert picture.shape == (128, 260, 3)
    assert (picture[:, :128] == [100, 0, 0]).all()
    assert (picture[:, 128:132] == 0).all()
    assert (picture[:64, 132:] == 100).all()
    assert (picture[64:, 132:] == 0).all()


def test_half_blocks_have_the_upper_colour_before_the_lower():
    lines = draw([TOP], "blocks", 20).splitlines()
    white, black = "\x1b[38;2;255;255;255;48;2;255;255;255m▀", "\x1b[38;2;0;0;0;48;2;0;0;0m▀"
    assert lines[0] == white * 19 + "\x1b[0m"
    assert lines[-1].startswith(("\x1b[38;2;0;0;0;48;2;0;0;0m▀", black))
    assert len(lines) == 10
    assert "\x1b[38;5;196;48;5;196m▀" in draw([RED], "blocks-256", 20)
    assert "\x1b[38;5;255;48;5;255m▀" in draw([TOP], "blocks-256", 20)


def test_letters_are_light_and_dark():
    lines = draw([TOP], "letters", 20).splitlines()
    assert lines[0] == "@" * 19
    assert lines[-1] == ""


@pytest.mark.parametrize("columns", [1, 10, 20, 80, 300])
@pytest.mark.parametrize("how", ["kitty", "sixel", "blocks", "blocks-256", "letters"])
def test_any_shapes_at_any_width(columns, how):
    deep = np.full((3, 50), 65535, np.uint16)
    text = draw([RED, deep, TOP, np.zeros((100, 7, 1), np.uint8), RED], how, columns)
    if how in ("blocks", "blocks-256", "letters"):
        assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in text.splitlines()) <= max(columns, 4)


def test_of_many_some_are_shown_from_first_to_last():
    assert spread(range(5)) == list(range(5))
    chosen = spread(range(1000))
    assert (len(chosen), chosen[0], chosen[-1]) == (MOST, 0, 999)


COMMANDS = {
    "sample": ["sample", "--label", "mel", "-n", "3", "--out", "out"],
    "sample-dicom": ["sample", "--label", "mel", "-n", "3", "--out", "out", "--format", "dicom"],
    "swap": ["swap-style", "a.png", "b.png"],
    "walk": ["interpolate", "a.png", "b.png", "--steps", "3"],
    "gif": ["interpolate", "a.png", "b.png", "--steps", "3", "--out", "walk.gif"],
    "inspect": ["inspect", "a.png"],
    "set": ["inspect", "set"],
}


@pytest.fixture
def place(tmp_path, tiny_model):
    """A folder with `a.png`, `b.png` and class folders, and the environment of a terminal with 24-bit colour."""
    random = np.random.default_rng(0)
    for name in ("a.png", "b.png", "set/mel/1.png", "set/nv/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(tmp_path / name)
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TMUX", "KITTY_WINDOW_ID")}
    environment |= {
        "PYTHONPATH": str(ROOT), "DRAI_WEIGHTS": str(tiny_model), "TERM": "xterm", "COLORTERM": "truecolor",
        "COLUMNS": "80", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip
    return tmp_path, environment


@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_gets_pictures_and_a_pipe_none(place, name):
    folder, environment = place
    command = [sys.executable, "-m", "drai_cli", *COMMANDS[name], "--show"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "▀" not in done.stdout
    assert "stdout is no terminal: no pictures are shown" in done.stderr
    ours, theirs = pty.openpty()
    again = [*command, "--overwrite"] if name in ("swap", "walk", "gif") else command
    process = subprocess.Popen(again, cwd=folder, env=environment, stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 1 << 16):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    error = process.communicate()[1].decode()
    assert process.returncode == 0, error
    text = shown.decode().replace("\r\n", "\n")
    assert text.startswith(done.stdout.rstrip("\n"))
    assert text.count("▀") > 50


def test_json_is_never_mixed_with_pictures(drai, tmp_path, tiny_model):
    import json

    result = drai(
        "sample",
        "--label",
        "mel",
        "-n",
        "1",
        "--out",
        tmp_path / "o",
        "--weights",
        tiny_model,
        "--json",
        "--show",
    )
    assert result.exit_code == 0
    json.loads(result.stdout)
