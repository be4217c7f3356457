"""What the bundled model makes here: `python tests/same_everywhere.py OUT.npz`.

Without OUT it writes the file that tests compare with. That is done, and the images looked at, when another model is
bundled.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from drai_cli import Drai
from drai_cli.hub import locate_weights
from drai_cli.io.files import file_sha256

KEPT = Path(__file__).with_suffix(".npz")


def made_by(model: Drai) -> dict[str, np.ndarray]:
    """Two sampled images of each of two labels, a swap of two of them, and the codes of all four."""
    first, last = model.labels[0], model.labels[-1]
    images = np.concatenate([model.sample(label, 2, seed=5) for label in (first, last)])
    # Of images as they are kept, so that the codes are compared and not the images again.
    given = np.load(KEPT)["images"] if KEPT.exists() else images
    swapped = np.stack(model.swap_style(given[0], given[2]))
    content, style = model.encode(given)
    assert content is not None
    weights = np.array(file_sha256(locate_weights(None)))
    return {"weights": weights, "images": images, "swapped": swapped, "content": content, "style": style}


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else KEPT
    if out == KEPT:
        out.unlink(missing_ok=True)
    np.savez_compressed(out, **made_by(Drai.from_pretrained(device="cpu")))
