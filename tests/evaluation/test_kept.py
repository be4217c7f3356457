"""What is kept beside the data: features of real images, the judge, an interrupted judge; subgroups of a column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from drai_cli.evaluation.remembered import Remembered
from drai_cli.evaluation.subgroups import subgroups_of
from drai_cli.metrics.source import RememberedSource
from drai_cli.progress import Reporter
from drai_cli.run.instruments import Instruments
from tests.evaluation.planted import Filters, real_set


class Counted(Filters):
    def __init__(self) -> None:
        self.seen = 0

    def features(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        return super().features(images)


def test_features_of_the_set_are_computed_once_and_found_again(tmp_path: Path) -> None:
    real = real_set(30, 6, 12)
    counted, plain = Counted(), Filters().features
    kept = Remembered(counted, real.images, tmp_path / "f.safetensors")
    assert np.array_equal(kept.features(real.images[:20]), plain(real.images[:20]))
    assert np.allclose(kept.features(real.images[10:30]), plain(real.images[10:30]), atol=1e-6)
    assert counted.seen == 30
    turned = np.ascontiguousarray(real.images[:5, ::-1])
    assert np.allclose(kept.features(turned), plain(turned), atol=1e-6)
    kept.features(turned)
    assert counted.seen == 40  # unknown images are not kept
    kept.save()
    other = Counted()
    again = Remembered(other, real.images, tmp_path / "f.safetensors")
    mixed = np.concatenate([real.images[25:35], turned[:1]])
    assert np.allclose(again.features(mixed), plain(mixed), atol=1e-6)
    assert other.seen == 6
    (tmp_path / "f.safetensors").write_bytes(b"damaged")
    assert Remembered(other, real.images, tmp_path / "f.safetensors").rows is None


def test_an_interrupted_judge_goes_on_and_a_stored_one_is_used(tmp_path: Path, monkeypatch) -> None:
    real = real_set(60, 30, 30)
    said: list[str] = []

    class Interrupting(Reporter):
        def info(self, message: str) -> None:
            said.append(message)

    def instruments() -> Instruments:
        return Instruments(real, tmp_path, 12_800, 0, torch.device("cpu"), Interrupting())

    from drai_cli.run import instruments as module

    looks = 0
    save_state = module.save_state

    def interrupt(path: Path, *rest: object) -> None:
        nonlocal looks
        save_state(path, *rest)
        looks += 1
        if looks == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_state", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _ = instruments().judge
    assert [file.suffix for file in tmp_path.iterdir() if not file.name.startswith(".")] == [".part"]
    first = instruments()
    judge = first.judge
    assert any("continued from step 31" in text for text in said)
    assert not list(tmp_path.glob("*.part"))
    assert 0 < first.facts["judge_balanced_accuracy_on_validation"] <= 1
    assert first.facts["judge_images_seen"] <= 12_800
    second = instruments()
    assert second.has_judge
    assert (second.judge.labels(real.images) == judge.labels(real.images)).all()
    assert second.facts == first.facts
    assert any(text.startswith("using the judge stored in") for text in said)
    of_run = tmp_path / "judge.safetensors"
    save_state(of_run, judge.state(), judge.config_json())
    third = Instruments(real, tmp_path / "new", 256, 0, torch.device("cpu"), Interrupting(), of_run)
    assert (third.judge.labels(real.images) == judge.labels(real.images)).all()
    assert third.is_borrowed
    assert list(third.facts) == ["judge"]  # not the 256 images that were asked for
    assert not second.is_borrowed


def test_a_column_is_split_into_names_or_thirds() -> None:
    assert subgroups_of(np.array(["f", "m", "", "unknown", "f"])).tolist() == ["f", "m", "", "", "f"]
    ages = np.array([str(age) for age in range(20, 80)] + [""])
    groups = subgroups_of(ages)
    assert len(np.unique(groups[:-1])) == 3
    assert groups[0].startswith("up to ")
    assert groups[59].startswith("over ")
    assert groups[60] == ""
    names = np.array([f"site {index}" for index in range(30)])
    assert (subgroups_of(names) == names).all()


def test_the_same_samples_are_drawn_once() -> None:
    drawn: list[int] = []

    class Source:
        def draw(self, rows: np.ndarray, seed: int) -> np.ndarray:
            drawn.append(seed)
            return rows + seed

        def most(self, label: int) -> int | None:
            return label

    source = RememberedSource(Source(), 2)
    rows = np.arange(3)
    for seed in (0, 1, 0, 2, 0):
        assert (source.draw(rows, seed) == rows + seed).all()
    assert drawn == [0, 1, 2, 0]
    assert source.most(4) == 4
