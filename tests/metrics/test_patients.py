"""Patients whom samples point to, and samples that are nearer to a training image than others are."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.membership import measure_sure_attack, true_positives
from drai_cli.metrics.nearest import PixelFeatures, nearest, views
from drai_cli.metrics.patients import (
    has_siblings,
    is_authentic,
    measure_reidentification,
    reidentify,
    sibling_distance,
)


def patients(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two images of each patient: the patient's own pattern with noise."""
    generator = np.random.default_rng(seed)
    own = generator.integers(40, 215, (count, 8, 8, 1)).repeat(2, 0)
    images = (own + generator.normal(0, 12, own.shape)).clip(0, 255).astype(np.uint8)
    return images, np.repeat([f"p{seed}-{index}" for index in range(count)], 2)


def shaken(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, deviation, images.shape)
    return (images + noise).clip(0, 255).astype(np.uint8)


TRAIN, TRAIN_GROUPS = patients(60, 0)
TEST, TEST_GROUPS = patients(40, 1)


def found(made: np.ndarray) -> dict:
    space = PixelFeatures()
    distance = nearest(space.features(TEST), space.features(made)).distance
    return reidentify(made, TRAIN, TRAIN_GROUPS, TEST, TEST_GROUPS, distance, space, "none", 0)


def test_siblings_are_of_the_same_group() -> None:
    assert has_siblings(np.array(["a", "b", "a", "c"])).tolist() == [True, False, True, False]
    images, groups = TRAIN[:5], np.array(["a", "a", "b", "b", "c"])
    space = PixelFeatures()
    distance = sibling_distance(images, groups, space, "none")
    rows = space.features(images).astype(float)
    assert distance[0] == distance[1] == pytest.approx(np.sqrt(((rows[0] - rows[1]) ** 2).sum()))
    assert np.isinf(distance[4])
    turned = images.copy()
    turned[1] = list(views(images[:1], "dihedral"))[3][0]  # a turned copy of its sibling
    assert sibling_distance(turned, groups, space, "dihedral")[0] == 0
    assert sibling_distance(turned, groups, space, "none")[0] > 0.01


def test_samples_near_to_training_patients_point_to_them() -> None:
    """One image of each patient, nearly as it is: nearer than the patient's other image."""
    pointed = found(shaken(TRAIN[::2], 4))
    assert pointed["train"]["value"] >= 0.5
    assert pointed["unseen"]["value"] == 0
    assert pointed["difference"]["low"] > 0.3
    assert pointed["patients"]["unseen"] == 40


def test_samples_of_nobody_point_to_nobody() -> None:
    made, _ = patients(60, 5)
    pointed = found(made)
    assert pointed["difference"]["low"] <= 0 <= pointed["difference"]["high"]


def test_few_patients_with_several_images_are_no_evidence() -> None:
    space = PixelFeatures()
    alone = np.arange(len(TEST)).astype(str)
    distance = np.ones(len(TEST))
    pointed = reidentify(TEST, TRAIN, TRAIN_GROUPS, TEST, alone, distance, space, "none", 0)
    assert pointed["train"] is pointed["difference"] is None
    assert pointed["patients"]["unseen"] == 0
    none = measure_reidentification(*[np.empty(0)] * 3, distance, distance, alone, 0)
    assert none["patients"]["train"] == 0


def test_a_copy_is_not_authentic_and_a_new_image_is() -> None:
    space = PixelFeatures()
    rows = space.features(TRAIN)

    def authentic(images: np.ndarray) -> float:
        near = nearest(space.features(images), rows)
        return float(is_authentic(near.distance, near.row, rows, TRAIN_GROUPS).mean())

    assert authentic(shaken(TRAIN, 4)) == 0
    assert authentic(TEST) > 0.5  # about as near as training patients are to each other


def test_an_attack_that_is_sure_of_a_few_is_found_where_its_area_is_small() -> None:
    generator = np.random.default_rng(0)
    members, others = generator.normal(5, 1, 400), generator.normal(5, 1, 400)
    members[:40] = 0.1  # a tenth is known for certain
    attack = measure_sure_attack(members, others, np.arange(400), np.arange(400), 0)
    assert attack["value"] < 0.6
    assert attack["found_at"]["0.01"]["value"] == pytest.approx(0.11, abs=0.02)
    assert attack["found_at"]["0.01"]["low"] > 0.05
    assert attack["found_at"]["0.001"] is None  # 0.4 of an image
    fair = measure_sure_attack(others, generator.normal(5, 1, 400), np.arange(400), np.arange(400), 0)
    assert fair["found_at"]["0.01"]["low"] <= 0.01


def test_true_positives_count_members_below_the_others_quantile() -> None:
    members, others = np.array([0.0, 1.5, 3.0, 9.0]), np.arange(1.0, 101.0)
    one = np.ones((1, 4)), np.ones((1, 100))
    assert true_positives(members, others, 0.01)(*one)[0] == 0.25  # below 1.01
    assert true_positives(members, others, 0.05)(*one)[0] == 0.75


def test_rows_of_the_own_group_do_not_count_as_neighbours() -> None:
    rows = np.array([[0.0], [1.0], [5.0]])
    found = nearest(rows, rows, (np.array([0, 0, 1]), np.array([0, 0, 1])))
    assert found.row.tolist() == [2, 2, 1]
    assert found.distance.tolist() == [5, 4, 4]
    alone = nearest(rows, rows, (np.zeros(3, int), np.zeros(3, int)))
    assert np.isinf(alone.distance).all()
