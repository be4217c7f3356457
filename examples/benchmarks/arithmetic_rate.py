"""Compares the arithmetic rate of training and sampling with that of matrix products on this machine, in one run.

    python examples/benchmarks/arithmetic_rate.py --preset 64px

Operations of convolutions and matrix products are counted by torch's own formulas over whole R1 intervals, and divided
by the time that the same steps take without counting. Everything else (activations, normalisation, optimisers,
averages) adds time but no operations. The peak is the best of several square products in the same precision, measured
between the rounds. Convolutions are counted as direct ones: a library that needs fewer multiplications may exceed the
peak.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from train_speed import dtype_for, make_training

from drai_cli.inference.torch_model import choose_device
from drai_cli.settings.presets import PRESETS
from drai_cli.training.graphs import make_plain_stepper

_SIDES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}  # of the matrices
_BATCH = {"cpu": 16, "cuda": 256}  # of sampling


def seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


class Counter(TorchDispatchMode):
    """Operations of convolutions and matrix products; a multiplication with its addition counts as two.

    Not torch's FlopCounterMode, whose hooks on modules refuse the gradient of R1; its formulas all the same.
    """

    total = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def counted(work: Callable[[], object]) -> float:
    with Counter() as counter:
        work()
    return counter.total


def peak(dtype: torch.dtype, device: torch.device) -> float:
    """Operations a second of the best square product."""
    best = 0.0
    for side in _SIDES[device.type]:
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        a @ b
        best = max(best, *(2 * side**3 / seconds(lambda a=a, b=b: a @ b, device) for _ in range(5)))  # type: ignore[misc]
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="64px", choices=tuple(PRESETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device")
    given = parser.parse_args()
    device = choose_device(given.device)
    step, training = make_training(given.preset, device)
    model, generator = training.options.model, training.state.average.generator
    turn = training.options.objective.r1_interval
    codes = [
        torch.randn(_BATCH[device.type], dim, device=device) for dim in (model.content_dim, model.style_dim)
    ]

    def train() -> None:
        for index in range(turn):
            step(index)

    @torch.no_grad()  # in inference mode a convolution is not seen as one
    def sample() -> None:
        for _ in range(20):
            generator(*codes)

    lower = dtype_for(device) or torch.float32
    works = {"training step": (train, lower), "sampling": (sample, torch.float32)}
    # A replayed step shows no operations: they are counted of steps of their own, made as they are.
    plain, _ = make_training(given.preset, device, steps=make_plain_stepper)
    operations = {
        "training step": counted(lambda: [plain(index) for index in range(turn)]), "sampling": counted(sample)
    }  # fmt: skip
    rates: dict[str, list[float]] = {name: [] for name in works}
    peaks: dict[torch.dtype, list[float]] = {dtype: [] for _, dtype in works.values()}
    for _ in range(given.rounds):
        for name, (work, _) in works.items():
            rates[name].append(operations[name] / seconds(work, device))
        for dtype, found in peaks.items():
            found.append(peak(dtype, device))
    print(f"{given.preset}, {device}, {torch.get_num_threads()} threads")
    print(f"{'':14} {'precision':15} {'Gop/s':>8} {'peak':>8} {'share':>6}")
    for name, (_, dtype) in works.items():
        achieved, top = statistics.median(rates[name]) / 1e9, statistics.median(peaks[dtype]) / 1e9
        print(f"{name:14} {dtype!s:15} {achieved:8.1f} {top:8.1f} {achieved / top:6.2f}")


if __name__ == "__main__":
    main()
