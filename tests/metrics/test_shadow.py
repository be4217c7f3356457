"""Shadow models: which images each is trained on, and what their likelihood ratio finds that one distance does not."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.membership import measure_attack
from drai_cli.metrics.shadow import halves, likelihood_scores


def test_every_group_is_in_half_of_the_models_and_never_torn() -> None:
    groups = np.array([f"p{row // 3}" for row in range(30)])
    is_in = halves(groups, 8, 0)
    assert (is_in.sum(0) == 4).all()
    assert (is_in.sum(1) == 15).all()
    for row in is_in:
        assert all(len(set(row[groups == name])) == 1 for name in set(groups))
    assert (is_in[0] == ~is_in[1]).all()
    assert not (is_in[0] == is_in[2]).all()
    assert (halves(groups, 8, 0) == is_in).all()


@pytest.mark.parametrize(("models", "groups"), [(3, "ab"), (0, "ab"), (2, "aa")])
def test_odd_numbers_of_models_and_one_group_are_refused(models: int, groups: str) -> None:
    with pytest.raises(ValueError, match="even number of models"):
        halves(np.array([*groups]), models, 0)


def planted(effect: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Errors of a model and of eight shadows: images are hard or easy by far more than training on them changes."""
    generator = np.random.default_rng(0)
    difficulty = generator.normal(0, 1, 200)
    is_in = halves(np.arange(200), 8, 1)
    is_member = np.arange(200) < 100

    def errors(seen: np.ndarray) -> np.ndarray:
        return np.exp(difficulty - effect * seen + generator.normal(0, 0.1, 200))

    return errors(is_member), np.stack([errors(seen) for seen in is_in]), is_in, np.arange(200)


def test_what_the_error_alone_does_not_show_the_shadows_do() -> None:
    own, shadows, is_in, groups = planted(0.2)
    plain = measure_attack(own[:100], own[100:], groups[:100], groups[100:], 0)
    scores = likelihood_scores(own, shadows, is_in)
    sure = measure_attack(scores[:100], scores[100:], groups[:100], groups[100:], 0)
    assert plain.value < 0.65
    assert sure.value > 0.85
    assert sure.low > plain.high


def test_a_model_that_learned_nothing_of_its_images_is_at_chance() -> None:
    own, shadows, is_in, groups = planted(0.0)
    scores = likelihood_scores(own, shadows, is_in)
    found = measure_attack(scores[:100], scores[100:], groups[:100], groups[100:], 0)
    assert found.low < 0.5 < found.high


def test_models_that_are_trained_for_longer_are_compared_all_the_same() -> None:
    own, shadows, is_in, _ = planted(0.2)
    scores = likelihood_scores(own, shadows, is_in)
    scale = np.arange(1, 9)[:, None] / 4
    assert np.allclose(likelihood_scores(3 * own, shadows * scale, is_in), scores)
