"""Measures runs on their test part and prints the numbers that a model card quotes.

    python examples/measure.py runs/lesions --features squeezenet1_1.safetensors --out measures.json

Judge and regressor are trained once a data set and kept in --tools (default: inside the run).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from drai_cli.workflows.measure import MeasureOptions, measure_run


def headline(found: dict[str, Any]) -> dict[str, Any]:
    """The few numbers that decide, by name; intervals are in the whole report."""
    rows, probes = found["swaps"]["rows"], found["probes"]
    out = {
        "judge on real images": found["judge"]["balanced_accuracy"]["value"],
        "label agreement": found["agreement"]["value"],
        "label agreement / judge": found["agreement"]["ratio"],
        "spread, least of the labels": found["spread"]["least"],
        "swap kept": rows["swap"]["kept"]["value"],
        "a itself kept": rows["a"]["kept"]["value"],
        "swap leaked": rows["swap"]["leaked"]["value"],
        "leaked baseline (a itself)": rows["a"]["leaked"]["value"],
        "style followed": rows["swap"]["followed"]["value"],
        "a's style left over": rows["swap"]["leftover"]["value"],
        "label in style": probes["label_in_style"]["value"],
        "its floor": probes["label_in_style"]["floor"]["value"],
        "label in content": probes["label_in_content"]["value"],
        "CIFC": found["swaps"]["cifc"]["features"]["twice_swapped"]["value"],
        "reconstruction in the same features": found["swaps"]["cifc"]["features"]["reconstruction"]["value"],
        f"Frechet distance ({found['distance']['extractor']})": found["distance"]["frechet"]["samples"][
            "value"
        ],
        "real against real": found["distance"]["frechet"]["real"]["value"],
        "kernel distance": found["distance"]["kernel"]["samples"]["value"],
        "kernel distance, real against real": found["distance"]["kernel"]["real"]["value"],
        **{name: found["distance"]["manifold"]["samples"][name] for name in ("precision", "recall")},
        **{f"{name}, real": found["distance"]["manifold"]["real"][name] for name in ("precision", "recall")},
    }
    for factor in ("x", "y", "radius", "tone"):
        if factor in rows["swap"].get("factors", {}):
            found_r2 = rows["swap"]["factors"][factor]
            out[f"style kept, R2 of {factor} against b"] = found_r2["r2_b"]["value"]
            out[f"style kept, R2 of {factor} against a (squared correlation)"] = found_r2["r2_a_linear"][
                "value"
            ]
    return {name: round(value, 4) for name, value in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--part", default="test", choices=("test", "validation"))
    parser.add_argument(
        "--features", type=Path, help="SqueezeNet 1.1 weights for distances (default: the judge's)"
    )
    parser.add_argument("--tools", type=Path, help="folder in which judge and regressor are kept")
    parser.add_argument("--judge-images", type=int, help="images the judge is shown in training")
    parser.add_argument("--out", type=Path, help="file for the whole report, as JSON")
    given = parser.parse_args()
    found = measure_run(
        MeasureOptions(given.run, given.part, given.features, given.tools, given.judge_images)
    )
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, value in headline(found).items():
        print(f"{value:10.4f}  {name}")


if __name__ == "__main__":
    main()
