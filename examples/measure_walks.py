"""Measures what walks between held-out images keep and change, by a judge trained on real images.

    python examples/measure_walks.py runs/lesions --tools runs/tools [--pairs 60] [--part test] [--equal-codes]

For pairs of images with different labels that the judge itself classifies correctly, and evenly spaced frames: along
style the judge's label should stay the same as at the start, along content it should change. Prints one JSON object:
shares of frames and of pairs, and, without --equal-codes, the unevenness (deviation divided by mean) of the steps in
the model's own features and in the judge's, which were not used for spacing them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.data.prepared import prepare
from drai_cli.inference.torch_model import Inference, choose_device
from drai_cli.inference.walk import Walk, make_frames, measure_distances
from drai_cli.metrics.judge import Judge, load_judge
from drai_cli.metrics.perceptual import step_distances, unevenness
from drai_cli.model_file.checkpoint import load_model, load_state
from drai_cli.run.directory import RunDirectory


def choose_pairs(labels: np.ndarray, judged: np.ndarray, n: int) -> list[tuple[int, int]]:
    """Pairs of rows with different labels, every label in turn, that the judge calls right."""
    random = np.random.default_rng(0)
    right = np.flatnonzero(labels == judged)
    by_label = [right[labels[right] == label] for label in np.unique(labels[right])]
    pairs = []
    for index in range(n):
        a = by_label[index % len(by_label)]
        b = by_label[(index + 1 + index // len(by_label) % (len(by_label) - 1)) % len(by_label)]
        pairs.append((int(random.choice(a)), int(random.choice(b))))
    return pairs


def measure(run: Path, judge: Judge, part: str, n: int, steps: int, is_even: bool) -> dict[str, Any]:
    directory = RunDirectory(run)
    prepared = prepare(directory.read_data_options(), seed=0, split_file=directory.split)
    device = choose_device()
    inference = Inference(load_model(directory.model, device), device)
    rows = prepared.rows(part)
    images, labels = prepared.images[rows], prepared.labels[rows]
    pairs = choose_pairs(labels, judge.labels(images), n)
    codes = inference.encode(images)
    stays, changes, arrives, own, others = [], [], [], [], []
    for pair in pairs:
        for along in ("style", "content"):
            walk = Walk.along(along, codes.content[list(pair)], codes.style[list(pair)])
            frames = make_frames(inference, walk, steps, is_even=is_even)
            judged = judge.labels(frames.images)
            if is_even:
                distances = measure_distances(inference, walk, frames.positions)
                assert distances is not None
                own.append(unevenness(distances))
                others.append(unevenness(step_distances(judge.features(frames.images))))
            if along == "style":
                stays.append(float((judged == judged[0]).mean()))
            else:
                changes.append(bool(judged[-1] != judged[0]))
                arrives.append(bool(judged[-1] == labels[pair[1]]))
    kept, starts = np.array(stays), labels[[a for a, _ in pairs]]
    found = {
        "pairs": len(pairs),
        "along style, share of frames with the first frame's label": round(float(kept.mean()), 3),
        "its standard error": round(float(kept.std(ddof=1) / np.sqrt(len(kept))), 3),
        "by a's label": {
            prepared.schema.labels[label]: round(float(kept[starts == label].mean()), 3)
            for label in np.unique(starts)
        },
        "along style, share of pairs with at least 0.8 of frames": round(float(np.mean(kept >= 0.8)), 3),
        "along content, share of pairs whose label changes": round(float(np.mean(changes)), 3),
        "along content, share of pairs that end at b's label": round(float(np.mean(arrives)), 3),
    }
    if is_even:
        found["unevenness, greatest, own features"] = round(max(own), 4)
        found["unevenness, mean, judge's features"] = round(float(np.mean(others)), 4)
    return found


def find_judge(tools: Path) -> Path:
    """The judge in a folder of tools, or in the folder of a report, which keeps it in `measured`."""
    found = [
        path for folder in (tools, tools / "measured") for path in sorted(folder.glob("judge-*.safetensors"))
    ]
    if len(found) != 1:
        raise SystemExit(
            f"{tools}: expected one judge-*.safetensors there or in {tools / 'measured'}, got {len(found)}. "
            f"drai evaluate --data DATA --weights RUN --out {tools} leaves one."
        )
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument(
        "--tools",
        type=Path,
        required=True,
        help="folder with the judge: the --out of drai evaluate, or the tools/ of drai compare",
    )
    parser.add_argument("--part", default="test", choices=("test", "validation"))
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument(
        "--equal-codes",
        action="store_true",
        help="equal steps in the codes instead of perceptually equal ones: a hundred times faster",
    )
    given = parser.parse_args()
    tensors, config = load_state(find_judge(given.tools))
    print(
        json.dumps(
            measure(
                given.run,
                load_judge(config, tensors),
                given.part,
                given.pairs,
                given.steps,
                not given.equal_codes,
            ),
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
