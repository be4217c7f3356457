"""Distances and scores beside independent implementations: scipy, prdc, torch-fidelity, scikit-learn, plain loops."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import torch

from drai_cli.metrics.frechet import frechet_distance, kernel_distance
from drai_cli.metrics.inception_score import class_probabilities, inception_score
from drai_cli.metrics.lasso import fit_lasso
from drai_cli.metrics.mig_and_dci import mutual_information
from tests.support.manifold import measure_manifold


def package(name: str) -> Any:
    return pytest.importorskip(name, reason=f"{name} is not installed: pip install -e '.[dev]'")


@pytest.fixture(scope="module", params=[(300, 300), (150, 210)], ids=["equal", "unequal"])
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Correlated, skewed and non-negative, as pooled features are."""
    random = np.random.default_rng(7)
    mix = random.standard_normal((48, 48)) / 7
    first, second = (
        np.maximum(random.standard_normal((count, 48)) @ mix + 0.3, 0) for count in request.param
    )
    return first, 1.3 * second + 0.1


def of_kernel(real: np.ndarray, other: np.ndarray) -> float:
    return kernel_distance(real, other, np.arange(len(real)), np.arange(len(other)), 0).value


def test_frechet_distance_is_that_of_the_matrix_root(pair: tuple[np.ndarray, np.ndarray]) -> None:
    linalg = package("scipy.linalg")
    real, other = pair
    left, right = np.cov(real, rowvar=False), np.cov(other, rowvar=False)
    gap = real.mean(0) - other.mean(0)
    root = linalg.sqrtm(left @ right).real
    expected = gap @ gap + np.trace(left + right - 2 * root)
    assert expected > 0.1
    assert frechet_distance(real, other) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_is_torch_fidelitys(
    torch_fidelity: Any, pair: tuple[np.ndarray, np.ndarray]
) -> None:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    theirs = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in pair]
    (expected,) = fid_statistics_to_metric(*theirs, verbose=False).values()
    assert frechet_distance(*pair) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_is_that_of_a_double_loop() -> None:
    random = np.random.default_rng(1)
    real, other = random.standard_normal((14, 6)), random.standard_normal((11, 6)) + 0.5

    def kernel(left: np.ndarray, right: np.ndarray) -> float:
        return float((left @ right / 6 + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        pairs = [(a, b) for a in range(len(rows)) for b in range(len(rows)) if a != b]
        return sum(kernel(rows[a], rows[b]) for a, b in pairs) / len(pairs)

    across = sum(kernel(a, b) for a in real for b in other) / (len(real) * len(other))
    expected = within(real) + within(other) - 2 * across
    assert of_kernel(real, other) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_is_torch_fidelitys(torch_fidelity: Any, pair: tuple[np.ndarray, np.ndarray]) -> None:
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    real, other = (rows[:150] for rows in pair)
    theirs = kid_features_to_metric(
        torch.from_numpy(real), torch.from_numpy(other), kid_subsets=1, kid_subset_size=150, verbose=False
    )
    assert of_kernel(real, other) == pytest.approx(theirs[KEY_METRIC_KID_MEAN], rel=1e-6)


@pytest.mark.parametrize("splits", [1, 7, 10])
def test_inception_score_is_torch_fidelitys(torch_fidelity: Any, splits: int) -> None:
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

    logits = np.random.default_rng(3).standard_normal((233, 30)).astype(np.float32) * 2
    found = inception_score(class_probabilities(logits), "random", splits=splits, seed=5)
    same_order = torch.from_numpy(logits[np.random.default_rng(5).permutation(233)])
    theirs = isc_features_to_metric(same_order, splits=splits, shuffle=False)
    assert found.value > 2
    assert found.value == pytest.approx(theirs[KEY_METRIC_ISC_MEAN], rel=1e-6)
    assert found.deviation == pytest.approx(theirs[KEY_METRIC_ISC_STD], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("neighbours", [3, 5])
def test_manifold_is_prdcs(shift: float, neighbours: int) -> None:
    prdc = package("prdc")
    random = np.random.default_rng(2)
    real, other = random.standard_normal((120, 4)), random.standard_normal((90, 4)) * 1.4 + shift
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = prdc.compute_prdc(real, other, nearest_k=neighbours)
    found = measure_manifold(real, other, neighbours)
    assert 0 < found["precision"] < 1
    assert found == pytest.approx(theirs, abs=1e-9)


def test_precision_and_recall_are_torch_fidelitys(torch_fidelity: Any) -> None:
    """Edges count here as there (Kynkäänniemi et al. 2019, eq. 1), which rows on a grid show."""
    from torch_fidelity.metric_prc import prc_features_to_metric

    random = np.random.default_rng(4)
    real, other = random.integers(0, 12, (60, 2)) * 1.0, random.integers(4, 16, (50, 2)) * 1.0
    theirs = prc_features_to_metric(
        torch.from_numpy(other), torch.from_numpy(real), prc_neighborhood=3, prc_batch_size=100, verbose=False
    )
    found = measure_manifold(real, other, 3)
    assert 0 < found["precision"] < 1
    assert (found["precision"], found["recall"]) == pytest.approx(
        (theirs["precision"], theirs["recall"]), abs=1e-6
    )


def test_mutual_information_is_scikit_learns() -> None:
    metrics = package("sklearn.metrics")
    random = np.random.default_rng(0)
    first = random.integers(0, 7, 400)
    second = (first + random.integers(0, 4, 400)) % 9
    assert mutual_information(first, second) == pytest.approx(
        metrics.mutual_info_score(first, second), rel=1e-9
    )


def test_lasso_is_scikit_learns() -> None:
    linear = package("sklearn.linear_model")
    random = np.random.default_rng(0)
    table = random.standard_normal((200, 12)) @ random.standard_normal((12, 12))
    table = (table - table.mean(0)) / table.std(0)
    targets = table[:, :3] @ random.standard_normal((3, 2)) + random.standard_normal((200, 2))
    targets -= targets.mean(0)
    shares = (0.5, 0.1, 0.01)
    largest = np.abs(table.T @ targets / 200).max(0)
    for share, weights in zip(shares, fit_lasso(table, targets, shares), strict=True):
        for column in range(2):
            theirs = linear.Lasso(
                alpha=share * largest[column], fit_intercept=False, tol=1e-10, max_iter=100_000
            )
            expected = theirs.fit(table, targets[:, column]).coef_
            assert np.allclose(weights[:, column], expected, atol=1e-4)
