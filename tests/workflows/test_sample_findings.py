"""`drai sample` with a model whose label is a set of findings: asked for, written, read again."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from drai_cli.data.sources import find_image_set
from drai_cli.errors import UsageError
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify
from tests.support.chest import CHEST
from tests.workflows.sample_checks import rows


@pytest.fixture
def options(tmp_path: Path, chest_model: Path) -> SampleOptions:
    return SampleOptions(
        tmp_path / "out", str(chest_model), count=30, attributes=("age=60",), seed=3, device="cpu"
    )


def changed(options: SampleOptions, **changes: object) -> SampleOptions:
    from dataclasses import replace

    return replace(options, **changes)  # type: ignore[arg-type]


def test_sets_are_drawn_in_the_training_proportions_and_listed(options: SampleOptions) -> None:
    result = sample(options)
    assert result.labels == {"Edema": 6, "Edema|Effusion": 8, "Mass": 4, "No Finding": 12}
    table = rows(options.out)
    assert list(table[0]) == ["file_name", "label", "Edema", "Effusion", "Mass", "age", "seed", "index"]
    for row in table:
        shown = [name for name in CHEST.names if row[name] == "1"]
        assert row["label"] == ("|".join(shown) or "No Finding")
        assert (options.out / row["file_name"]).is_file()
    assert sorted(path.name for path in options.out.iterdir() if not path.name.startswith(".")) == [
        "images", "manifest.json", "metadata.csv",
    ]  # fmt: skip


def test_what_is_written_is_read_as_the_same_set(options: SampleOptions) -> None:
    sample(options)
    found = find_image_set(options.out)
    assert found.findings is not None
    assert found.findings.names == CHEST.names
    assert [entry.values["label"] for entry in found.entries] == [row["label"] for row in rows(options.out)]


@pytest.mark.parametrize("format", ["png", "npz", "webdataset", "dicom"])
def test_a_job_is_recognised_and_verified(options: SampleOptions, format: str) -> None:
    options = changed(options, format=format)
    assert sample(options).made == 30
    assert sample(options).made == 0
    report = verify(VerifyOptions(options.out, regenerate=8, weights=options.weights))
    assert report.findings == ()


def test_an_image_is_the_same_whatever_else_the_job_makes(options: SampleOptions) -> None:
    sample(options)
    alone = changed(options, out=options.out.with_name("alone"), label="Effusion|edema", count=3)
    sample(alone)
    of_all = [row for row in rows(options.out) if row["label"] == "Edema|Effusion"][:3]
    for one, other in zip(rows(alone.out), of_all, strict=True):
        assert (alone.out / one["file_name"]).read_bytes() == (options.out / other["file_name"]).read_bytes()


def test_an_npz_holds_a_row_of_0_and_1_for_each_image(options: SampleOptions) -> None:
    sample(changed(options, format="npz"))
    with np.load(options.out / "images.npz") as arrays:
        assert arrays["train_labels"].shape == (30, 3)
        assert arrays["label_names"].tolist() == list(CHEST.names)
        listed = [row["label"] for row in rows(options.out)]
        assert [CHEST.text(row.astype(np.int8)) for row in arrays["train_labels"]] == listed


def test_a_webdataset_has_the_states_of_each_image(options: SampleOptions) -> None:
    sample(changed(options, format="webdataset", label="Mass|Edema", count=2))
    with tarfile.open(options.out / "images-000000.tar") as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
    assert members["0000000.cls"] == b"1 0 1"
    assert json.loads(members["0000000.json"])["label"] == "Edema|Mass"


def test_each_finding_a_number_of_times(options: SampleOptions) -> None:
    sample(changed(options, count=None, per_finding=5))
    table = rows(options.out)
    for name in CHEST.names:
        assert sum(row[name] == "1" for row in table) >= 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"per_class": 3, "count": None}, "--per-finding"),
        ({"label": "Nodule"}, "no finding of this model is called 'Nodule'"),
        ({"layout": "isic"}, "one label per image"),
        ({"per_finding": 3}, "contradicts -n"),
    ],
)
def test_options_that_do_not_go_with_findings_are_refused(
    options: SampleOptions, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        sample(changed(options, **changes))
    assert words in f"{caught.value.subject} {caught.value.message} {caught.value.hint}"


def test_options_of_findings_are_refused_for_a_model_of_single_labels(
    tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="set of findings"):
        sample(SampleOptions(tmp_path / "out", str(tiny_model), per_finding=3, device="cpu"))


def test_like_follows_the_sets_of_a_table(options: SampleOptions, tmp_path: Path) -> None:
    like = tmp_path / "real.csv"
    like.write_text("file,findings,age\na,Mass|Effusion,40\nb,No Finding,\nc,effusion,70\n")
    sample(changed(options, count=None, like=like, attributes=()))
    assert [row["label"] for row in rows(options.out)] == ["Effusion|Mass", "No Finding", "Effusion"]
