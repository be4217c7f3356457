"""Short runs of `fuzz_readers.py` and `fuzz_uploads.py`, in processes of their own, whose memory is bounded."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("name", "count"), [("fuzz_readers.py", "600"), ("fuzz_uploads.py", "200")])
def test_nothing_but_documented_errors_escapes(tmp_path, name, count):
    script = Path(__file__).with_name(name)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, script, count]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = ast.literal_eval(ended.stdout.splitlines()[-1].partition("}")[0] + "}")
    assert min(results["refused"], results["read"]) > 20
