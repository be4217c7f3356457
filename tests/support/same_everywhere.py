"""What the bundled model makes here: `python tests/support/same_everywhere.py OUT.npz [THREADS ...]`.

Without OUT it writes the file that tests compare with. That is done, and the images looked at, when another model is
bundled. THREADS are numbers of threads that all must make the same; without them only what is kept is made.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `drai_cli` beside it

from drai_cli import Drai
from drai_cli.hub.locate import locate_weights
from drai_cli.io.files import file_sha256

KEPT = Path(__file__).with_suffix(".npz")


def made_by(model: Drai, *, has_many: bool = True) -> dict[str, np.ndarray]:
    """Sampled images of two labels, a swap of two of them, and codes of all; a walk, and all this of many.

    What is of many takes several passes, which run side by side where there are several threads.
    """
    first, last = model.labels[0], model.labels[-1]
    images = np.concatenate([model.sample(label, 2, seed=5) for label in (first, last)])
    # Of images as they are kept, so that the codes are compared and not the images again.
    given = np.load(KEPT)["images"] if KEPT.exists() else images
    content, style = model.encode(given)
    assert content is not None
    made = {
        "weights": np.array(file_sha256(locate_weights(None))),
        "images": images,
        "swapped": np.stack(model.swap_style(given[0], given[2])),
        "content": content,
        "style": style,
    }
    if not has_many:
        return made
    many = np.concatenate([np.roll(given, 8 * shift, axis=2) for shift in range(9)])
    many_content, many_style = model.encode(many)
    assert many_content is not None
    return made | {
        "many images": model.sample(first, 40, seed=5),
        "many swapped": model.generate(many_content, many_style[::-1]),
        "walk": model.interpolate(given[0], given[2], steps=36),
        "many content": many_content,
        "many style": many_style,
    }


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """To the last bit."""
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def check_threads(model: Drai, counts: Sequence[int], expected: dict[str, np.ndarray]) -> None:
    """Each number of threads makes what is expected."""
    before = torch.get_num_threads()
    try:
        for count in counts:
            torch.set_num_threads(count)
            check_same(made_by(model), expected)
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else KEPT
    if out == KEPT:
        out.unlink(missing_ok=True)
    model = Drai.from_pretrained(device="cpu")
    threads = [int(count) for count in sys.argv[2:]]
    made = made_by(model, has_many=bool(threads))
    np.savez_compressed(out, **made)
    check_threads(model, threads, made)


if __name__ == "__main__":
    main()
