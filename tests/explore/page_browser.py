"""What tests of the page in a browser need: the browser, what is ready, and checks that run in the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.browser import NAMES, find_browser

PROGRAM = find_browser()
NEEDED = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed"),
]
CHECKS = (Path(__file__).parents[1] / "support/page_checks.js").read_text(encoding="utf-8")
READY = (
    "document.querySelectorAll('.slider').length > 6 && document.querySelectorAll('#grid img').length == 12"
)
