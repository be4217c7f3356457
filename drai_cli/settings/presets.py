"""Named settings: what `--preset` (or the image size) chooses before any flag. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# What an image size wants of the model and of training; a size between two takes the one below it. From 64 px on, where
# images are photographs, contents are not decided (match), and styles and the content prior stay nearer to N(0, I).
# Small batches, of many steps, want far fewer images, though each takes a little longer. All by measurement:
# examples/RUNS.md.
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
    """The preset an image size of its own takes: the largest that is not above it, else the smallest."""
    names = sorted(PRESETS, key=lambda name: PRESETS[name]["image_size"])
    below = [name for name in names if PRESETS[name]["image_size"] <= size]
    return below[-1] if below else names[0]


@dataclass(frozen=True)
class KnownSet:
    """What is known of a kind of data set beyond its files.

    Attributes:
        symmetry: Under which mirrorings and turns its images stay real.
        licence: SPDX expression that models trained on it carry.
        attribution: What its licence asks to be said.
    """

    symmetry: Literal["none", "flip", "dihedral"] = "none"
    licence: str = ""
    attribution: str = ""


# By kind of data set, as `data` reports it.
KNOWN_SETS: dict[str, KnownSet] = {
    "ham10000": KnownSet(
        "dihedral",
        "CC-BY-NC-4.0",
        "HAM10000: Tschandl P., Rosendahl C., Kittler H., The HAM10000 dataset, a large collection of multi-source "
        "dermatoscopic images of common pigmented skin lesions, Scientific Data 5, 180161 (2018), CC BY-NC 4.0.",
    ),
}
