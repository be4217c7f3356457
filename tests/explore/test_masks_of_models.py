"""A model that makes masks with its images is explored: masks beside pictures, and kept with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drai_cli.settings.image_options import MASK_FORMATS
from tests.explore.page_server import picture_of, serve_page

pytest.importorskip("uvicorn")


def test_masks_are_shown_and_kept(mask_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with serve_page(mask_model, wait=False) as page:
        described = page.explorer.describe()
        assert (described["masks"], described["formats"]) == (["lesion"], list(MASK_FORMATS))
        shown = page.ask("grid", {"label": "mel", "count": 3})[1]["images"]
        for format in MASK_FORMATS:
            status, made = page.ask("keep", {"label": "mel", "keep": 3, "out": format, "format": format})
            assert status == 200, made
            assert len(list((tmp_path / format / "masks").rglob("*.*"))) == 3
        kept = sorted((tmp_path / "png" / "masks").rglob("*.png"))
        for one, path in zip(shown, kept, strict=True):
            (mask,) = one["masks"]
            assert picture_of(one["picture"]).shape == (16, 16, 3)
            from PIL import Image

            np.testing.assert_array_equal(picture_of(mask), np.asarray(Image.open(path)))
