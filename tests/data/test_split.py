"""Train, validation and test."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from drai_cli.data.image_set import PARTS, Entry
from drai_cli.data.split import read_split, split_by_group, write_split
from drai_cli.errors import InputError


def make(counts: dict[str, int], images_a_group=lambda index: 1) -> tuple[list[str], list[str]]:
    labels, groups = [], []
    for label, count in counts.items():
        for index in range(count):
            for _ in range(images_a_group(index)):
                labels.append(label)
                groups.append(f"{label}-{index}")
    return labels, groups


def held(labels, groups, parts) -> dict[str, Counter[str]]:
    out: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for label, part in zip(labels, parts, strict=True):
        out[label][part] += 1
    of_group = defaultdict(set)
    for group, part in zip(groups, parts, strict=True):
        of_group[group].add(part)
    assert all(len(parts) == 1 for parts in of_group.values()), "a group is divided"
    return out


@pytest.mark.parametrize("seed", range(3))
def test_shares_hold_for_each_class(seed):
    labels, groups = make({"nv": 3000, "mel": 400, "df": 50}, lambda index: 1 + index % 4)
    out = held(labels, groups, split_by_group(labels, groups, seed=seed))
    for label, parts in out.items():
        total = parts.total()
        for part, share in zip(PARTS, (0.8, 0.1, 0.1), strict=True):
            assert parts[part] == pytest.approx(share * total, abs=4), (label, part)


@pytest.mark.parametrize("count", range(1, 12))
def test_tiny_classes(count):
    labels, groups = make({"rare": count, "common": 500})
    rare = held(labels, groups, split_by_group(labels, groups, seed=0))["rare"]
    expected = {1: (1, 0, 0), 2: (1, 0, 1)}.get(count, (count - 2, 1, 1))
    assert tuple(rare[part] for part in PARTS) == expected


def test_one_large_group_goes_to_train():
    labels, groups = make({"a": 3, "b": 30}, lambda index: 60 if index == 0 else 1)
    out = held(labels, groups, split_by_group(labels, groups, seed=0))
    assert out["a"] == {"train": 60, "validation": 1, "test": 1}


@pytest.mark.parametrize("seed", range(20))
def test_groups_with_several_labels(seed):
    random = np.random.default_rng(seed)
    labels, groups = [], []
    for patient in range(60):
        for _ in range(random.integers(1, 6)):
            labels.append(str(random.choice(["a", "b", "c", "d"], p=[0.7, 0.2, 0.07, 0.03])))
            groups.append(f"p{patient}")
    out = held(labels, groups, split_by_group(labels, groups, seed=seed))
    for label in set(labels):
        if len({group for group, its in zip(groups, labels, strict=True) if its == label}) >= 3:
            assert set(out[label]) == set(PARTS), label


def test_a_class_left_out_by_others_is_mended():
    # Each group of "common" holds a rarer label, which alone would place them all in train.
    labels, groups = [], []
    for rare in ("r", "s"):
        for index, size in enumerate((30, 29, 28)):
            labels += [rare] * size
            groups += [f"{rare}{index}"] * size
        for index in range(3):
            labels += [rare] + ["common"] * 16
            groups += [f"{rare}-common{index}"] * 17
    out = held(labels, groups, split_by_group(labels, groups, seed=0))
    for label in ("common", "r", "s"):
        assert set(out[label]) == set(PARTS), label


def test_the_seed_decides_and_the_order_of_rows_does_not():
    labels, groups = make({"a": 200, "b": 50}, lambda index: 1 + index % 2)
    first = split_by_group(labels, groups, seed=1)
    assert first == split_by_group(labels, groups, seed=1)
    assert first != split_by_group(labels, groups, seed=2)
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = split_by_group([labels[i] for i in order], [groups[i] for i in order], seed=1)
    assert shuffled == [first[i] for i in order]


def test_fractions():
    labels, groups = make({"a": 100})
    out = held(labels, groups, split_by_group(labels, groups, seed=0, fractions=(5, 0, 5)))["a"]
    assert out == {"train": 50, "test": 50}
    for wrong in ((0, 0, 0), (1, -1, 1)):
        with pytest.raises(ValueError):
            split_by_group(labels, groups, seed=0, fractions=wrong)
    with pytest.raises(ValueError):
        split_by_group(labels, groups[1:], seed=0)
    assert split_by_group([], [], seed=0) == []


def test_saved_and_read(tmp_path):
    entries = [Entry(name, {}, name) for name in ("a/b.png", 'odd, "name".png', "zeile\nzwei.png")]
    write_split(tmp_path / "split.csv", entries, ["train", "validation", "test"])
    assert read_split(tmp_path / "split.csv") == {
        "a/b.png": "train",
        'odd, "name".png': "validation",
        "zeile\nzwei.png": "test",
    }
    for text, message in {
        "name,part\na,train\na,test\n": "a is listed twice",
        "name,part\na,exam\n": "expected train, validation or test, got 'exam'",
        "file,part\na,train\n": "expected the columns name and part",
    }.items():
        (tmp_path / "split.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            read_split(tmp_path / "split.csv")
