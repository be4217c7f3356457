"""Measures how much faster an exported model finishes a small job: `drai sample -n 8` in a new process.

    python examples/benchmarks/onnx_start.py [-n 8] [--rounds 3] [--weights WEIGHTS]

The export is not timed. Both runtimes alternate, and the fastest round of each counts. Prints one JSON object; `ratio`
is torch's time divided by ONNX Runtime's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def drai(*arguments: str) -> float:
    """Seconds that a command takes."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "drai_cli", *arguments, "-q"], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", default="lesions-64")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = str(Path(place) / "model.onnx")
        drai("export", "--to", "onnx", "--out", model, "--weights", given.weights)
        seconds: dict[str, list[float]] = {"torch": [], "onnx": []}
        for turn in range(given.rounds):
            for runtime, weights in (("torch", given.weights), ("onnx", model)):
                out = str(Path(place) / f"{runtime}-{turn}")
                seconds[runtime].append(
                    drai(
                        "sample", "--runtime", runtime, "--weights", weights, "-n", str(given.n), "--out", out
                    )
                )
    torch, onnx = min(seconds["torch"]), min(seconds["onnx"])
    print(
        json.dumps(
            {
                "n": given.n,
                "torch_s": round(torch, 3),
                "onnx_s": round(onnx, 3),
                "ratio": round(torch / onnx, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
