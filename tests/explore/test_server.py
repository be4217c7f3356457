"""What the page asks for: pictures as `sample` makes them, words for everything that is wrong, nothing kept."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.explore.page_server import picture_of, png, read, serve_page

pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def page(tiny_model):
    with serve_page(tiny_model) as served:
        yield served


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# Samples


def test_pictures_are_those_of_the_command_that_is_shown(page, drai):
    asked = {
        "label": "mel", "attributes": {"age": "60"}, "seed": 5, "truncation": 0.8, "count": 3,
        "amounts": {"style": [1.5, -2], "content": [0, 1]},
    }  # fmt: skip
    status, shown = page.ask("grid", asked)
    assert status == 200
    assert [(one["label"], one["index"]) for one in shown["images"]] == [("mel", 0), ("mel", 1), ("mel", 2)]
    line = page.ask("command", {**asked, "keep": 3, "out": "kept"})[1]["command"]
    assert shlex.split(line)[:2] == ["drai", "sample"]
    assert drai(*shlex.split(line)[1:]).exit_code == 0
    for one in shown["images"]:
        made = np.asarray(Image.open(f"kept/mel/mel_{one['index']:06d}.png")).astype(int)
        assert np.abs(made - picture_of(one["picture"]).astype(int)).max() <= 1


def test_sliders_change_pictures_and_the_middle_does_not(page):
    plain = page.ask("grid", {"label": "mel", "count": 1})[1]["images"][0]["picture"]
    middle = page.ask("grid", {"label": "mel", "count": 1, "amounts": {"style": [0, 0]}})[1]["images"][0]
    moved = page.ask("grid", {"label": "mel", "count": 1, "amounts": {"style": [2]}})[1]["images"][0]
    assert middle["picture"] == plain != moved["picture"]


def test_every_label_in_turn(page):
    shown = page.ask("grid", {"label": "", "count": 5})[1]["images"]
    assert [(one["label"], one["index"]) for one in shown] == [
        ("mel", 0), ("nv", 0), ("mel", 1), ("nv", 1), ("mel", 2),
    ]  # fmt: skip
    assert "--per-class 7" in page.ask("command", {"label": "", "keep": 7})[1]["command"]


def test_pictures_say_that_they_are_synthetic(page):
    import base64

    address = page.ask("grid", {"label": "nv", "count": 1})[1]["images"][0]["picture"]
    text = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).text
    assert (text["synthetic"], text["label"], text["made_by"]) == ("yes", "nv", "explore")


def test_a_strip_goes_through_one_slider(page):
    status, strip = page.ask("strip", {"label": "mel", "code": "style", "direction": 1})
    assert (status, len(strip["images"])) == (200, 7)
    middle = page.ask("grid", {"label": "mel", "count": 1})[1]["images"][0]["picture"]
    assert strip["images"][3]["picture"] == middle


def test_keep_writes_what_sample_writes(page):
    asked = {
        "label": "nv",
        "seed": 2,
        "amounts": {"style": [1]},
        "keep": 4,
        "out": "found/nv",
        "format": "png",
    }
    status, made = page.ask("keep", asked)
    assert (status, made["images"]) == (200, 4)
    assert made["folder"] == str(Path.cwd() / "found/nv")
    manifest = json.loads(Path("found/nv/manifest.json").read_text())
    assert manifest["options"]["move_style"]
    assert manifest["weights_sha256"] == page.explorer.watch.require().model.sha256
    assert len(Path("found/nv/metadata.csv").read_text().splitlines()) == 5
    status, refused = page.ask("keep", {**asked, "seed": 3})
    assert status == 400
    assert "found/nv" in refused["error"]


def test_how_much_of_a_set_is_written_is_told(page, monkeypatch):
    seen, keep = [], page.explorer.keep

    def told(options, count):
        def look(done, total):
            count(done, total)
            seen.append(page.explorer.status()["kept"])

        return keep(options, look)

    monkeypatch.setattr(page.explorer, "keep", told)
    assert page.ask("keep", {"label": "nv", "keep": 3, "out": "counted"})[0] == 200
    assert seen[-1] == (3, 3)
    assert page.explorer.status()["kept"] is None


@pytest.mark.parametrize("out", ["/tmp/x", "../x", "a/../../x", ".", "~root/x\0"])
def test_keep_stays_below_the_working_folder(page, out):
    status, refused = page.ask("keep", {"label": "nv", "keep": 1, "out": out})
    assert status == 400
    assert "below the working folder" in refused["error"]
    assert not list(Path().iterdir())


def test_keep_follows_no_link_out_of_the_working_folder(page, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    Path("link").symlink_to(outside)
    Path("circle").symlink_to("circle")
    for out in ("link", "link/x", "circle/x"):
        status, refused = page.ask("keep", {"label": "nv", "keep": 1, "out": out})
        assert (status, "below the working folder" in refused["error"]) == (400, True)
    assert not list(outside.iterdir())


WRONG = [
    None, [], "text", 3, {"label": "no such"}, {"label": 3}, {"label": "x" * 2000}, {"attributes": []},
    {"attributes": {"age": 3}}, {"attributes": {"age": "old"}}, {"attributes": {"height": "3"}}, {"seed": -1},
    {"seed": 1.5}, {"seed": 2**60}, {"seed": True}, {"truncation": -1}, {"truncation": "1"}, {"truncation": 1e9},
    {"count": 0}, {"count": 10**6}, {"first": -1}, {"amounts": []}, {"amounts": {"style": "x"}},
    {"amounts": {"style": [99]}}, {"amounts": {"style": [None]}}, {"amounts": {"style": [0] * 100}},
    {"amounts": {"content": [True]}}, {"truncation": 10**400}, {"amounts": {"style": [-(10**400)]}}, {"seed": 10**400},
]  # fmt: skip


@pytest.mark.parametrize("data", WRONG, ids=lambda data: json.dumps(data)[:40])
def test_wrong_requests_are_answered_in_words(page, data):
    for name in ("grid", "command", "keep", "strip"):
        status, refused = page.ask(name, data)
        assert status == 400, (name, refused)
        assert refused["error"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"seed": NaN}',
        b'{"truncation": Infinity}',
        rb'{"label": "\ud800"}',
    ],
)
def test_what_is_no_json_is_answered_in_words(page, body):
    assert page.ask("grid", body=body)[0] == 400


def test_a_request_that_is_too_large_is_not_read(page):
    status, refused = page.ask("grid", body=b" " * 300_000)
    assert (status, "256 KiB" in refused["error"]) == (400, True)


# Swaps and the map


def test_swaps_and_walks(page, drai, tiny_model):
    for name, seed in (("a.png", 1), ("b.png", 2)):
        Path(name).write_bytes(png(16, seed))
    a, b = (read(page, Path(name).read_bytes(), name)[1] for name in ("a.png", "b.png"))
    two = {"content_a": a["content"], "style_a": a["style"], "content_b": b["content"], "style_b": b["style"]}
    status, made = page.ask("swap", two)
    assert status == 200
    drai("swap-style", "a.png", "b.png", "--weights", tiny_model, "--out", "swapped")
    expected = np.asarray(Image.open("swapped/a_in_style_of_b.png")).astype(int)
    assert np.abs(picture_of(made["a_in_style_of_b"]["picture"]) - expected).max() <= 1
    walk = page.ask("walk", {**two, "along": "style"})[1]["images"]
    assert len(walk) == 9
    assert walk[0]["picture"] == made["a_again"]["picture"]
    assert walk[-1]["picture"] == made["a_in_style_of_b"]["picture"]
    one = page.ask("walk", {**two, "along": "style", "position": 1})[1]["images"]
    assert [image["picture"] for image in one] == [walk[-1]["picture"]]
    for wrong in (
        {},
        {**two, "style_a": [1]},
        {**two, "content_b": ["x"] * 4},
        {**two, "style_b": [1e30] * 6},
    ):
        assert page.ask("swap", wrong)[0] == 400
    assert page.ask("walk", {**two, "along": "sideways"})[0] == 400
    assert page.ask("walk", {**two, "along": "style", "position": 2})[0] == 400


def test_a_model_that_infers_no_content_takes_labels(model_of):
    with serve_page(model_of("cinfogan"), wait=False) as page:
        found = read(page, png(), "a.png")[1]
        assert found["content"] is None
        two = {"style_a": found["style"], "style_b": found["style"]}
        assert page.ask("swap", two)[0] == 400
        assert page.ask("swap", {**two, "label_a": "mel", "label_b": "nv"})[0] == 200


def test_a_model_without_an_encoder_says_so(model_of):
    with serve_page(model_of("cgan"), wait=False) as page:
        assert page.ask("grid", {"label": "mel", "count": 2})[0] == 200
        status, refused = read(page, png(), "a.png")
        assert (status, "no encoder" in refused["error"]) == (400, True)


def test_the_map_shows_samples_and_real_images(tiny_model, tmp_path):
    for number in range(6):
        folder = tmp_path / "real" / ("mel" if number % 2 else "nv")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(png(seed=number))
    with serve_page(tiny_model, images=tmp_path / "real") as page:
        status, points = page.ask("map")
        assert status == 200
        assert (points["samples"], len(points["names"])) == (240, 246)
        assert {len(points["places"][code]) for code in ("content", "style")} == {246}
        assert {value["dx"] for value in points["values"][240:]} == {"mel", "nv"}
        assert sorted(points["names"][240:])[0] == "mel/1.png"
        for index in (0, 239, 240, 245):
            assert page.ask("map-picture", {"index": index})[0] == 200
        assert page.ask("map-picture", {"index": 246})[0] == 400


def test_two_pages_do_not_disturb_each_other(page):
    from concurrent.futures import ThreadPoolExecutor

    asked = [{"label": label, "seed": seed, "count": 2} for label in ("mel", "nv") for seed in range(6)]
    alone = [page.ask("grid", one)[1]["images"] for one in asked]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda one: page.ask("grid", one)[1]["images"], asked))
    assert together == alone


def test_too_much_at_once_is_refused_and_forgotten(page):
    from concurrent.futures import ThreadPoolExecutor

    asked = [{"label": "mel", "seed": seed, "count": 48} for seed in range(40)]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda one: page.ask("grid", one)[0], asked))
    assert set(answers) <= {200, 503}
    assert answers.count(200) >= 16
    assert page.ask("grid", {"label": "mel", "count": 1})[0] == 200
