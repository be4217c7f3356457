"""Which samples are wrong or trivial to a judge: limits of real images, reasons, counts."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.selection import Selection, count_reasons, log_odds


class Reading:
    """A judge whose log-odds are an image's first pixels."""

    def logits(self, images: np.ndarray) -> np.ndarray:
        return images[:, 0, :2, 0].astype(float)


def images_of(*logits: tuple[int, int]) -> np.ndarray:
    images = np.zeros((len(logits), 4, 4, 1), np.uint8)
    images[:, 0, :2, 0] = logits
    return images


def selection(count: int = 20) -> Selection:
    """Of held-out images whose label leads by 1, 2, ..., count; half of them also of the other label, by 5 each."""
    first = images_of(*((100 + lead, 100) for lead in range(1, count + 1)))
    second = images_of(*[(100, 105)] * (count // 2))
    labels = np.repeat([0, 1], [count, count // 2])
    return Selection.calibrated(Reading(), np.concatenate([first, second]), labels, 3)


def test_an_image_is_wrong_trivial_or_kept() -> None:
    chosen = selection()
    assert chosen.limits[0] == pytest.approx(18.1)  # nine in ten of the real images are below it
    assert chosen.limits[1] == 5
    images = images_of((105, 100), (100, 100), (100, 107), (119, 100), (100, 104))
    assert chosen.reasons(images, np.array([0, 0, 0, 0, 1])) == [None, "wrong", "wrong", "trivial", None]


def test_a_label_with_few_recognised_images_has_the_limit_of_all() -> None:
    few = selection(8)
    assert few.limits[0] == few.limits[1] == few.limits[2]


def test_a_judge_that_recognises_nothing_cannot_select() -> None:
    with pytest.raises(ValueError, match="recognises no real image"):
        Selection.calibrated(Reading(), images_of((5, 9), (9, 5)), np.array([0, 1]), 2)


def test_odds_compare_with_the_likeliest_other_label() -> None:
    assert log_odds(np.array([[1.0, 4.0, 2.0], [7.0, 1.0, 3.0]]), np.array([1, 2])).tolist() == [2.0, -4.0]


def test_reasons_are_counted_by_label() -> None:
    found = count_reasons([None, "wrong", "trivial", None], np.array([0, 0, 2, 2]))
    assert found == {
        "0": {"drawn": 2, "kept": 1, "wrong": 1, "trivial": 0},
        "2": {"drawn": 2, "kept": 1, "wrong": 0, "trivial": 1},
    }
