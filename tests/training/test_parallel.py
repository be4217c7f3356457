"""Two processes compute what one does, term by term; one process computes nothing more than before."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from drai_cli.settings.config import Objective
from drai_cli.settings.methods import METHODS
from drai_cli.training.augment import Changes, augment, change, orient
from drai_cli.training.draws import make_generator
from drai_cli.training.parallel import ALONE, Processes

# Rounding gives 1e-5 through two steps, 1e-3 at most where it moves a row over a kink (of |x - G|, an activation);
# a share that is weighed wrongly is off by 1e-2 and more.
TOLERANCE = 2e-3


def run_together(script: Path, size: int, folder: Path) -> list[dict]:
    """What each of some processes wrote."""
    started = [
        subprocess.Popen([sys.executable, script, folder / "meeting", folder, str(rank), str(size)])
        for rank in range(size)
    ]
    assert [process.wait() for process in started] == [0] * size
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


def test_two_processes_give_the_gradients_of_one_for_every_term(tmp_path: Path) -> None:
    first, second = run_together(Path(__file__).with_name("shared_step.py"), 2, tmp_path)
    weights = {f.name for f in fields(Objective) if f.name.endswith("_weight")}
    assert set(first) == set(METHODS) | weights - {"aggregate_weight"} | {"relativistic", "grain"}
    for name, quantities in first.items():
        assert any(key.startswith("gradient") for key in quantities)
        wrong = {key: value for key, value in quantities.items() if not value < TOLERANCE}
        assert not wrong, name
    # What both hold is equal to the bit: they never drift apart.
    assert first == second


@pytest.mark.parametrize(("n", "size"), [(12, 2), (13, 4), (5, 5)])
def test_shares_are_all_rows_once(n: int, size: int) -> None:
    whole = torch.arange(n)
    parts = [Processes(rank, size).share(whole) for rank in range(size)]
    assert torch.equal(torch.cat(parts), whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_share_is_changed_as_in_the_whole() -> None:
    images = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ways = (
        lambda x, share: orient(x, "dihedral", make_generator(1), share),
        lambda x, share: change(x, Changes("flip"), make_generator(2), 0.5, share),
        lambda x, share: augment(x, 0.5, make_generator(3), share),
    )
    for way in ways:
        whole = way(images, None)
        for rank in range(3):
            processes = Processes(rank, 3)
            assert torch.equal(way(processes.share(images), processes.share_of(7)), processes.share(whole))


def test_of_two_segments_a_share_has_rows_of_both() -> None:
    assert Processes(1, 2).share_of(4, segments=2).rows.tolist() == [2, 3, 6, 7]


def test_one_process_hands_through_what_it_is_given() -> None:
    tensor = torch.rand(3, 2)
    assert ALONE.share(tensor) is tensor
    assert ALONE.gather([tensor], 3)[0] is tensor
    mean = tensor.mean()
    assert ALONE.mean(mean, 3) is mean
    assert ALONE.share_of(3) is None
    assert ALONE.largest([1.5]) == [1.5]
