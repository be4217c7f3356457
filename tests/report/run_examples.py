"""A run's ticks and page, made up."""

from __future__ import annotations

import math
from typing import Any

from drai_cli.report.progress_html import Frame, RunPage
from tests.report.report_examples import grid_png


def example_ticks(count: int = 10, *, gain: float = 0.1, **best: float) -> list[dict[str, Any]]:
    """Ticks of a run that improves by `gain` of the way that is left at each; `best` overrides measures of all."""
    ticks = []
    for number in range(1, count + 1):
        share = 1 - (1 - gain) ** number
        measures = {
            "agreement": 0.15 + 0.8 * share, "judge": 0.97, "chance": 0.14, "agreement_ratio": share,
            "frechet_matched": 2 + 30 * (1 - share), "frechet_real": 1.5, "kept": 0.1 + 0.8 * share, "kept_of_a": 0.97,
            "leaked": 0.14, "followed": 0.8 * share, "leftover": 0.1, "kept_ratio": share,
            "power_coarse": 0.9, "power_middle": 0.8, "power_fine": 0.4 + 0.6 * share, "score": 0.9 * share,
        }  # fmt: skip
        ticks.append(
            {
                "images_seen": 4000 * number, "images_per_s": 210.5, "elapsed_s": 19.0, "augment_probability": 0.1,
                "terms": {"d_image": 0.6 + math.sin(number) / 10, "image_cycle": 1 / number, "r1": 0.01},
                "validation": {**measures, **best} if number > 1 else {}, "best_images_seen": 4000 * number,
                "warnings": [],
            }
        )  # fmt: skip
    return ticks


def example_page(**more: Any) -> RunPage:
    ticks = example_ticks()
    values = {
        "name": "lesions", "state": "40 of 50 kimg (80 %) at 210.5 images/s, about 47 s left.", "is_over": False,
        "facts": {"data": "lesions", "images": {"train": 1600, "test": 200}, "seed": 0},
        "command": "drai train --data lesions --kimg 50", "command_title": "If it stops, go on with",
        "ticks": ticks, "warnings": ["the generator has collapsed"],
        "latest": Frame(40.0, grid_png(3, 8, 16)),
        "film": [Frame(float(4 * n), grid_png(3, 8, 8)) for n in range(1, 10)],
        "standing": "near", "quality": [("good", "Good."), ("near", "Near.")], "progress": "It still improves.",
        "advice": ["Train longer."], "version": "0.1.0", "written": "2026-01-01 00:00:00 UTC",
    }  # fmt: skip
    return RunPage(**{**values, **more})
