"""Perceptual features and even positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drai_cli.metrics.perceptual import even_positions, perceptual_features, step_distances, unevenness


def test_distance_is_zero_for_the_same_and_blind_to_scale():
    maps = [torch.randn(2, 3, 16, 16), torch.randn(2, 5, 4, 4)]
    features = perceptual_features([*maps]).numpy()
    louder = perceptual_features([3 * stage for stage in maps]).numpy()
    assert step_distances(features[[0, 0]]) == pytest.approx([0])
    np.testing.assert_allclose(features, louder, atol=1e-6)


def test_distance_of_opposite_channels_in_closed_form():
    # At every place two unit vectors at right angles: squared distance 2 a stage, averaged over places.
    stage = torch.zeros(2, 2, 4, 4)
    stage[0, 0], stage[1, 1] = 1, 1
    features = perceptual_features([stage, stage]).numpy()
    assert step_distances(features) == pytest.approx([np.sqrt(2 + 2)])


@pytest.mark.parametrize("power", [0.3, 3.0])
def test_positions_undo_what_bends_the_path(power):
    def features_at(positions):
        return np.stack([positions**power, np.zeros_like(positions)], axis=1).astype(np.float32)

    positions = even_positions(features_at, 9)
    assert unevenness(step_distances(features_at(np.linspace(0, 1, 9)))) > 0.3
    assert unevenness(step_distances(features_at(positions))) < 0.01
    assert (positions[0], positions[-1]) == (0, 1)
    assert (np.diff(positions) > 0).all()


def test_a_jump_and_a_path_that_does_not_move():
    def jumping(positions):
        return np.tanh((positions - 0.4) * 60)[:, None].astype(np.float32)

    positions = even_positions(jumping, 6)
    assert unevenness(step_distances(jumping(positions))) < 0.05
    still = even_positions(lambda positions: np.zeros((len(positions), 3), np.float32), 4)
    np.testing.assert_allclose(still, np.linspace(0, 1, 4))
