"""Inputs that coverage-guided fuzzing found worth keeping (`fuzz_guided.py`), given to their readers again."""

import pytest

from tests.stress.fuzz_targets import CORPUS, TARGETS

KEPT = sorted(path for name in TARGETS for path in (CORPUS / name).iterdir())


def test_there_are_some_of_each():
    assert {path.parent.name for path in KEPT} == set(TARGETS)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name[:8]}")
def test_a_kept_input_keeps_the_promises(path, tmp_path):
    TARGETS[path.parent.name](path.read_bytes(), tmp_path)
