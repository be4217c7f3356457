"""`drai train` as several processes, as torchrun starts them: one run directory, one voice, one end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from torch.distributed import TCPStore

from drai_cli.errors import ExitCode
from drai_cli.model_file.checkpoint import load_model, load_state
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from tests.support.patience import PATIENCE_S

SCRIPT = Path(__file__).with_name("one_of_several.py")
OPTIONS = (
    "--size 16 --base-channels 8 --max-channels 8 --content-dim 4 --style-dim 4 --batch-size 16 --tick-kimg 0.048 "
    "--device cpu"
)
STATE = "checkpoint/state.safetensors"


class Ended:
    """How some processes ended: exit codes and what each said, by rank."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        said = [process.communicate(timeout=PATIENCE_S) for process in processes]
        self.codes = [process.returncode for process in processes]
        self.out, self.err = zip(*said, strict=True)

    @property
    def errors(self) -> list[str]:
        return [line for text in self.err for line in text.splitlines() if line.startswith("drai: error:")]


def train(
    lesions: Path, out: Path, size: int, kimg: float, *options: str, at: tuple[int, int, int] = (0, 0, 0)
) -> Ended:
    """Runs `size` processes to the end; `at` is (rank, images seen, signal) of one that sends itself a signal."""
    arguments = [
        "train", "--data", str(lesions), "--out", str(out), "--cache-dir", str(out.parent / "cache"),
        *OPTIONS.split(), "--kimg", str(kimg), *options,
    ]  # fmt: skip
    # Where they meet outlives them all, as with torchrun, whose agent holds it.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def start(rank: int) -> subprocess.Popen[str]:
        place: Mapping[str, str] = {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, SCRIPT, *map(str, at), *arguments], env={**os.environ, **place},
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return Ended([start(rank) for rank in range(size)])


def images_seen(out: Path) -> int:
    return int(load_state(out / STATE)[1]["images_seen"])


def test_two_processes_make_one_run_and_one_speaks(tmp_path: Path) -> None:
    out, few = tmp_path / "run", tmp_path / "few"
    # Too few for a validation part, since a judge takes its time.
    make_phantoms(PhantomOptions(few, count=42, size=16))
    once = "--tick-kimg", "20", "--json"
    ended = train(few, out, 2, 0.064, *once, at=(1, 32, signal.SIGTERM))
    assert ended.codes == [ExitCode.TERMINATED] * 2, ended.err
    assert json.loads(ended.out[0])["images_seen"] == images_seen(out) == 32
    assert ended.out[1] == ended.err[1] == ""
    assert "2 processes" in ended.err[0]
    # One process goes on with what two have begun.
    ended = train(few, out, 1, 0.064, *once)
    assert ended.codes == [ExitCode.DONE], ended.err
    assert json.loads(ended.out[0])["resumed_from"] == 32
    ticks = [json.loads(line)["images_seen"] for line in (out / "stats.jsonl").read_text().splitlines()]
    assert ticks == [64]
    load_model(out / "model.safetensors")


@pytest.mark.slow
def test_stopped_and_resumed_is_bit_for_bit_and_other_numbers_go_on(lesions: Path, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    assert train(lesions, whole, 2, 0.16).codes == [0, 0]
    assert train(lesions, parted, 2, 0.16, at=(1, 80, signal.SIGINT)).codes == [ExitCode.INTERRUPTED] * 2
    assert images_seen(parted) == 80
    assert train(lesions, parted, 2, 0.16).codes == [0, 0]
    for name in ("model.safetensors", STATE, "grids/000000160.png"):
        assert (whole / name).read_bytes() == (parted / name).read_bytes(), name
    ended = train(lesions, whole, 4, 0.24)
    assert ended.codes == [0] * 4, ended.err
    assert images_seen(whole) == 240


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_that_is_killed_ends_all_with_one_error_and_a_whole_checkpoint(
    rank: int, lesions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    ended = train(lesions, out, 3, 1.0, at=(rank, 112, signal.SIGKILL))
    assert [ended.codes[rank], *ended.codes[:rank], *ended.codes[rank + 1 :]] == [
        -signal.SIGKILL,
        ExitCode.NETWORK,
        ExitCode.NETWORK,
    ], ended.err
    assert len(ended.errors) == 1
    assert rank == 0 or "process 1 of 3" in ended.errors[0]
    assert "Traceback" not in "".join(ended.err)
    assert images_seen(out) == 96
    load_model(out / "model.safetensors")
    assert train(lesions, out, 1, 0.128).codes == [0]


@pytest.mark.slow
def test_an_error_that_all_find_is_said_once(lesions: Path, tmp_path: Path) -> None:
    for options, code in (
        (("--learning-rate", "5"), 2),
        (("--init", "nowhere.safetensors"), 4),
        (("--batch-size", "2"), 2),
    ):
        ended = train(lesions, tmp_path / "run", 3, 0.064, *options)
        assert code in ended.codes
        assert len(ended.errors) == 1, ended.err
        assert not (tmp_path / "run").exists()
