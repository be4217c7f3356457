"""The real sets that lie beside the project, where they do."""

from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.prepared import prepare
from drai_cli.settings.data_options import DataOptions

REAL = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real data at {REAL}")


def test_pneumoniamnist():
    prepared = prepare(DataOptions(REAL / "pneumoniamnist", size=28), seed=0)
    assert prepared.images.shape == (5030, 28, 28, 1)
    assert prepared.summary["parts"]["train"]["classes"] == {"0": 388, "1": 3494}
    assert len(prepared.summary["duplicates"]["across_split"]) == 8


def test_lidc():
    options = DataOptions(
        REAL / "lidc",
        metadata=REAL / "lidc" / "nodules.csv",
        image_column="filename",
        label="malignancy_class",
        conditions=("diameter_mm",),
        size=32,
    )
    prepared = prepare(options, seed=0)
    assert prepared.images.shape == (1942, 32, 32, 1)
    assert prepared.summary["group"] == "patient_id"
    assert prepared.schema.labels == ("ambiguous", "benign", "malignant")


@pytest.mark.slow
def test_ham10000(reporter):
    prepared = prepare(
        DataOptions(REAL / "ham10000", conditions=("age", "sex"), size=64), seed=0, reporter=reporter
    )
    assert prepared.images.shape == (8520, 64, 64, 3)
    assert prepared.images.dtype == np.uint8
    assert prepared.summary["kind"] == "ham10000"
    assert prepared.summary["parts"]["test"]["classes"].keys() == set(prepared.schema.labels)
    assert prepared.summary["groups"] == 6339
    assert reporter.warnings == []
