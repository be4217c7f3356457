"""The number of threads of a run: from a trial, from its checkpoint, and again when it slows down."""

from __future__ import annotations

import pytest
import torch

from drai_cli.machine import cores
from drai_cli.metrics import threads as trial
from drai_cli.metrics.threads import faster_threads
from drai_cli.progress import Reporter
from drai_cli.run import thread_count
from drai_cli.run.thread_count import ThreadCount


class Told(Reporter):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, message: str) -> None:
        self.texts.append(message)

    info = warn


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    """A machine of four cores, whatever this one is; torch's own number is put back."""
    before = torch.get_num_threads()
    for module in (trial, thread_count):
        monkeypatch.setattr(module, "usable_threads", lambda: 4)
        monkeypatch.setattr(module, "are_threads_given", lambda: False)
    yield
    torch.set_num_threads(before)


def test_the_faster_number_wins(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(trial.time, "perf_counter", lambda: clock[0])

    def work(factor):
        def run():
            clock[0] += factor if torch.get_num_threads() == 4 else 1.0

        return run

    before = torch.get_num_threads()
    assert faster_threads(work(0.5)) == 4
    assert faster_threads(work(0.95)) == 1  # too little to be worth it
    assert faster_threads(work(8.0)) == 1
    assert torch.get_num_threads() == before


def test_the_trial_draws_nothing():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    faster_threads()
    assert torch.rand(1) == expected


def test_a_new_run_makes_the_trial_and_a_resumed_one_does_not():
    told = Told()
    ThreadCount(True, told, lambda: 4).begin(0)
    assert torch.get_num_threads() == 4
    ThreadCount(True, told, lambda: 1).begin(4)
    assert torch.get_num_threads() == 4
    assert told.texts == []


def test_what_cannot_be_taken_again_is_said(monkeypatch):
    told = Told()
    ThreadCount(True, told, lambda: 4).begin(16)
    assert told.texts == ["trained with 16 threads, here 4: the result will differ in its last digits"]
    monkeypatch.setattr(thread_count, "are_threads_given", lambda: True)
    ThreadCount(True, told, lambda: 4).begin(1)  # OMP_NUM_THREADS=4
    assert told.texts[1:] == ["trained with 1 threads, here 4: the result will differ in its last digits"]


def test_a_run_that_slows_down_makes_the_trial_again():
    told, trials = Told(), iter((4, 1))
    threads = ThreadCount(True, told, lambda: next(trials))
    threads.begin(0)
    for rate in (100.0, 90.0, 110.0):
        threads.look(rate)
    assert threads.now == 4
    threads.look(20.0)
    assert (threads.now, torch.get_num_threads()) == (1, 1)
    assert told.texts == ["threads: 1 from here (before: 4), faster while the machine is busy"]
    threads.look(60.0)  # with one thread: compared with the rate since then
    assert threads.now == 1


def test_a_resumed_run_that_is_slow_beside_its_earlier_ticks_makes_the_trial():
    told = Told()
    threads = ThreadCount(True, told, lambda: 1)
    threads.begin(4)
    threads.look(20.0, [None, "x", float("nan"), 100.0, 90])
    assert (threads.now, len(told.texts)) == (1, 1)
    threads = ThreadCount(True, told, lambda: pytest.fail("a trial"))
    threads.begin(4)
    threads.look(80.0, [100.0])
    assert threads.now == 4


def test_on_a_gpu_and_among_several_processes_nothing_is_chosen():
    before = torch.get_num_threads()
    threads = ThreadCount(False, Told(), lambda: pytest.fail("a trial"))
    threads.begin(0)
    threads.look(1.0)
    assert torch.get_num_threads() == before


def test_a_number_by_quota_is_not_the_users(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert cores.are_threads_given()
    monkeypatch.setenv("DRAI_THREADS_BY_QUOTA", "4")
    assert not cores.are_threads_given()
