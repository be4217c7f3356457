"""Shows how training time is spent, operator by operator: `drai train` under torch's profiler.

    python examples/benchmarks/op_profile.py [--rows 14] -- --data PHANTOMS --size 32 --kimg 2 --out RUN

The arguments after `--` are those of the command, `--kimg` among them. Prints each operator's own time as a share of
the total, its milliseconds and its calls per thousand images. With another checkout on PYTHONPATH it profiles that one.
"""

from __future__ import annotations

import argparse
import sys

from torch.profiler import ProfilerActivity, profile

from drai_cli.cli.app import main as drai


def run(arguments: list[str]) -> None:
    """One `drai train`, as at the prompt."""
    sys.argv = ["drai", "train", "--quiet", *arguments]
    try:
        drai()
    except SystemExit as end:
        if end.code:
            raise


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=14)
    parser.add_argument("arguments", nargs="+", help="of `drai train`, after --")
    chosen = parser.parse_args()
    at = chosen.arguments.index("--kimg") + 1
    kimg = float(chosen.arguments[at])
    with profile(activities=[ProfilerActivity.CPU]) as told:
        run(chosen.arguments)
    averages = sorted(told.key_averages(), key=lambda one: -one.self_cpu_time_total)
    whole = sum(one.self_cpu_time_total for one in averages)
    print(f"{'operator':44} {'share':>6} {'ms / 1000 images':>17} {'calls / 1000':>13}")
    for one in averages[: chosen.rows]:
        share, time_ms = one.self_cpu_time_total / whole, one.self_cpu_time_total / 1000
        print(f"{one.key[:44]:44} {share:6.1%} {time_ms / kimg:17.0f} {one.count / kimg:13.0f}")
    rest = averages[chosen.rows :]
    left = sum(one.self_cpu_time_total for one in rest)
    calls = sum(one.count for one in rest)
    print(f"{f'{len(rest)} others':44} {left / whole:6.1%} {left / 1000 / kimg:17.0f} {calls / kimg:13.0f}")


if __name__ == "__main__":
    main()
