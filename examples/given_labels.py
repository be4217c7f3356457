"""Measures how well swaps keep a label that is given, compared with one that is inferred from the image.

    python examples/given_labels.py out/runs/drai-0 out/runs/cinfogan-0 --judge out/tools/judge-*.safetensors

`cinfogan` and `cavae` infer no content: their swaps are G(t_a, z_b) and get a's label as an input. In a comparison
their *swap kept* is listed next to that of methods which infer content from a. Here all methods get the label: the
content is the prior's mean for a's condition, the style is b's. Test part, pairs of different labels, the judge of
`drai compare` or `drai evaluate`. Prints one JSON object per run: `kept` and `leaked` with the label given, and with
inferred content if the method infers it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from drai_cli.data.prepared import prepare
from drai_cli.inference.torch_model import choose_device
from drai_cli.metrics.generation import encode, generate
from drai_cli.metrics.intervals import macro_mean
from drai_cli.metrics.judge import Judge, load_judge
from drai_cli.metrics.swaps import choose_pairs
from drai_cli.model_file.checkpoint import load_model, load_state
from drai_cli.run.directory import RunDirectory


def measure(run: Path, judge: Judge, pairs: int, device: torch.device) -> dict[str, object]:
    """Kept and leaked of one run's swaps."""
    directory = RunDirectory(run)
    data = prepare(directory.read_data_options(), seed=0, split_file=directory.split)
    model, rows = load_model(directory.model, device), data.rows("test")
    conditions, labels, images = data.conditions[rows], data.labels[rows], data.images[rows]
    chosen = choose_pairs(labels, pairs, seed=0)
    codes = encode(model, images, conditions, device)
    with torch.inference_mode():
        told = model.content_prior(torch.from_numpy(conditions).to(device)).mean.cpu().numpy()
    contents = {"given": told}
    if model.encoder is not None and model.encoder.content is not None:
        contents["inferred"] = codes.content
    found: dict[str, object] = {"run": run.name}
    for name, content in contents.items():
        swaps = generate(model, content[chosen.content], codes.style[chosen.style], images.dtype, device)
        seen, of_a, of_b = judge.labels(swaps), labels[chosen.content], labels[chosen.style]
        found[name] = {
            key: round(float(macro_mean(seen == wanted, of_a)(np.ones((1, len(of_a))))[0]), 3)
            for key, wanted in (("kept", of_a), ("leaked", of_b))
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run directories, of methods with an encoder")
    parser.add_argument(
        "--judge", type=Path, required=True, help="judge-….safetensors below the tools folder"
    )
    parser.add_argument("--pairs", type=int, default=1050)
    given = parser.parse_args()
    device = choose_device()
    tensors, config = load_state(given.judge)
    judge = load_judge(config, tensors, device)
    for run in given.runs:
        print(json.dumps(measure(run, judge, given.pairs, device)), flush=True)


if __name__ == "__main__":
    main()
