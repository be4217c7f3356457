"""Prints the measures of several runs as one table: a column a method, mean ± deviation over its seeds.

    python examples/compare.py runs/phantoms-drai-? runs/phantoms-dai-?

Every run directory holds the measures.json that `examples/measure.py RUN --out RUN/measures.json` wrote. Runs whose
names differ in the last part alone (`-0`, `-1`, ...) are seeds of one method.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from measure import headline


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    seeds: dict[str, list[dict[str, float]]] = defaultdict(list)
    for run in map(Path, sys.argv[1:]):
        found = json.loads((run / "measures.json").read_text(encoding="utf-8"))
        seeds[run.name.rpartition("-")[0]].append(headline(found))
    methods = list(seeds)
    print("| measure | " + " | ".join(f"{name} ({len(seeds[name])} seeds)" for name in methods) + " |")
    print("|---" * (len(methods) + 1) + "|")
    for measure in seeds[methods[0]][0]:
        cells = []
        for name in methods:
            values = [found[measure] for found in seeds[name]]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.3f} ± {spread:.3f}")
        print(f"| {measure} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
