"""What tests of `evaluate` share beside fixtures: a tiny model, small settings, parts of a set."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from drai_cli.settings.config import ModelConfig
from drai_cli.workflows.evaluate import EvaluateResult

TINY = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
SMALL = {
    "samples": 6, "pairs": 42, "draws": 2, "judge_images": 1280, "usefulness_images": 256, "usefulness_seeds": 1,
    "privacy_samples": 40,
}  # fmt: skip


@dataclass(frozen=True)
class Reported:
    """A whole evaluation, where its report is, and the run that it stands in the card of: to be looked at alone."""

    result: EvaluateResult
    out: Path
    run: Path


def copied(source: Path, out: Path, names: list[str]) -> Path:
    """Some images of a set as class folders."""
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)
    return out


def split_of(run: Path) -> dict[str, list[str]]:
    rows = [line.rsplit(",", 1) for line in (run / "split.csv").read_text().splitlines()[1:]]
    return {part: [name for name, its in rows if its == part] for part in ("train", "validation", "test")}
