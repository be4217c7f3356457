"""A browser and a page of a tiny model, for the tests that use it as a visitor does."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.explore.page_browser import PROGRAM, READY
from tests.explore.page_server import serve_page
from tests.support.browser import Browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(PROGRAM, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def page(tiny_model, tmp_path_factory):
    real = tmp_path_factory.mktemp("real")
    for number in range(6):
        folder = real / ("mel" if number % 2 else "nv")
        folder.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (24, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    with serve_page(tiny_model, images=real) as served:
        yield served


@pytest.fixture
def opened(browser, page, tmp_path, monkeypatch):
    """The page on a desk, with its samples and sliders."""
    monkeypatch.chdir(tmp_path)
    browser.open(page.address, 1280, 900)
    browser.until(READY)
    yield browser
    assert browser.complaints() == []
    assert {url.split("/")[2] for url in browser.requests() if not url.startswith("data:")} == {page.host}
