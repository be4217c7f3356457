"""What a model file says of its intensities."""

from __future__ import annotations

import numpy as np

from drai_cli.data.prepared import prepare
from drai_cli.run.model_header import make_header
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import TrainRun


def test_the_window_of_the_set_stands_in_the_header(tmp_path, make_dicom, monkeypatch):
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    for index in range(12):
        make_dicom(
            tmp_path / "ct" / f"{index}.dcm", random.integers(0, 2000, (16, 16), np.uint16),
            sop_class="1.2.840.10008.5.1.4.1.1.2", uid=f"1.{index}", RescaleSlope=1, RescaleIntercept=-1024,
            PatientID=f"p{index}", BodyPartExamined="AB"[index % 2],
        )  # fmt: skip
    options = DataOptions(tmp_path / "ct", label="BodyPartExamined", size=16)
    run = TrainRun(options, TrainOptions(model=ModelConfig(image_size=16)), tmp_path / "run")
    header = make_header(run, run.training, prepare(options, seed=0), None, 0)
    assert header.intensity == {"unit": "HU", "low": -1000.0, "high": 1000.0, "dtype": "uint16"}
    assert "p3" not in str(header.to_json())
