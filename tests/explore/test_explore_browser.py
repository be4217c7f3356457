"""A browser uses every control of the page: nothing is complained of, no other host is asked, a keyboard suffices."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drai_cli.report.progress_html import progress_html
from tests.explore.page_browser import CHECKS, NEEDED, READY
from tests.explore.page_controls import click, forget_refusals, set_value, source, text, until_other
from tests.explore.page_server import serve_page
from tests.report.run_examples import example_page

pytestmark = NEEDED
pytest.importorskip("uvicorn")


@pytest.mark.parametrize(
    ("width", "height", "scheme"), [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "dark")]
)
def test_every_view_is_whole_named_and_readable(browser, page, width, height, scheme):
    browser.open(page.address, width, height, scheme)
    browser.until(READY)
    for view in ("samples", "swap", "map"):
        click(browser, f"tab-{view}")
        if view == "map":
            browser.until("document.querySelectorAll('#map-style circle').length > 9")
        assert browser.evaluate("document.documentElement.scrollWidth") == width, view
        assert browser.evaluate(f"{CHECKS}; nameless()") == [], view
        assert browser.evaluate(f"{CHECKS}; pale()") == [], view
    assert browser.complaints() == []


def test_choices_change_the_samples(opened):
    for name, value in (("label", "nv"), ("seed", "7"), ("attribute-age", "80")):
        before = source(opened)
        set_value(opened, name, value, "change")
        until_other(opened, before)
    opened.until("document.getElementById('command').textContent.includes('--label nv')")
    assert "--set age=80" in text(opened, "command")
    assert "--seed 7" in text(opened, "command")
    before = source(opened)
    set_value(opened, "truncation", "0.5")
    until_other(opened, before)
    set_value(opened, "count", "6", "change")
    opened.until("document.querySelectorAll('#grid img').length == 6")
    set_value(opened, "label", "", "change")
    opened.until("document.getElementById('command').textContent.includes('--per-class 100')")
    before = text(opened, "command")
    click(opened, "another-seed")
    opened.until(f"document.getElementById('command').textContent !== {json.dumps(before)}")


def test_sliders_turn_the_held_picture_and_then_all(opened):
    opened.evaluate("document.querySelectorAll('#grid button')[3].click()")
    assert "3 (held)" in text(opened, "held-caption")
    before, first = source(opened), opened.evaluate("document.querySelector('#grid img').src")
    set_value(opened, "style-0", "2")
    until_other(opened, before)
    opened.until(f"document.querySelector('#grid img').src !== {json.dumps(first)}")
    assert text(opened, "style-0-shown") == "2"
    spoken = opened.evaluate("document.getElementById('style-0').getAttribute('aria-valuetext')")
    assert spoken.startswith("2 standard deviations")
    opened.until("document.getElementById('command').textContent.includes('--move-style')")
    assert "3 (held)" in text(opened, "held-caption")
    assert text(opened, "far") == ""
    set_value(opened, "style-1", "-2.5")
    assert "far from the middle (style by 3.2 standard deviations in all;" in text(opened, "far")
    opened.evaluate("document.querySelector('#sliders button').click()")
    opened.until("document.querySelectorAll('.strip img').length == 7")
    click(opened, "reset")
    opened.until(f"document.getElementById('held-picture').src === {json.dumps(before)}")
    opened.until("!document.getElementById('command').textContent.includes('--move')")
    assert text(opened, "far") == ""


def test_a_slider_turns_the_label_that_is_chosen_before_its_samples_are_there(opened):
    opened.evaluate(
        """(() => {
          const label = document.getElementById("label"), slider = document.getElementById("style-0");
          label.value = "nv";
          label.dispatchEvent(new Event("change", {bubbles: true}));
          slider.value = 1;
          slider.dispatchEvent(new Event("input"));
        })()"""
    )
    opened.until("document.getElementById('held-caption').textContent.startsWith('nv 0')")
    opened.until("document.querySelector('#grid').className === 'grid'")
    assert text(opened, "held-caption").startswith("nv 0")


def test_a_data_set_is_kept(opened):
    set_value(opened, "keep-count", "3")
    set_value(opened, "keep-out", "found")
    click(opened, "keep-go")
    opened.until("document.getElementById('kept').textContent.includes('/found (')")
    assert text(opened, "kept").startswith(f"3 images are in {Path.cwd()}")
    assert len(list(Path("found/mel").iterdir())) == 3
    set_value(opened, "keep-count", "4")
    click(opened, "keep-go")
    opened.until("document.getElementById('alert').textContent.includes('found')")
    assert text(opened, "alert").endswith("Hint: choose another folder"), "the page has no options to type"
    before = source(opened)
    set_value(opened, "truncation", "0.5")
    until_other(opened, before)
    assert "found" in text(opened, "alert"), "the success of another thing leaves it"
    click(opened, "copy")
    opened.until("/copied|selected/.test(document.getElementById('copied').textContent)")
    set_value(opened, "keep-out", "another")
    assert text(opened, "alert") == "", "another folder has no fault yet"
    forget_refusals(opened)


def test_what_is_pressed_at_the_foot_of_the_page_answers_in_sight(opened):
    Path("mine").mkdir()
    Path("mine/note.txt").write_text("mine")
    in_sight = """(() => {{ const place = document.getElementById('{}').getBoundingClientRect();
      return place.height > 0 && place.top >= 0 && place.bottom <= innerHeight; }})()"""
    for width in (1280, 390):
        opened.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=700,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        set_value(opened, "keep-out", "mine")
        opened.evaluate("scrollTo({top: document.body.scrollHeight, behavior: 'instant'})")
        assert opened.evaluate("scrollY") > 500
        click(opened, "keep-go")
        opened.until("document.getElementById('alert').textContent.includes('mine')")
        assert opened.evaluate(in_sight.format("alert")), width
        click(opened, "copy")
        opened.until("document.getElementById('copied').textContent")
        assert opened.evaluate(in_sight.format("copied")), width
    forget_refusals(opened)


def test_own_images_are_swapped_and_walked(opened, tmp_path):
    for name, seed in (("a.png", 3), ("b.png", 4)):
        pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    click(opened, "tab-swap")
    for side in "ab":
        opened.choose_file(f"#file-{side}", tmp_path / f"{side}.png")
        opened.until(
            f"document.getElementById('caption-{side}').textContent.includes('{side}.png (png, 40 × 30)')"
        )
    assert text(opened, "caption-a").endswith("only the centre is used"), "a page has no options to type"
    opened.until("document.querySelectorAll('#four img').length == 6")
    opened.until("document.querySelectorAll('#walk-strip img').length == 9")
    saved = opened.evaluate("[...document.querySelectorAll('#four a')].map((one) => one.download)")
    assert saved[:2] == ["a_in_style_of_b.png", "b_in_style_of_a.png"]
    before = source(opened, "walk-picture")
    set_value(opened, "position", "0.7")
    until_other(opened, before, "walk-picture")
    opened.evaluate("document.querySelector('input[value=both]').click()")
    opened.until("document.getElementById('walk-caption').textContent.includes('along both, 0.7')")
    # What is no image is refused in words, and the page goes on.
    (tmp_path / "broken.png").write_bytes(b"nothing")
    opened.choose_file("#file-b", tmp_path / "broken.png")
    opened.until("document.getElementById('alert').textContent.includes('broken.png')")
    assert opened.evaluate("document.getElementById('swapped').hidden")
    opened.choose_file("#file-b", tmp_path / "a.png")
    opened.until("!document.getElementById('swapped').hidden")
    assert text(opened, "alert") == ""
    forget_refusals(opened)


def test_files_are_dropped_and_held_pictures_taken(opened):
    file = io.BytesIO()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(file, "PNG")
    opened.evaluate(
        f"""(() => {{
          const given = new DataTransfer();
          given.items.add(new File([new Uint8Array({list(file.getvalue())})], "d.png"));
          const event = new DragEvent("drop", {{dataTransfer: given, cancelable: true}});
          document.querySelector(".drop").dispatchEvent(event);
        }})()"""
    )
    opened.until("document.getElementById('caption-a').textContent.includes('d.png')")
    click(opened, "swap-held-b")
    opened.until("document.querySelectorAll('#four img').length == 6")
    assert opened.evaluate("document.getElementById('samples').hidden")


def test_the_map_shows_points_as_one_goes_through_them(opened):
    click(opened, "tab-map")
    opened.until("document.querySelectorAll('#map-style rect').length == 6")
    set_value(opened, "point", "240")
    opened.until("document.getElementById('point-caption').textContent.includes('.png: dx')")
    set_value(opened, "colour", " kind", "change")
    opened.until("document.getElementById('legend').textContent.includes('real')")
    assert len(opened.evaluate("[...document.querySelectorAll('#legend li')].map(e => e.textContent)")) == 3
    box = opened.evaluate(
        """(() => {
          const box = document.querySelector("#map-content circle").getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        })()"""
    )
    opened.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    opened.until("document.getElementById('point-caption').textContent.startsWith('sample')")


def test_a_keyboard_suffices(opened):
    opened.evaluate("document.getElementById('tab-samples').focus()")
    opened.press("ArrowRight")
    assert opened.evaluate("document.activeElement.id") == "tab-swap"
    assert not opened.evaluate("document.getElementById('swap').hidden")
    opened.press("Home")
    seen = []
    for _ in range(120):
        opened.press("Tab")
        at = opened.evaluate(
            """(() => {
              const element = document.activeElement, style = getComputedStyle(element);
              if (element === document.body) return ["", true];
              return [element.id || element.textContent, style.outlineStyle !== "none" || style.boxShadow !== "none"];
            })()"""
        )
        if seen and at == seen[0]:
            break
        seen.append(at)
        if at[0] == "style-0":
            before = source(opened)
            opened.press("ArrowRight", 5)
            until_other(opened, before)
            assert text(opened, "style-0-shown") == "0.5"
        if at[0] == "mel 4":
            opened.press("Enter")
            opened.until("document.getElementById('held-caption').textContent.includes('mel 4')")
            opened.until("document.activeElement.textContent.includes('mel 4')")
    names = [name for name, _ in seen]
    wanted = {
        "label", "attribute-age", "seed", "another-seed", "truncation", "count", "save", "swap-held-a", "reset",
        "keep-count", "keep-out", "keep-format", "keep-go", "command", "copy", "style-0", "content-0", "mel 4",
    }  # fmt: skip
    assert wanted <= set(names)
    assert [name for name, is_shown in seen if not is_shown] == []


def test_a_run_is_followed_in_the_page(browser, tiny_model, model_of, tmp_path, monkeypatch):
    from drai_cli.explore import opened as module

    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.1)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text("{}")
    with serve_page(run, run=run, wait=False) as served:
        browser.open(served.address, 1280, 900)
        browser.until("document.getElementById('name').textContent.includes('no model yet')")
        assert not browser.evaluate("document.getElementById('training').hidden")
        assert not browser.evaluate("document.getElementById('no-progress').hidden")
        (run / "progress.html").write_text(progress_html(example_page()), encoding="utf-8")
        inside = "document.getElementById('progress').contentDocument?.body?.textContent"
        browser.until(f"{inside}?.includes('40 of 50 kimg')")
        shutil.copy(tiny_model, run / "model.safetensors")
        browser.until("document.getElementById('name').textContent.includes('run')")
        click(browser, "tab-samples")
        browser.until(READY)
        first = source(browser)
        shutil.copy(model_of("dai"), run / "next")
        os.replace(run / "next", run / "model.safetensors")
        until_other(browser, first)
        browser.until("document.getElementById('said').textContent.includes('better model')")
        (run / "next").write_text(progress_html(example_page(state="It goes on.")), encoding="utf-8")
        os.replace(run / "next", run / "progress.html")
        browser.until(f"{inside}?.includes('It goes on.')")
        assert browser.evaluate(f"{CHECKS}; nameless()") == []
    forget_refusals(browser)
    assert browser.complaints() == []


def test_a_server_that_has_ended_is_told_of(browser, tiny_model):
    with serve_page(tiny_model) as served:
        browser.open(served.address, 1280, 900)
        browser.until(READY)
    set_value(browser, "style-0", "1")
    browser.until("document.getElementById('alert').textContent.includes('The server has ended')")


def test_dragging_does_not_fill_memory(opened, page):
    def resident() -> float:
        fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
        return int(fields[0]) / 1024

    drag = """(async () => {
      const s = document.getElementById('style-1');
      for (let n = 0; n < 300; n++) {
        s.value = 3 * Math.sin(n / 5);
        s.dispatchEvent(new Event('input'));
        await new Promise((r) => setTimeout(r, 5));
      }
    })()"""
    opened.evaluate(drag)
    before = resident()
    for _ in range(3):
        opened.evaluate(drag)
    time.sleep(0.5)
    assert resident() - before < 30
    assert opened.evaluate("window.times.length") > 20
