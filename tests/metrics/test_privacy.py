"""Planted copies are found, fresh images are not; members are told from others only where samples betray them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from drai_cli.metrics.copies import CopyFilter, is_copy
from drai_cli.metrics.nearest import views
from drai_cli.metrics.privacy import Labels, _by_label, measure_privacy

SIZE = 16
TRAIN, TEST, MADE = 400, 300, 400


def fields(count, seed):
    """Smooth random colour fields, each its own."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn((count, 3, 5, 5), generator=generator)
    fine = F.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic")
    levels = (128 + 45 * fine).round().clamp(0, 255)
    return levels.permute(0, 2, 3, 1).numpy().astype(np.uint8)


def shaken(images, deviation, seed):
    """The images with noise."""
    noise = np.random.default_rng(seed).normal(0, deviation, images.shape)
    return (images + noise).round().clip(0, 255).astype(np.uint8)


class Filters:
    """A fixed random convolution, its responses averaged in quarters."""

    def features(self, images):
        kernels = torch.randn((8, 3, 3, 3), generator=torch.Generator().manual_seed(5))
        batch = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255 - 0.5
        return F.adaptive_avg_pool2d(F.conv2d(batch, kernels).relu(), 2).flatten(1).numpy()


class Colours:
    """Mean and deviation of each channel, which no turn changes."""

    def features(self, images):
        return np.concatenate([images.mean((1, 2)), images.std((1, 2))], 1)


EXTRACTORS = {"filters": Filters(), "colours": Colours()}
train, test, fresh = fields(TRAIN, 0), fields(TEST, 1), fields(MADE, 2)
train_groups, test_groups = np.arange(TRAIN) // 2, np.arange(TEST) // 2


def measured(made, *, symmetry="dihedral", seed=0, **changes):
    return measure_privacy(
        made, train, test, test_groups, train_groups,
        extractors=EXTRACTORS, symmetry=symmetry, seed=seed, **changes,
    )  # fmt: skip


def with_copies(deviation):
    """Fresh images with 5 % copies, every third as it is, mirrored or turned; and their places and sources."""
    places, sources = np.arange(20) * 20 + 3, np.arange(20) * 7 + 11
    copies = shaken(train[sources], deviation, 4)
    kinds = list(views(copies, "dihedral"))
    made = fresh.copy()
    for index, place in enumerate(places):
        made[place] = kinds[(0, 1, 2)[index % 3]][index]  # view 2 is a quarter turn
    return made, places, sources


@pytest.fixture(scope="module")
def clean():
    return measured(fresh)


@pytest.mark.parametrize("deviation", [0, 4])
def test_planted_copies_are_flagged_and_nothing_else(deviation, clean):
    made, places, sources = with_copies(deviation)
    found = measured(made)
    copies = found["copies"]
    # Of fresh images some are called copies, as of test images; those stay.
    before = {pair["sample"] for pair in clean["copies"]["flagged"]} - set(places.tolist())
    flagged = {pair["sample"]: pair["train"] for pair in copies["flagged"]}
    assert flagged.keys() - before == set(places.tolist())
    assert before <= flagged.keys()
    assert [flagged[place] for place in places.tolist()] == sources.tolist()
    assert copies["rate"]["value"] == (20 + len(before)) / MADE
    assert copies["rate"]["low"] > copies["bar"] >= copies["test_rate"]["value"]
    assert copies["identical"] == (20 if deviation == 0 else 0)
    assert found["verdict"]["copies_found"]
    for space in found["spaces"].values():
        assert space["copy_rate"]["low"] > 0.01
    for pair in found["closest"]:
        assert pair["is_copy"]
        assert pair["train"] in sources
        turned = list(views(made[[pair["sample"]]], "dihedral"))[pair["view"]][0]
        assert np.abs(turned.astype(float) - train[pair["train"]]).mean() < 6


def test_without_the_symmetry_only_upright_copies_are_found():
    made, places, _ = with_copies(4)
    for symmetry, kinds in (("none", [0]), ("flip", [0, 1])):
        flagged = {pair["sample"] for pair in measured(made, symmetry=symmetry)["copies"]["flagged"]}
        expected = {int(place) for index, place in enumerate(places) if index % 3 in kinds}
        assert flagged & set(places.tolist()) == expected
        assert len(flagged - expected) <= 0.01 * MADE


def test_fresh_images_are_flagged_no_more_often_than_test_images(clean):
    for space in clean["spaces"].values():
        assert space["copy_rate"]["expected"] == 0.01
        assert space["copy_rate"]["low"] <= 0.01 <= space["copy_rate"]["high"]
        assert space["median"]["ratio"]["value"] == pytest.approx(1, abs=0.05)
    copies = clean["copies"]
    assert copies["rate"]["value"] <= 0.01
    assert copies["identical"] == 0
    assert clean["verdict"] == {
        "copies_found": False, "membership_leaks": False, "patients_found": False, "leaking_labels": [],
    }  # fmt: skip


def test_a_single_exact_copy_is_enough_for_the_verdict():
    made = fresh.copy()
    made[5] = np.rot90(train[9], 3)
    found = measured(made)
    assert found["verdict"]["copies_found"]
    assert not found["copies"]["rate"]["low"] > found["copies"]["bar"]
    assert found["closest"][0]["train"] == 9
    assert found["closest"][0]["sample"] == 5
    assert found["closest"][0]["distance"] < 1e-6


def test_a_few_near_copies_are_within_what_test_images_allow_for():
    made = fresh.copy()
    made[:6] = shaken(train[:6], 4, 9)
    found = measured(made, symmetry="none")
    assert 0 < found["copies"]["rate"]["low"] <= found["copies"]["bar"]
    assert {pair["sample"] for pair in found["copies"]["flagged"]} >= set(range(6))
    assert not found["verdict"]["copies_found"]


def test_independent_samples_tell_nothing_of_the_members(clean):
    for found in clean["membership"]["distance"].values():
        assert found["low"] < 0.5 < found["high"]
        assert found["value"] == pytest.approx(0.5, abs=0.06)
        assert found["n"] == TEST
    assert clean["membership"]["reconstruction"] is None


def test_features_that_know_the_training_images_are_no_attack():
    """They are nearer to anything for training images, whatever the samples are."""
    known = {image.tobytes() for image in train}

    class Judge:
        def features(self, images):
            return np.array([[0.0 if image.tobytes() in known else 1.0, 0.0] for image in images])

    both = {"judge": Judge(), **EXTRACTORS}
    given = (fresh, train, test, test_groups, train_groups)
    naive = measure_privacy(*given, extractors=both, symmetry="none", seed=0)
    assert naive["membership"]["distance"]["judge"]["value"] in (0, 1)
    fair = measure_privacy(*given, extractors=both, symmetry="none", trained_on=("judge",), seed=0)
    assert list(fair["membership"]["distance"]) == ["pixels", "filters", "colours"]
    assert list(fair["spaces"]) == ["pixels", "judge", "filters", "colours"]
    assert not fair["verdict"]["membership_leaks"]


def test_noisy_training_images_give_the_members_away():
    found = measured(shaken(train, 10, 6), symmetry="none")
    assert found["membership"]["distance"]["pixels"]["low"] > 0.95
    assert found["verdict"]["copies_found"]
    assert found["verdict"]["membership_leaks"]


def test_a_reconstruction_that_knows_its_training_images_gives_them_away():
    known = {image.tobytes() for image in train}

    def memory(images):
        noise = shaken(images, 20, 7)
        return np.stack([a if a.tobytes() in known else b for a, b in zip(images, noise, strict=True)])

    found = measured(fresh, symmetry="none", reconstruct=memory)
    assert found["membership"]["reconstruction"]["value"] == 1
    assert found["verdict"]["membership_leaks"]
    fair = measured(fresh, symmetry="none", reconstruct=lambda images: shaken(images, 20, 7))
    assert fair["membership"]["reconstruction"]["value"] == pytest.approx(0.5, abs=0.07)
    assert not fair["verdict"]["membership_leaks"]


def test_the_closest_pairs_come_in_order_and_show_each_training_image_once():
    made = np.concatenate([fresh[:50], train[[3, 3, 3, 8]]])
    pairs = measured(made, symmetry="none")["closest"]
    assert len(pairs) == 10
    distances = [pair["distance"] for pair in pairs]
    assert distances == sorted(distances)
    assert len({pair["train"] for pair in pairs}) == 10
    assert {pair["train"] for pair in pairs[:2]} == {3, 8}
    assert pairs[5]["over_threshold"] > 0


def test_the_same_seed_gives_the_same_numbers_and_they_are_json(clean):
    assert json.dumps(measured(fresh), allow_nan=False) == json.dumps(clean)
    first, other = (measured(fresh, symmetry="none", seed=seed) for seed in (0, 1))
    assert other["spaces"]["pixels"]["threshold"] == first["spaces"]["pixels"]["threshold"]
    # The seed draws the members too.
    values = [found["membership"]["distance"]["pixels"]["value"] for found in (first, other)]
    assert values[0] != values[1]


def test_the_interval_counts_the_uncertainty_of_the_threshold():
    # At a threshold that is certain, 2000 fresh images would leave ± 0.0044.
    found = measured(fields(2000, 8), symmetry="none")["spaces"]["pixels"]["copy_rate"]
    assert found["low"] < 0.01 < found["high"]
    assert found["high"] - found["low"] > 1.5 * 2 * 1.96 * np.sqrt(found["value"] * 0.99 / 2000)


def test_a_copy_is_near_in_pixels_and_in_some_feature_space_or_nearer_still():
    distances = {
        "pixels": np.array([0.15, 0.15, 0.15, 0.3, 0.0, 0.2, 0.09]),
        "a": np.array([9.0, 1.0, 9.0, 1.0, 9.0, 1.0, 9.0]),
        "b": np.array([9.0, 9.0, 1.0, 1.0, 9.0, 1.0, 9.0]),
    }
    limits = {"pixels": 0.2, "a": 2.0, "b": 2.0}
    assert is_copy(distances, limits).tolist() == [False, True, True, False, True, False, True]
    alone = is_copy({"pixels": distances["pixels"]}, limits)
    assert alone.tolist() == [True, True, True, False, True, False, True]
    columns = {name: np.array([[limit], [0.0]]) for name, limit in limits.items()}
    assert is_copy(distances, columns).sum(1).tolist() == [4, 1]


def test_a_copy_in_which_the_extractor_sees_another_image_is_found_by_its_pixels():
    class Lost:
        def features(self, images):
            return np.random.default_rng(len(images)).normal(size=(len(images), 40))

    made = fresh.copy()
    made[:20] = shaken(train[:20], 4, 9)
    found = measure_privacy(
        made, train, test, test_groups, train_groups, extractors={"lost": Lost()}, symmetry="none", seed=0
    )
    assert {pair["sample"] for pair in found["copies"]["flagged"]} >= set(range(20))
    assert found["verdict"]["copies_found"]


def test_a_filter_tells_copies_as_the_measure_does():
    made, places, _ = with_copies(4)
    found = measured(made, symmetry="flip")
    sieve = CopyFilter.calibrated(train, test, extractors=EXTRACTORS, symmetry="flip")
    copies = np.flatnonzero(sieve.find(made)).tolist()
    assert {int(place) for index, place in enumerate(places) if index % 3 < 2} <= set(copies)
    assert copies == [pair["sample"] for pair in found["copies"]["flagged"]]
    limits = {name: space["threshold"] for name, space in found["spaces"].items()}
    assert sieve.thresholds == limits
    again = CopyFilter.of_thresholds(train, limits, extractors=EXTRACTORS, symmetry="flip")
    assert again.find(made[40:80]).tolist() == [row in copies for row in range(40, 80)]
    assert again.find(made[:0]).shape == (0,)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="one size"):
        measured(fresh[:, :8, :8])
    with pytest.raises(ValueError, match="one size"):
        measured(fresh[:0])
    with pytest.raises(ValueError, match="groups"):
        measure_privacy(
            fresh, train, test, test_groups[:-1], train_groups, extractors={}, symmetry="none", seed=0
        )
    with pytest.raises(ValueError, match="called"):
        CopyFilter.calibrated(train, test, extractors={"pixels": Colours()}, symmetry="none")
    with pytest.raises(ValueError, match="threshold"):
        CopyFilter.of_thresholds(train, {"pixels": 1.0}, extractors=EXTRACTORS, symmetry="none")
    with pytest.raises(ValueError, match="held out"):
        CopyFilter.calibrated(train, test[:0], extractors=EXTRACTORS, symmetry="none")


def test_an_image_with_several_findings_counts_for_each() -> None:
    shown = np.zeros((24, 2), bool)
    shown[:12, 0], shown[6:20, 1] = True, True  # six images show both
    distances = np.zeros(24), np.ones(24)
    found = _by_label(Labels(shown, shown, shown), np.arange(24), shown[:, 1], {"pixels": distances}, 0)
    assert {label: one["copies"]["value"] for label, one in found.items()} == pytest.approx(
        {"0": 0.5, "1": 1.0}
    )
    assert [one["membership"]["n"] for one in found.values()] == [12, 14]
