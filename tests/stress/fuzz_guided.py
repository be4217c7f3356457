"""Coverage-guided fuzzing of what reads model files' heads and tables: inputs that reach new code are built on.

    pip install atheris        # not a dependency of drai
    python tests/stress/fuzz_guided.py model_header 180

Begins with `tests/corpus/TARGET` (`fuzz_targets.TARGETS`) and runs for as many seconds. A find stops it, with its
traceback and a file `crash-...` here. With `--keep`, the inputs that reached new code join the corpus, which
`test_corpus.py` replays without atheris.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `tests` beside it

import atheris

with atheris.instrument_imports(include=["drai_cli", "csv", "json"]):
    from tests.stress.fuzz_targets import CORPUS, TARGETS
from tests.stress.fuzz_mutations import BY_SUFFIX

MAX_BYTES = 2048
SUFFIXES = {
    "model_file": ".safetensors", "model_header": ".json", "metadata_table": ".csv", "split_table": ".csv",
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("seconds", type=int)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--as-child", help="settings of one libFuzzer run, which ends its process")
    asked = parser.parse_args()
    if asked.as_child:
        return _run(asked.target, asked.as_child.split())
    found, own = Path(tempfile.mkdtemp(prefix="drai-fuzz-")), CORPUS / asked.target
    limits = f"-max_total_time={asked.seconds} -max_len={MAX_BYTES} -timeout=20 -rss_limit_mb=3000"
    command = [sys.executable, __file__, asked.target, "0", f"--as-child={limits} {found} {own}"]
    code = subprocess.run(command, check=False).returncode
    if code == 0 and asked.keep:
        shutil.copytree(found, own, dirs_exist_ok=True)
    print(f"{len(list(found.iterdir()))} inputs reached new code")
    shutil.rmtree(found)
    return code


def _run(target: str, settings: list[str]) -> int:
    place = Path(tempfile.mkdtemp(prefix="drai-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    suited = BY_SUFFIX[SUFFIXES[target]]

    def mutate(raw: bytes, max_bytes: int, seed: int) -> bytes:
        """Half of the time in a way that suits the kind of file, where what there is can still be read as such."""
        chance = random.Random(seed)
        if chance.random() < 0.5:
            with contextlib.suppress(Exception):
                return suited(raw, chance)[:max_bytes]
        return bytes(atheris.Mutate(raw, max_bytes))

    atheris.Setup([__file__, *settings], lambda raw: TARGETS[target](raw, place), custom_mutator=mutate)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
