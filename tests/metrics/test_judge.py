from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from drai_cli.metrics.convnet import ConvNetConfig, build
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import (
    Judge,
    JudgeConfig,
    balanced_accuracy,
    judge_config,
    load_judge,
    train_judge,
)
from drai_cli.metrics.symmetries import Symmetry, augment


def test_it_learns_the_label(world, judge: Judge) -> None:
    test = world.rows("test")
    assert balanced_accuracy(judge.labels(world.images[test]), world.labels[test]) > 0.97
    assert judge.record is not None
    assert judge.record.score > 0.97


def test_balanced_accuracy_is_the_mean_of_recalls() -> None:
    assert balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])) == 0.5


def test_saved_and_loaded_it_says_the_same(world, judge: Judge) -> None:
    again = load_judge(json.loads(json.dumps(judge.config_json())), judge.state())
    images = world.images[world.rows("test")]
    assert np.array_equal(again.logits(images), judge.logits(images))


def test_labels_and_features_from_one_pass_are_those_of_two(world, judge: Judge) -> None:
    images = world.images[:300]
    said, features = judge.judge(images)
    assert np.array_equal(said, judge.labels(images))
    assert np.array_equal(features, judge.features(images))
    assert features.shape == (300, 32)


def test_training_follows_from_the_seed_and_never_sees_the_test_part(world) -> None:
    config = JudgeConfig(widths=(8, 8), fit=FitConfig(images=320, batch_size=64, check_every=320))
    spoilt = world.images.copy()
    spoilt[world.parts == "test"] = 0
    state = torch.get_rng_state()
    first = train_judge(world.images, world.labels, world.parts, 3, config, seed=3)
    second = train_judge(spoilt, world.labels, world.parts, 3, config, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    for name, value in first.state().items():
        assert torch.equal(value, second.state()[name]), name
    other = train_judge(world.images, world.labels, world.parts, 3, config, seed=4)
    assert not torch.equal(first.state()["head.weight"], other.state()["head.weight"])


def test_labels_told_by_side_are_learned_unless_sides_are_said_to_be_alike() -> None:
    labels = np.arange(256) % 2
    images = np.random.default_rng(0).integers(0, 60, (256, 16, 16, 1), dtype=np.uint8)
    images[labels == 0, :, :8] += 120
    images[labels == 1, :, 8:] += 120
    parts = np.where(np.arange(256) < 192, "train", "validation")

    def score(symmetry: Symmetry) -> float:
        budget = FitConfig(images=1280, batch_size=64, check_every=640)
        config = JudgeConfig(widths=(8, 8), fit=budget, symmetry=symmetry)
        record = train_judge(images, labels, parts, 2, config, seed=0).record
        assert record is not None
        return record.score

    assert score("none") > 0.95
    assert score("flip") < 0.75


def test_the_judge_to_quote_fits_the_image_size() -> None:
    assert judge_config(32, "none") == JudgeConfig()
    for size in (64, 256):
        config = judge_config(size, "flip")
        assert config.symmetry == "flip"
        assert config.patch == 4
        assert config.fit.images > JudgeConfig().fit.images


def test_parts_that_are_missing_are_an_error(world) -> None:
    with pytest.raises(ValueError, match="validation"):
        train_judge(world.images, world.labels, np.full(len(world.labels), "train"), 3, seed=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_other_sizes_and_grey_images_pass(channels: int) -> None:
    network = build(ConvNetConfig(48, channels, 5, (8, 16, 16)), seed=0).eval()
    assert network(torch.zeros(2, channels, 48, 48)).shape == (2, 5)


def test_augmentation_keeps_shape_and_moves_no_more_than_asked() -> None:
    images = torch.full((32, 3, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    generator = torch.Generator().manual_seed(0)
    turned = augment(images, generator, symmetry="dihedral", shift=2, contrast=0.0, brightness=0.0)
    assert turned.shape == images.shape
    places = torch.nonzero(turned[:, 0] > 0)
    assert len(places) == 32  # one bright pixel in each image, wherever it went
    assert (places[:, 1:] - 7.5).abs().max() <= 2.5
    assert len(torch.unique(places[:, 1:], dim=0)) > 4


def test_colour_changes_by_image_and_follow_the_generator() -> None:
    images = torch.zeros(8, 3, 4, 4) + 0.5

    def augmented() -> torch.Tensor:
        return augment(images, torch.Generator().manual_seed(1), symmetry="none", shift=0)

    first = augmented()
    assert torch.equal(first, augmented())
    assert first.mean((2, 3)).std(0).min() > 0.01
