"""Named settings that `--preset` or the image size chooses; options override them. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# Settings of model and training by image size; a size between two uses the smaller one. From 64 px on, where images are
# photographs, contents are not classified (match), and styles and the content prior stay closer to N(0, I).
# Small batches, with many steps, need far fewer images, though each image takes a little longer. All values are
# measured: examples/RUNS.md.
PRESETS: dict[str, dict[str, Any]] = {
    "32px": {
        "image_size": 32, "channels": 64, "max_channels": 128, "content_dim": 16, "style_dim": 16,
        "batch_size": 8, "learning_rate": 3e-4, "r1_gamma": 0.1, "swap_share": 0.25,
    },
    "64px": {
        "image_size": 64, "channels": 48, "max_channels": 128, "content_dim": 16, "style_dim": 32,
        "batch_size": 16, "r1_gamma": 0.2, "image_cycle_weight": 10.0,
        "pools_content": True, "match_weight": 0.0, "style_kl_weight": 0.01, "prior_kl_weight": 0.005,
    },
    "128px": {
        "image_size": 128, "channels": 48, "max_channels": 192, "content_dim": 16, "style_dim": 48,
        "batch_size": 16, "r1_gamma": 0.5, "image_cycle_weight": 10.0,
        "pools_content": True, "match_weight": 0.0, "style_kl_weight": 0.01, "prior_kl_weight": 0.005,
    },
    "256px": {
        "image_size": 256, "channels": 32, "max_channels": 256, "content_dim": 16, "style_dim": 64,
        "batch_size": 16, "r1_gamma": 1.5, "image_cycle_weight": 10.0,
        "pools_content": True, "match_weight": 0.0, "style_kl_weight": 0.01, "prior_kl_weight": 0.005,
    },
}  # fmt: skip


def preset_for_size(size: int) -> str:
    """Chooses the preset of an image size: the largest that is not above it, else the smallest."""
    names = sorted(PRESETS, key=lambda name: PRESETS[name]["image_size"])
    below = [name for name in names if PRESETS[name]["image_size"] <= size]
    return below[-1] if below else names[0]


@dataclass(frozen=True)
class KnownSet:
    """Facts about a kind of data set that its files do not hold.

    Attributes:
        symmetry: Flips and rotations that keep its images plausible.
        licence: Licence of models trained on it, as an SPDX expression.
        attribution: The attribution that its licence requires.
    """

    symmetry: Literal["none", "flip", "dihedral"] = "none"
    licence: str = ""
    attribution: str = ""


# By kind of data set.
KNOWN_SETS: dict[str, KnownSet] = {
    "ham10000": KnownSet(
        "dihedral",
        "CC-BY-NC-4.0",
        "HAM10000: Tschandl P., Rosendahl C., Kittler H., The HAM10000 dataset, a large collection of multi-source "
        "dermatoscopic images of common pigmented skin lesions, Scientific Data 5, 180161 (2018), CC BY-NC 4.0.",
    ),
}
