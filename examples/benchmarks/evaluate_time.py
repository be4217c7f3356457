"""Measures processor and elapsed seconds of each part of `drai evaluate`, and whether the time left was right.

    python examples/benchmarks/evaluate_time.py --data HAM10000 --weights lesions-64 --split split.csv --out report/
    python examples/benchmarks/evaluate_time.py --data HAM10000 --weights lesions-64 --split split.csv --out q/ --quick

A second model on the same data has its judge and the features of the real images already: name another `--weights`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from drai_cli.evaluation import parts, usefulness
from drai_cli.evaluation.extractors import pooled
from drai_cli.progress import Reporter
from drai_cli.run import instruments
from drai_cli.settings.model_options import EvaluateOptions
from drai_cli.workflows.evaluate import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("data", "split", "out", "features"):
        parser.add_argument(f"--{name}", type=Path, required=name in ("data", "out"))
    parser.add_argument("--weights")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--subgroup", action="append", default=[])
    parser.add_argument("--no-figures", dest="figures", action="store_false")
    given = parser.parse_args()
    rows: list[tuple[str, float, float]] = []

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            processor, elapsed = time.process_time(), time.monotonic()
            result = work(*arguments, **named)
            rows.append((name, time.process_time() - processor, time.monotonic() - elapsed))
            return result

        return run

    for name, part in parts.PARTS.items():
        parts.PARTS[name] = replace(
            part, measure=timed(name, part.measure), draw=timed(f"{name}, figures", part.draw)
        )
    instruments.train_judge = timed("judge", instruments.train_judge)
    instruments.train_reader = timed("reader of attributes", instruments.train_reader)
    # Within the parts: what --features costs.
    pooled.PooledFeatures.features = timed("of these: --features", pooled.PooledFeatures.features)
    usefulness.measure_heads = timed("of these: heads on features", usefulness.measure_heads)
    expected: list[float] = []
    estimate = parts.estimate_seconds

    def estimated(*arguments: Any) -> dict[str, float]:
        found = estimate(*arguments)
        expected.append(sum(found.values()))
        return found

    parts.estimate_seconds = estimated
    whole = timed("whole", evaluate)
    options = EvaluateOptions(
        given.data,
        given.weights,
        split=given.split,
        out=given.out,
        features=given.features,
        quick=given.quick,
        subgroups=tuple(given.subgroup),
        figures=given.figures,
    )
    whole(options, Reporter())
    print(f"{'part':28}{'processor s':>12}{'elapsed s':>12}")
    for name in dict.fromkeys(name for name, _, _ in rows):
        processor, elapsed = (sum(row[place] for row in rows if row[0] == name) for place in (1, 2))
        print(f"{name:28}{processor:12.1f}{elapsed:12.1f}")
    print(f"expected before the first part: {sum(expected):.0f} s")


if __name__ == "__main__":
    main()
