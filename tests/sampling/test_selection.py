"""`sample --select`: wrong and trivial images are left out, counted by label and reason, the same in every layout."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drai_cli.errors import InputError, UsageError
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import JudgeConfig
from drai_cli.sampling import copy_filter, selection
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import preview_sample, sample
from drai_cli.workflows.verify import verify
from tests.workflows.sample_checks import Heard


@pytest.fixture(scope="module")
def plain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleOptions:
    """All samples, of both labels."""
    options = SampleOptions(
        tmp_path_factory.mktemp("plain") / "out", str(tiny_model), per_class=20, seed=5, device="cpu"
    )
    sample(options)
    return options


@pytest.fixture(scope="module")
def train_data(plain: SampleOptions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other samples, as real images of the two labels; a third label is none of the model's."""
    folder = tmp_path_factory.mktemp("train") / "set"
    sample(replace(plain, out=folder, per_class=120, seed=1))
    for table in ("metadata.csv", "manifest.json"):
        (folder / table).unlink()
    (folder / "other").mkdir()
    for image in sorted((folder / "nv").glob("*.png"))[:30]:
        image.rename(folder / "other" / image.name)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def options(
    plain: SampleOptions, train_data: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SampleOptions:
    """The same job with `--select`, by a judge that is trained briefly."""
    quick = FitConfig(images=1_280, batch_size=64, check_every=640)
    monkeypatch.setattr(
        "drai_cli.run.instruments.judge_config",
        lambda size, symmetry: JudgeConfig(widths=(8, 16), fit=quick, symmetry=symmetry),
    )
    monkeypatch.setenv("DRAI_CACHE", str(cache))
    return replace(plain, out=tmp_path / "out", select=True, train_data=train_data)


def listed(out: Path) -> dict[str, object]:
    return json.loads((out / "manifest.json").read_text())["files"]


def test_wrong_and_trivial_images_are_left_out_and_counted(
    plain: SampleOptions, options: SampleOptions
) -> None:
    heard = Heard()
    result = sample(options, heard)
    assert result.images == 40
    assert 0 < result.rejected < 40
    assert sum(reasons.total() for reasons in map(Counter, result.left_out.values())) == result.rejected
    # What stands in the manifest, is said, and is there agree.
    why = {name: entry[0] for name, entry in listed(options.out).items() if isinstance(entry, list)}
    assert set(why.values()) <= {"wrong", "trivial"}
    by_label: dict[str, Counter[str]] = {}
    for name, reason in why.items():
        by_label.setdefault(name.split("/")[0], Counter())[reason] += 1
    assert by_label == result.left_out
    assert len(list(options.out.rglob("*.png"))) == 40 - result.rejected
    (said,) = (line for line in heard.lines if "images drawn" in line)
    assert re.match(
        rf"40 images drawn, {40 - result.rejected} kept; left out: .*; for 40 kept, draw about \d+", said
    )
    for path in options.out.rglob("*.png"):
        assert path.read_bytes() == (plain.out / path.relative_to(options.out)).read_bytes()
    # The same command again: nothing is made, the same is said.
    again = sample(options)
    assert (again.made, again.left_out) == (0, result.left_out)
    assert (
        verify(VerifyOptions(options.out, regenerate=4, weights=options.weights, device="cpu")).findings == ()
    )


def test_the_judge_is_trained_once_and_seeds_change_nothing_of_it(
    options: SampleOptions, cache: Path
) -> None:
    heard = Heard()
    sample(replace(options, seed=6), heard)
    assert any("using the judge stored in" in line for line in heard.lines)
    assert len(list((cache / "instruments").glob("judge*.safetensors"))) == 1


class Chosen:
    """Stands for the selection: one image in three is wrong, one trivial."""

    key = "key"

    def reasons(self, images: np.ndarray, labels: Sequence[str]) -> list[str | None]:
        return [(None, "wrong", "trivial")[total % 3] for total in images.astype(np.int64).sum((1, 2, 3))]


@pytest.mark.parametrize("form", ["npz", "webdataset", "folders"])
def test_every_layout_and_its_shards_keep_the_reasons(
    form: str, options: SampleOptions, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(selection, "load_selection", lambda *_: Chosen())
    monkeypatch.setattr(copy_filter, "load_training_copies", lambda *_: Copies())
    options = replace(options, reject_copies=True, **FORMS[form])
    result = sample(options)
    reasons: Counter[str] = sum((Counter(each) for each in result.left_out.values()), Counter())
    assert set(reasons) == {"copy", "wrong", "trivial"}
    written = Counter(
        "copy" if entry is None else entry[0]
        for name, entry in listed(options.out).items()
        if not isinstance(entry, str) and "/" in name
    )
    assert written == reasons
    assert sample(options).left_out == result.left_out
    for shard in ("2/2", "1/2"):
        part = sample(replace(options, out=tmp_path / "parts", shard=shard))
    assert (tmp_path / "parts" / "manifest.json").read_bytes() == (options.out / "manifest.json").read_bytes()
    assert part.rejected < result.rejected


FORMS = {"npz": {"format": "npz"}, "webdataset": {"format": "webdataset", "shard_size": 8}, "folders": {}}


class Copies(Chosen):
    """One image in five is a copy; copies come first."""

    def reasons(self, images: np.ndarray, labels: Sequence[str]) -> list[str | None]:
        return ["copy" if total % 5 == 0 else None for total in images.astype(np.int64).sum((1, 2, 3))]


def test_it_needs_training_data_with_the_models_labels(
    plain: SampleOptions, options: SampleOptions, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--select: expected --train-data"):
        preview_sample(replace(plain, out=tmp_path / "a", select=True))
    preview_sample(options)
    names = options.train_data / "mel", options.train_data / "moles"
    names[0].rename(names[1])
    try:
        with pytest.raises(InputError, match="two of the model's labels"):
            sample(options)
    finally:
        names[1].rename(names[0])
