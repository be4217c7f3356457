"""How many threads are of use: what a process is bound to, what its container is given, what the user says."""

from __future__ import annotations

import os

import pytest

from drai_cli.machine.cores import prepare_threads, usable_cores, usable_threads


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8),
        ("", 8), ("1 0", 8),
    ],
)  # fmt: skip
def test_a_containers_share_is_kept_to(tmp_path, monkeypatch, quota, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "cpu.max").write_text(quota)
    assert usable_cores(tmp_path / "cpu.max") == cores
    environment: dict[str, str] = {}
    prepare_threads(environment, tmp_path / "cpu.max")
    assert environment.get("OMP_NUM_THREADS") == (str(cores) if cores < 8 else None)
    assert int(environment["GOMP_SPINCOUNT"]) < 100_000


def test_what_a_process_is_bound_to_counts_where_no_share_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5}, raising=False)
    assert usable_cores(tmp_path / "none") == 1


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("4,2", 4), ("", 2), ("0", 2), ("many", 2)])
def test_threads_are_those_asked_for_else_one_a_core(monkeypatch, said, threads):
    monkeypatch.setattr("drai_cli.machine.cores.usable_cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert usable_threads() == threads


def test_the_users_word_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "cpu.max").write_text("10000 100000")
    for spinning in ({"GOMP_SPINCOUNT": "5"}, {"OMP_WAIT_POLICY": "ACTIVE"}):
        said = {"OMP_NUM_THREADS": "7", **spinning}
        environment = dict(said)
        prepare_threads(environment, tmp_path / "cpu.max")
        assert environment == said
