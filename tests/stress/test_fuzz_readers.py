"""A short run of `fuzz_readers.py`, in a process of its own, whose memory is bounded; a long one is done by hand."""

import ast
import os
import subprocess
import sys
from pathlib import Path


def test_nothing_but_documented_errors_escapes(tmp_path):
    script = Path(__file__).with_name("fuzz_readers.py")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, script, "600"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = ast.literal_eval(ended.stdout.splitlines()[-1].partition("}")[0] + "}")
    assert results["refused"] > 50
    assert results["read"] > 50
