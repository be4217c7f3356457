"""Compares `drai sample -n 1000` with its unavoidable costs: importing torch and the generator's bare passes.

    python examples/benchmarks/sample_speed.py [--weights W] [-n 1000] [--rounds 3]

Both sides run in new processes, alternately, and the fastest round of each counts. The bare passes have codes and
weights ready, write nothing, and use the best of several batch sizes, after a warm-up. If there is a GPU both sides use
it, and creating its context counts as part of the import. Prints one JSON object; `ratio` is the result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time

BARE = """
import sys, time
start = time.perf_counter()
import torch
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.zeros(1, device=device)
imported = time.perf_counter() - start
from drai_cli.model_file.checkpoint import load_model
from drai_cli.hub.locate import locate_weights
model = load_model(locate_weights(sys.argv[1] or None))
n = int(sys.argv[2])
shape = model.header.architecture
best = float("inf")
with torch.inference_mode():
    generator = model.generator.to(device)
    for batch in (8, 16, 32, 64, 128) if device.type == "cpu" else (64, 256, 1024):
        content, style = (torch.randn(batch, dim, device=device) for dim in (shape.content_dim, shape.style_dim))
        passes = max(2, min(n, 256) // batch)
        generator(content, style).cpu()
        start = time.perf_counter()
        for _ in range(passes):
            images = generator(content, style)
        images.cpu()  # on a GPU: when they are there
        best = min(best, (time.perf_counter() - start) / passes / batch)
print(imported, best * n)
"""


def measure_sample(weights: str, n: int) -> float:
    """Seconds from the start of a `drai sample` process to its end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "drai_cli", "sample", "-q", "-n", str(n), "--out", f"{folder}/out"]
        start = time.perf_counter()
        subprocess.run(
            [*command, *(["--weights", weights] if weights else [])], check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - start


def measure_bare(weights: str, n: int) -> tuple[float, float]:
    """Seconds to import torch, and for the generator's passes alone."""
    command = [sys.executable, "-c", BARE, weights, str(n)]
    imported, passes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(imported), float(passes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="", help="the bundled default if left out")
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    whole, imports, passes = [], [], []
    for _ in range(chosen.rounds):
        whole.append(measure_sample(chosen.weights, chosen.n))
        imported, bare = measure_bare(chosen.weights, chosen.n)
        imports.append(imported)
        passes.append(bare)
    floor = min(imports) + min(passes)
    print(
        json.dumps(
            {
                "images": chosen.n,
                "sample_s": round(min(whole), 3),
                "import_torch_s": round(min(imports), 3),
                "bare_passes_s": round(min(passes), 3),
                "ratio": round(min(whole) / floor, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
