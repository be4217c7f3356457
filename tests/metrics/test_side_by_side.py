"""Trainings side by side: results in order, the same on one core; one that fails stops the others."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from drai_cli.metrics import side_by_side as module
from drai_cli.metrics.side_by_side import side_by_side
from drai_cli.metrics.usefulness import measure_usefulness
from tests.metrics.test_usefulness import QUICK, pool, problem


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(module, "usable_threads", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_results_come_in_order_and_threads_are_given_back(two_threads) -> None:
    counted: list[int] = []

    def work(job: int, step) -> int:
        assert torch.get_num_threads() == 1
        time.sleep(0.02 * (3 - job))
        step(job)
        return job * job

    assert side_by_side(work, [0, 1, 2], counted.append, "cpu") == [0, 1, 4]
    assert sorted(counted) == [0, 1, 2]
    assert torch.get_num_threads() == 2


def test_a_failure_stops_the_others_at_their_next_step(two_threads) -> None:
    steps: list[int] = []

    def work(job: int, step) -> None:
        if job == 0:
            raise ValueError("damaged")
        for _ in range(200):
            time.sleep(0.01)
            step(1)

    start = time.monotonic()
    with pytest.raises(ValueError, match="damaged"):
        side_by_side(work, [0, 1, 2, 3], steps.append, "cpu")
    assert time.monotonic() - start < 1.5
    assert len(steps) < 150


def test_classifiers_are_the_same_on_one_core_and_on_two(two_threads, monkeypatch) -> None:
    data, made = problem((20, 20, 5), 5, 12), pool(60)
    config = replace(QUICK, ratios=(1.0,), seeds=1)
    together = measure_usefulness(**data, **made, config=config, seed=0)
    monkeypatch.setattr(module, "usable_threads", lambda: 1)
    torch.set_num_threads(1)
    assert measure_usefulness(**data, **made, config=config, seed=0) == together
