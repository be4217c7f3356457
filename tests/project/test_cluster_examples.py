"""The cluster scripts run valid drai commands, and their shards cover the whole job."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARDS = {f"{number}/8" for number in range(1, 9)}


@pytest.fixture
def said(tmp_path):
    """Runs a shell command with fake cluster programs, each of which prints its arguments, one per line."""
    for name in ("drai", "srun"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        program.chmod(0o755)
    names = tmp_path / "bin" / "scontrol"
    names.write_text("#!/bin/sh\nprintf 'n1\\nn2\\n'\n")
    names.chmod(0o755)

    def run(*command: object, **variables: str) -> list[str]:
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            list(map(str, command)),
            env={"PATH": path, **variables},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines()

    return run


def test_slurm_array_makes_all_shards(said, drai, tiny_model, tmp_path):
    script = EXAMPLES / "slurm_sample.sh"
    shards = set()
    for task in range(1, 9):
        words = said(
            "bash", script, tiny_model, tmp_path / "out", "--per-class", 2, SLURM_ARRAY_TASK_ID=str(task)
        )
        shards.add(words[words.index("--shard") + 1])
        result = drai(*words, "--dry-run")
        assert result.exit_code == 0, result.stderr
    assert shards == SHARDS
    assert "#SBATCH --array=1-8\n" in script.read_text()


def test_slurm_trains_on_all_nodes(said, drai, tmp_path):
    data = tmp_path / "lesions"
    assert drai("phantom", "--out", data, "-n", 350, "--size", 16).exit_code == 0
    variables = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7"}
    words = said("bash", EXAMPLES / "slurm_train.sh", data, tmp_path / "run", "--size", 16, **variables)
    assert words[words.index("--rdzv-endpoint") + 1] == "n1:29500"
    assert words[words.index("--nnodes") + 1] == "2"
    module = words.index("-m")
    assert words[module + 1] == "drai_cli"
    result = drai(*words[module + 2 :], "--dry-run")
    assert result.exit_code == 0, result.stderr


def test_kubernetes_job_makes_all_shards(said, drai, tiny_model):
    text = (EXAMPLES / "kubernetes_sample.yaml").read_text()
    folded = re.search(r">-\n(.*?)\n +resources:", text, re.DOTALL)
    assert folded is not None
    line = " ".join(folded[1].split()).replace("/data/lesions/model.safetensors", str(tiny_model))
    shards = set()
    for index in range(8):
        words = said("sh", "-c", line, JOB_COMPLETION_INDEX=str(index))
        shards.add(words[words.index("--shard") + 1])
        result = drai(*words, "--dry-run")
        assert result.exit_code == 0, result.stderr
    assert shards == SHARDS
    assert "completions: 8\n" in text
