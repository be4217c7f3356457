"""Images as the page gets them: PNG files in the text of JSON, marked as synthetic where they are."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt

from drai_cli.io.png import encode_png

_START = "data:image/png;base64,"


def as_address(image: UInt[np.ndarray, "height width channels"], marks: Mapping[str, str]) -> str:
    """An image as an address that a page can show."""
    return _START + base64.b64encode(encode_png(image, marks)).decode("ascii")
