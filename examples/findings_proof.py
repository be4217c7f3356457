"""Tests sets of findings on phantoms with five independent marks: is each shown where asked for, and none else?

    python examples/findings_proof.py OUT [--seeds 0 1 2] [--kimg 40]

Six of the 32 sets are held out of training. A run of 40,000 images takes about a quarter of an hour on one CPU core;
finished runs are only measured. The judge is trained on other phantoms, of all sets; the floor of a finding in style is
read from the true factors of the phantoms. Other options are given to `drai train`. Prints a line per seed, writes
OUT/proof.json, and ends with status 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from drai_cli.data.finding_phantoms import FINDINGS, render_finding_phantoms
from drai_cli.metrics.finding_judge import FindingJudge, train_finding_judge
from drai_cli.metrics.finding_set import FindingsConfig, FindingSet
from drai_cli.metrics.finding_swaps import measure_finding_swaps
from drai_cli.metrics.generation import encode, sample
from drai_cli.metrics.judge import judge_config
from drai_cli.metrics.probes import measure_probe
from drai_cli.model_file.checkpoint import load_model

HELD_OUT = (
    "band|ring", "notch|spot", "ring|tail", "band|notch|tail", "ring|spot|tail", "band|notch|ring|spot"
)  # fmt: skip
SIZE, COUNT, OF_EACH_SET, CPU = 32, 10_000, 60, torch.device("cpu")
SETS = np.array(list(itertools.product((0, 1), repeat=len(FINDINGS))), np.int8)


def name_of(states: np.ndarray) -> str:
    return "|".join(np.array(FINDINGS)[states == 1]) or "none"


def part_of(name: str, states: np.ndarray) -> str:
    draw = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    if name_of(states) in HELD_OUT or draw == 0:
        return "test"
    return "validation" if draw == 1 else "train"


def make_data(out: Path) -> Path:
    """The phantoms, with a column that says to which part each belongs."""
    data = out / "phantoms"
    if not data.is_dir():
        run("phantom", "--findings", "--out", str(data), "-n", str(COUNT), "--size", str(SIZE))
        with (data / "metadata.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            states = np.array([int(row[name]) for name in FINDINGS])
            row["split"] = part_of(Path(row["file_name"]).name, states)
        with (data / "metadata.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return data


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "drai_cli", *words], check=True)


def train_judge() -> FindingJudge:
    """Trained on phantoms of another seed, all sets among them."""
    others = render_finding_phantoms(6000, SIZE, seed=1000)
    parts = np.where(np.arange(6000) < 5000, "train", "validation")
    of_none = np.zeros(6000, np.int64)
    return train_finding_judge(
        others.images, others.states, of_none, parts, judge_config(SIZE, "none"), seed=0
    )


def real_images() -> FindingSet:
    """The phantoms of the training data, rendered again: the same images without their files."""
    made = render_finding_phantoms(COUNT, SIZE, seed=0)
    parts = np.array([part_of(f"{row:06}.png", states) for row, states in enumerate(made.states)])
    conditions = np.zeros((COUNT, 2 * len(FINDINGS)), np.float32)
    conditions[:, ::2] = made.states
    return FindingSet(made.images, made.states, parts, np.arange(COUNT), conditions, FINDINGS)


def balanced(seen: np.ndarray, asked: np.ndarray) -> list[float]:
    """Balanced share of the images in which the judge sees each finding as asked for."""
    return [
        float((seen[asked[:, one], one].mean() + 1 - seen[~asked[:, one], one].mean()) / 2)
        for one in range(asked.shape[1])
    ]


def measure(model_file: Path, data: FindingSet, judge: FindingJudge) -> dict[str, Any]:
    model = load_model(model_file, CPU)
    asked = np.repeat(SETS, OF_EACH_SET, 0) == 1
    conditions = np.zeros((len(asked), 2 * len(FINDINGS)), np.float32)
    conditions[:, ::2] = asked
    made = sample(
        model, conditions, model.header.architecture.style_dim, np.dtype(np.uint8), seed=0, device=CPU
    )
    seen = judge.find_present(judge.probabilities(made))
    right = (seen == asked).all(1).reshape(len(SETS), OF_EACH_SET).mean(1)
    by_set = {name_of(states): float(share) for states, share in zip(SETS, right, strict=True)}
    config = FindingsConfig(pairs=200)
    swaps = measure_finding_swaps(data, model, judge, config, part="test", seed=0)
    style = probe_style(model, data)
    return {
        "agreement": dict(zip(FINDINGS, balanced(seen, asked), strict=True)),
        "kept": {name: one["kept"] for name, one in swaps["by_finding"].items()},
        "leaked": {name: one["leaked"] for name, one in swaps["by_finding"].items()},
        "followed": swaps["followed"]["value"],
        "style_over_floor": {name: one["value"] - one["floor"]["value"] for name, one in style.items()},
        "style": {name: one["value"] for name, one in style.items()},
        "all_right": by_set,
        "all_right_held_out": {name: by_set[name] for name in HELD_OUT},
    }


def probe_style(model: Any, data: FindingSet) -> dict[str, Any]:
    """How well each finding is read from the inferred style, and from the true factors."""
    codes = encode(model, data.images, data.conditions, CPU)
    factors = render_finding_phantoms(COUNT, SIZE, seed=0).factors
    truth = np.stack(list(factors.values()), 1)
    return {
        name: measure_probe(
            codes.style, data.states[:, one].astype(np.int64), data.parts, data.groups, 2,
            part="test", floor=truth, seed=0,
        )
        for one, name in enumerate(FINDINGS)
    }  # fmt: skip


def aims(numbers: dict[str, Any]) -> dict[str, bool]:
    """The aims, for each finding and each set: the worst one counts."""
    return {
        "agreement >= 0.97": min(numbers["agreement"].values()) >= 0.97,
        "kept >= 0.97": min(numbers["kept"].values()) >= 0.97,
        "leaked <= 0.02": max(numbers["leaked"].values()) <= 0.02,
        "all right >= 0.9 in every set": min(numbers["all_right"].values()) >= 0.9,
        "style <= floor + 0.05": max(numbers["style_over_floor"].values()) <= 0.05,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kimg", default="40")
    options, more = parser.parse_known_args()
    data = make_data(options.out)
    for seed in options.seeds:
        run(
            "train", "--data", str(data), "--size", str(SIZE), "--preset", "32px", "--kimg", options.kimg,
            "--seed", str(seed), "--out", str(options.out / f"seed-{seed}"), *more,
        )  # fmt: skip
    judge, real = train_judge(), real_images()
    rows = real.rows("test")
    of_real = judge.find_present(judge.probabilities(real.images[rows]))
    found: dict[str, Any] = {
        "judge on real phantoms": dict(zip(FINDINGS, balanced(of_real, real.states[rows] == 1), strict=True))
    }
    print(
        "judge on real phantoms:",
        {name: round(value, 4) for name, value in found["judge on real phantoms"].items()},
    )
    missed = False
    for seed in options.seeds:
        numbers = measure(options.out / f"seed-{seed}" / "model.safetensors", real, judge)
        found[f"seed {seed}"] = {**numbers, "aims": aims(numbers)}
        missed |= not all(aims(numbers).values())
        worst = {
            "agreement": min(numbers["agreement"].values()),
            "kept": min(numbers["kept"].values()),
            "leaked": max(numbers["leaked"].values()),
            "all right": min(numbers["all_right"].values()),
            "all right, held out": min(numbers["all_right_held_out"].values()),
            "style over floor": max(numbers["style_over_floor"].values()),
        }
        print(f"seed {seed}, worst:", {name: round(value, 3) for name, value in worst.items()}, aims(numbers))
    (options.out / "proof.json").write_text(json.dumps(found, indent=2))
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
