"""A short run of `fuzz_readers.py`; a long one is done by hand."""

import runpy
from pathlib import Path

import pytest

FUZZER = Path(__file__).with_name("fuzz_readers.py")


@pytest.mark.filterwarnings("ignore")
def test_nothing_but_documented_errors_escapes(tmp_path):
    results, wrong = runpy.run_path(str(FUZZER))["fuzz"](300, 0, tmp_path)
    assert wrong == []
    assert results["refused"] > 50
    assert results["read"] > 50
