"""No control of the page is left out by the tests of a browser, and those that few need do what they say."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.explore.page_browser import NEEDED, READY
from tests.explore.page_controls import click, forget_refusals, set_value, source, text, until_other
from tests.explore.page_server import serve_page

pytestmark = NEEDED
pytest.importorskip("uvicorn")

CONTROLS = {
    "tab-samples", "tab-swap", "tab-map", "tab-training", "label", "attribute-age", "seed", "another-seed",
    "truncation", "count", "save", "swap-held-a", "swap-held-b", "reset", "keep-count", "keep-out", "keep-format",
    "keep-go", "copy", "file-a", "frame-a", "window-a", "label-a", "file-b", "frame-b", "window-b", "label-b",
    "along style", "along content", "along both", "position", "colour", "point", "a slider", "Show", "a sample", "Save",
}  # fmt: skip
"""Each is used in this file or in test_explore_browser.py; a new one needs a test."""

NAMES = """[...document.querySelectorAll("button, input, select, a, textarea, summary")].map((e) =>
  e.name === "along" ? `along ${e.value}` : e.closest("#grid") ? "a sample" : e.closest(".slider")
    ? (e.type === "range" ? "a slider" : e.textContent) : e.id || e.textContent)"""


def controls(browser):
    return set(browser.evaluate(NAMES))


def write_images(folder: Path):
    """An image for each side, and a grey one of two frames of 16 bits."""
    for name, level in (("a.png", 40), ("b.png", 200)):
        Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(folder / name)
    random = np.random.default_rng(0)
    frames = [Image.fromarray(random.integers(0, 4000, (16, 16), np.uint16)) for _ in range(2)]
    frames[0].save(folder / "two.tif", save_all=True, append_images=frames[1:])


def test_every_control_has_its_test(browser, page, model_of, tmp_path):
    write_images(tmp_path)
    browser.open(page.address, 1280, 900)
    browser.until(READY)
    click(browser, "tab-swap")
    for side in "ab":
        browser.choose_file(f"#file-{side}", tmp_path / f"{side}.png")
    browser.until("document.querySelectorAll('#four a').length == 4")
    found = controls(browser)
    with serve_page(model_of("cavae")) as served:
        browser.open(served.address, 1280, 900)
        browser.until("document.getElementById('label-b')")
        found |= controls(browser)
    assert found == CONTROLS


def test_frames_and_windows_are_chosen(opened, tmp_path):
    write_images(tmp_path)
    click(opened, "tab-swap")
    opened.choose_file("#file-a", tmp_path / "two.tif")
    opened.until("/choose one under Frame/.test(document.getElementById('alert').textContent)")
    set_value(opened, "frame-a", "0", "change")
    opened.until("document.getElementById('caption-a').textContent.includes('two.tif')")
    assert text(opened, "alert") == ""
    first = source(opened, "picture-a")
    set_value(opened, "frame-a", "1", "change")
    until_other(opened, first, "picture-a")
    set_value(opened, "window-a", "nothing", "change")
    opened.until("document.getElementById('alert').textContent.includes('window')")
    assert text(opened, "alert").endswith("Hint: CENTRE,WIDTH, full or auto")
    set_value(opened, "window-a", "1000,2000", "change")
    opened.until("document.getElementById('alert').textContent === ''")
    forget_refusals(opened)


def test_both_held_pictures_are_swapped_along_each_code_and_saved(opened):
    click(opened, "swap-held-a")
    opened.until("document.getElementById('caption-a').textContent.includes('mel 0.png')")
    click(opened, "tab-samples")
    opened.evaluate("document.querySelectorAll('#grid button')[1].click()")
    click(opened, "swap-held-b")
    opened.until("document.querySelectorAll('#four a').length == 4")
    set_value(opened, "position", "1")
    shown = set()
    for code in ("content", "style", "both"):
        opened.evaluate(f"document.querySelector('input[value={code}]').click()")
        opened.until(f"document.getElementById('walk-caption').textContent.startsWith('along {code}, 1')")
        shown.add(source(opened, "walk-picture"))
    assert len(shown) == 3
    for link in ("#save", "#four a"):
        saved = opened.evaluate(
            f"[document.querySelector('{link}').download, document.querySelector('{link}').href]"
        )
        assert saved[0].endswith(".png")
        with Image.open(io.BytesIO(base64.b64decode(saved[1].partition(",")[2]))) as image:
            assert (image.size, "synthetic" in str(image.info).lower()) == ((16, 16), True)


def test_a_strip_is_shown_and_hidden(opened):
    button = "document.querySelector('.slider button')"
    opened.evaluate(f"{button}.click()")
    opened.until("document.querySelectorAll('.strip img').length == 7")
    assert opened.evaluate(f"[{button}.textContent, {button}.getAttribute('aria-expanded')]") == [
        "Hide",
        "true",
    ]
    opened.evaluate(f"{button}.click()")
    assert opened.evaluate("document.querySelector('.strip').hidden")


def test_a_format_is_kept_and_named_in_the_command(opened):
    set_value(opened, "keep-count", "2")
    set_value(opened, "keep-out", "packed")
    set_value(opened, "keep-format", "npz")
    opened.until("document.getElementById('command').textContent.includes('--format npz')")
    click(opened, "keep-go")
    opened.until("document.getElementById('kept').textContent.includes('/packed (')")
    assert list(Path("packed").glob("*.npz"))


def test_labels_are_chosen_for_a_model_that_infers_no_content(browser, model_of, tmp_path):
    write_images(tmp_path)
    with serve_page(model_of("cavae")) as served:
        browser.open(served.address, 1280, 900)
        browser.until("document.querySelectorAll('#grid img').length == 12")
        click(browser, "tab-swap")
        for side in "ab":
            browser.choose_file(f"#file-{side}", tmp_path / f"{side}.png")
        browser.until("document.querySelectorAll('#four img').length == 6")
        picture = "document.querySelectorAll('#four img')[2].src"
        for side in "ab":
            before = browser.evaluate(picture)
            set_value(browser, f"label-{side}", "nv", "change")
            if side == "a":
                browser.until(f"{picture} !== '{before}'")
        assert browser.complaints() == []


def test_a_file_that_is_dropped_beside_the_places_does_not_replace_the_page(opened):
    opened.evaluate(
        """(() => {
          const given = new DataTransfer();
          given.items.add(new File(["x"], "d.png"));
          const event = new DragEvent("drop", {dataTransfer: given, cancelable: true, bubbles: true});
          document.querySelector("header").dispatchEvent(event);
          window.isKept = event.defaultPrevented;
        })()"""
    )
    assert opened.evaluate("window.isKept")
    assert text(opened, "said") == "Drop images on Image A or Image B in the view Swap."


def test_two_tabs_are_two_visitors(opened, page, tmp_path):
    other = opened.call("Target.createTarget", url=page.address)["targetId"]
    first = source(opened)
    own = opened._session
    opened._session = ""
    opened._session = opened.call("Target.attachToTarget", targetId=other, flatten=True)["sessionId"]
    try:
        opened.until(READY)
        set_value(opened, "label", "nv", "change")
        opened.until("document.getElementById('held-caption').textContent.startsWith('nv 0')")
    finally:
        opened.call("Target.closeTarget", targetId=other)
        opened._session = own
    assert source(opened) == first
    assert text(opened, "held-caption").startswith("mel 0")
    before = source(opened)
    set_value(opened, "style-0", "2")
    until_other(opened, before)


def test_masks_are_shown_beside_the_held_picture(browser, mask_model):
    with serve_page(mask_model) as served:
        for width in (1280, 390):
            browser.open(served.address, width, 900)
            browser.until("document.querySelectorAll('#held-masks img').length == 1")
            assert text(browser, "held-masks") == "mask lesion"
            assert browser.evaluate("document.documentElement.scrollWidth") == width
        assert "with masks (lesion)" in text(browser, "facts")
        browser.until("document.querySelectorAll('.slider').length > 6")
        before = source(browser)
        set_value(browser, "style-0", "3")
        until_other(browser, before)
        formats = "[...document.querySelectorAll('#keep-format option')].map((one) => one.value)"
        assert browser.evaluate(formats) == ["png", "nifti"]
        assert browser.complaints() == []
