"""`sample --reject-copies`: planted copies are left out, everything else stays as it would be without."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from drai_cli.errors import OverwriteError, UsageError
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify

COPIED = (3, 7)


@pytest.fixture(scope="module")
def plain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> SampleOptions:
    options = SampleOptions(
        tmp_path_factory.mktemp("plain") / "out", str(tiny_model), label="mel", count=24, device="cpu"
    )
    sample(options)
    return options


@pytest.fixture
def options(plain: SampleOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleOptions:
    """The same job, held against training images of which two are samples of it, one of them turned."""
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))
    train = tmp_path / "train"
    sample(replace(plain, out=train, label=None, count=None, per_class=80, seed=1))
    for number in COPIED:
        with PillowImage.open(plain.out / "mel" / f"mel_{number:06d}.png") as image:
            turned = image.rotate(90) if number == COPIED[0] else ImageOps.mirror(image)
        turned.save(train / "mel" / f"planted_{number}.png")
    for table in ("metadata.csv", "manifest.json"):
        (train / table).unlink()
    return replace(plain, out=tmp_path / "out", reject_copies=True, train_data=train)


def names(out: Path) -> set[str]:
    return {path.name for path in out.rglob("*.png")}


def test_planted_copies_are_left_out_and_the_rest_is_unchanged(
    plain: SampleOptions, options: SampleOptions
) -> None:
    result = sample(options)
    left_out = names(plain.out) - names(options.out)
    assert {f"mel_{number:06d}.png" for number in COPIED} <= left_out
    assert len(left_out) == result.rejected < 6  # one in a hundred of the others lies as near by chance
    for name in names(options.out):
        assert (options.out / "mel" / name).read_bytes() == (plain.out / "mel" / name).read_bytes()
    with open(options.out / "metadata.csv", newline="") as file:
        listed = {Path(row["file_name"]).name for row in csv.DictReader(file)}
    assert listed == names(options.out)
    files = json.loads((options.out / "manifest.json").read_text())["files"]
    assert {Path(name).name for name, digest in files.items() if digest is None} == left_out


def test_the_output_is_recognised_and_verified(options: SampleOptions) -> None:
    rejected = sample(options).rejected
    again = sample(options)
    assert (again.made, again.rejected) == (0, rejected)
    found = verify(VerifyOptions(options.out, regenerate=4, weights=options.weights, device="cpu"))
    assert found.findings == ()
    (options.out / "mel" / f"mel_{COPIED[0]:06d}.png").write_bytes(b"back")
    assert [name for name, _ in verify(VerifyOptions(options.out)).findings] == [
        f"mel/mel_{COPIED[0]:06d}.png"
    ]
    with pytest.raises(OverwriteError, match="was changed"):
        sample(options)


def test_shards_leave_out_the_same(options: SampleOptions, tmp_path: Path) -> None:
    sample(options)
    for shard in ("2/2", "1/2"):
        sample(replace(options, out=tmp_path / "shards", shard=shard))
    assert names(tmp_path / "shards") == names(options.out)
    for table in ("metadata.csv", "manifest.json"):
        assert (tmp_path / "shards" / table).read_bytes() == (options.out / table).read_bytes()


def test_copies_and_training_images_go_together(plain: SampleOptions, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="training images"):
        sample(replace(plain, out=tmp_path / "a", reject_copies=True))
    with pytest.raises(UsageError, match="--reject-copies or --select"):
        sample(replace(plain, out=tmp_path / "b", train_data=tmp_path))
