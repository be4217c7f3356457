from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics import intervals


def test_groups_come_up_whole() -> None:
    weights = intervals.group_weights(np.array(["a", "a", "b", "c"]), seed=0, draws=50)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all()


def test_pairs_weigh_the_product_of_their_groups() -> None:
    first, second = np.array(["a", "b"]), np.array(["b", "b"])
    weights = intervals.pair_weights(first, second, seed=0, draws=200)
    count_b = np.sqrt(weights[:, 1])
    assert np.allclose(weights[:, 0], (2 - count_b) * count_b)


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    weights = intervals.group_weights(np.arange(400), seed=1)
    found = intervals.estimate(intervals.mean(values), weights)
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.n == 400
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_groups_of_copies_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=100), 4)
    alone = intervals.estimate(intervals.mean(values), intervals.group_weights(np.arange(400), 0))
    grouped = intervals.estimate(intervals.mean(values), intervals.group_weights(np.arange(400) // 4, 0))
    assert (grouped.high - grouped.low) / (alone.high - alone.low) == pytest.approx(2, abs=0.2)


def test_macro_mean_weighs_labels_equally() -> None:
    labels = np.array([0, 0, 0, 1])
    statistic = intervals.macro_mean(np.array([1.0, 1.0, 1.0, 0.0]), labels)
    assert statistic(np.ones((1, 4)))[0] == 0.5
    assert statistic(np.array([[1.0, 1.0, 1.0, 0.0]]))[0] == 1.0  # a label that did not come up is left out


def test_correlation_and_explained_agree_with_numpy() -> None:
    generator = np.random.default_rng(0)
    left = generator.normal(size=(50, 2))
    right = left + generator.normal(size=(50, 2))
    ones = np.ones((1, 50))
    expected = np.mean([np.corrcoef(left[:, k], right[:, k])[0, 1] for k in range(2)])
    assert intervals.correlation(left, right)(ones)[0] == pytest.approx(expected)
    true, said = right[:, 0], left[:, 0]
    r2 = 1 - ((said - true) ** 2).sum() / ((true - true.mean()) ** 2).sum()
    assert intervals.explained(said, true)(ones)[0] == pytest.approx(r2)


def test_weights_stand_for_repeated_rows() -> None:
    generator = np.random.default_rng(0)
    left, right = generator.normal(size=(2, 6, 1))
    weights = np.array([[2.0, 0, 1, 3, 1, 1]])
    rows = np.repeat(np.arange(6), weights[0].astype(int))
    for make in (intervals.correlation, lambda a, b: intervals.explained(a[:, 0], b[:, 0])):
        repeated = make(left[rows], right[rows])(np.ones((1, len(rows))))
        assert make(left, right)(weights)[0] == pytest.approx(repeated[0])


def test_a_constant_has_no_correlation_and_no_warning() -> None:
    assert intervals.correlation(np.ones((5, 1)), np.arange(5.0)[:, None])(np.ones((1, 5)))[0] == 0


def test_a_quantile_has_its_share_below_it_whatever_the_number_of_rows() -> None:
    # Of a uniform variable the quantile's expectation is the share itself; at 0.1 the least of 9 rows.
    generator = np.random.default_rng(0)
    for count in (9, 25, 200):
        drawn = [
            intervals.quantile(generator.uniform(size=count), 0.1)(np.ones((1, count)))[0]
            for _ in range(2000)
        ]
        assert np.mean(drawn) == pytest.approx(0.1, abs=0.007)


def test_a_weight_counts_as_so_many_rows() -> None:
    generator = np.random.default_rng(0)
    values, weights = generator.normal(size=30), generator.integers(0, 4, (20, 30))
    for share in (0.01, 0.3, 0.5, 0.99):
        found = intervals.quantile(values, share)(weights.astype(np.float64))
        rows = [np.repeat(values, weight) for weight in weights]
        assert found == pytest.approx([np.quantile(row, share, method="weibull") for row in rows])


def test_two_sides_are_drawn_independently() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(1, 1, 300), generator.normal(0, 2, 200)

    def difference(left: intervals.Weights, right: intervals.Weights) -> np.ndarray:
        return intervals.mean(first)(left) - intervals.mean(second)(right)

    weights = intervals.group_weights(np.arange(300), 0), intervals.group_weights(np.arange(200), 1)
    found = intervals.estimate_two(difference, *weights)
    error = np.sqrt(first.var() / 300 + second.var() / 200)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert found.n == 300


def test_a_draw_without_any_row_is_left_out():
    values, labels = np.array([0.0, 1.0, 0.5]), np.array([0, 1, 1])
    weights = np.array([[1.0, 1, 1], [0, 0, 0]])
    column = values[:, None]
    for statistic in (
        intervals.macro_mean(values, labels), intervals.mean(values), intervals.explained(values, values + 1),
        intervals.correlation(column, column),
    ):  # fmt: skip
        assert np.isnan(statistic(weights)).tolist() == [False, True]
