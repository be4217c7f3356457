"""A run on phantoms, and its whole report, made once for all tests of `evaluate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

from drai_cli.settings.config import TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions, TrainRun
from drai_cli.workflows.evaluate import evaluate
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import train
from tests.evaluation.shared import SMALL, TINY, Reported


@pytest.fixture(scope="package", autouse=True)
def cache(quick_judge: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAI_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="package")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "lesions"
    make_phantoms(PhantomOptions(out, count=420, size=16))
    return out


@pytest.fixture(scope="package")
def run(lesions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = TrainOptions(model=TINY, kimg=0.32, tick_kimg=1, batch_size=16, precision="fp32")
    out = tmp_path_factory.mktemp("runs") / "lesions"
    train(TrainRun(DataOptions(lesions, size=16), options, out, device="cpu"))
    return out


@pytest.fixture(scope="package")
def reported(lesions: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Reported:
    own = copytree(run, tmp_path_factory.mktemp("reported") / "lesions")
    out = tmp_path_factory.mktemp("out") / "report"
    return Reported(evaluate(EvaluateOptions(lesions, str(own), out=out, **SMALL)), out, own)
