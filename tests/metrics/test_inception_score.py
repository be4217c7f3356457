"""The inception score: closed cases, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.inception_score import class_probabilities, inception_score


def test_ends() -> None:
    sure = np.tile(np.eye(5), (40, 1))
    found = inception_score(sure, "judge", splits=1, seed=0)
    assert (found.value, found.deviation) == (pytest.approx(5), 0)
    assert (found.classifier, found.splits, found.n) == ("judge", 1, 200)
    unsure = np.full((200, 5), 0.2)
    one_class = np.tile(np.eye(5)[0], (200, 1))
    assert inception_score(unsure, "judge", seed=0).value == pytest.approx(1)
    assert inception_score(one_class, "judge", seed=0).value == pytest.approx(1)


def test_by_hand() -> None:
    # p(y) is (1/2, 1/2): each row's divergence is 0.75 ln 1.5 + 0.25 ln 0.5.
    rows = np.array([[0.75, 0.25], [0.25, 0.75]])
    expected = np.exp(0.75 * np.log(1.5) + 0.25 * np.log(0.5))
    assert inception_score(rows, "c", splits=1, seed=0).value == pytest.approx(expected)


def test_sorted_images_are_shuffled_by_the_seed() -> None:
    by_class = np.repeat(np.eye(4), 100, axis=0)
    found = inception_score(by_class, "c", seed=3)
    assert 3.7 < found.value < 4  # unshuffled, every split would hold one class or two
    assert 0 < found.deviation < 0.2
    assert found == inception_score(by_class, "c", seed=3)
    assert found.value != inception_score(by_class, "c", seed=4).value


def test_dropped_classes_and_doubt_lower_it() -> None:
    random = np.random.default_rng(0)
    logits = np.eye(6)[random.integers(0, 6, 600)] * 6 + random.standard_normal((600, 6))

    def score(rows: np.ndarray) -> float:
        return inception_score(class_probabilities(rows), "c", seed=0).value

    whole = score(logits)
    assert score(logits[logits.argmax(1) < 3]) < 0.6 * whole
    assert 1 < score(0.3 * logits) < 0.8 * whole


def test_softmax_bears_great_logits() -> None:
    assert class_probabilities(np.array([[1e4, 0.0], [0.0, 0.0]])).tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="9 rows for 10 splits"):
        inception_score(np.full((9, 2), 0.5), "c", seed=0)
    for rows in (np.full((20, 2), 0.6), np.tile([1.5, -0.5], (20, 1)), np.full((20, 2), np.nan)):
        with pytest.raises(ValueError, match="not probabilities"):
            inception_score(rows, "c", seed=0)
