"""MIG and DCI: closed cases, what lowers them, and which block a factor lies in."""

from __future__ import annotations

import numpy as np
import pytest

from drai_cli.metrics.known_factors import factor_bins, factor_columns
from drai_cli.metrics.mig_and_dci import measure_dci, mutual_information, mutual_information_gap

COUNT = 3000
PARTS = np.repeat(["train", "validation", "test"], COUNT // 3)


@pytest.fixture(scope="module")
def factors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "x": random.uniform(-1, 1, COUNT).astype(np.float32),
        "tone": random.uniform(0, 1, COUNT).astype(np.float32),
        "hairs": random.integers(0, 4, COUNT).astype(np.float32),
    }


@pytest.fixture(scope="module")
def identity(factors: dict[str, np.ndarray]) -> np.ndarray:
    columns = np.stack(list(factors.values()), 1).astype(np.float64)
    return (columns - columns.mean(0)) / columns.std(0)


def rotation(dim: int, angle: float) -> np.ndarray:
    """Turns every dimension towards the next by the angle."""
    turn = np.eye(dim)
    for place in range(dim - 1):
        step = np.eye(dim)
        step[place : place + 2, place : place + 2] = [
            [np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)],
        ]  # fmt: skip
        turn = turn @ step
    return turn


def test_a_dimension_a_factor_is_the_best_there_is(
    identity: np.ndarray, factors: dict[str, np.ndarray]
) -> None:
    mig = mutual_information_gap(identity, factors)
    assert mig.value > 0.9
    assert mig.gaps["hairs"] > 0.97
    assert mig.information.argmax(0).tolist() == [0, 1, 2]
    assert mig.n == COUNT
    dci = measure_dci(identity, factors, PARTS, seed=0)
    assert min(dci.disentanglement, dci.completeness, dci.informativeness) > 0.99
    assert dci.n == 1000
    assert list(dci.by_factor) == list(dci.completeness_by_factor) == list(factors)


def test_turning_the_code_lowers_all_but_informativeness(
    identity: np.ndarray, factors: dict[str, np.ndarray]
) -> None:
    migs, dcis = [], []
    for angle in (0.0, 0.2, 0.4, np.pi / 4):
        codes = identity @ rotation(3, angle)
        migs.append(mutual_information_gap(codes, factors).value)
        dcis.append(measure_dci(codes, factors, PARTS, seed=0))
    for values in (migs, [dci.disentanglement for dci in dcis], [dci.completeness for dci in dcis]):
        assert np.all(np.diff(values) < -0.05)
    assert min(dci.informativeness for dci in dcis) > 0.98


def test_noise_lowers_informativeness_and_mig(identity: np.ndarray, factors: dict[str, np.ndarray]) -> None:
    random = np.random.default_rng(1)
    noise = random.standard_normal(identity.shape)
    found = [identity + scale * noise for scale in (0.0, 0.5, 1.5)]
    informative = [measure_dci(codes, factors, PARTS, seed=0).informativeness for codes in found]
    migs = [mutual_information_gap(codes, factors).value for codes in found]
    assert np.all(np.diff(informative) < -0.1)
    assert informative[1] == pytest.approx(1 / 1.25, abs=0.05)  # signal over signal and noise
    assert np.all(np.diff(migs) < -0.1)


def test_a_constant_code_has_nothing(factors: dict[str, np.ndarray]) -> None:
    codes = np.full((COUNT, 4), 0.1)
    assert mutual_information_gap(codes, factors).value == 0
    dci = measure_dci(codes, factors, PARTS, {"style": slice(0, 4)}, seed=0)
    assert (dci.disentanglement, dci.completeness, dci.informativeness) == (0, 0, 0)
    assert dci.shares == {"x": {}, "tone": {}, "hairs": {}}


def test_a_code_of_noise_has_next_to_nothing(factors: dict[str, np.ndarray]) -> None:
    codes = np.random.default_rng(5).standard_normal((COUNT, 6))
    assert mutual_information_gap(codes, factors).value < 0.02
    assert measure_dci(codes, factors, PARTS, seed=0).informativeness < 0.01


def test_saying_it_twice_leaves_no_gap(identity: np.ndarray, factors: dict[str, np.ndarray]) -> None:
    twice = np.concatenate([identity, identity], 1)
    assert mutual_information_gap(twice, factors).value == pytest.approx(0, abs=1e-9)
    assert mutual_information_gap(identity[:, :1], {"x": factors["x"]}).value > 0.9  # nobody is next


def test_blocks_share_each_factor(identity: np.ndarray, factors: dict[str, np.ndarray]) -> None:
    random = np.random.default_rng(2)
    labels = random.integers(0, 3, COUNT)
    content = np.eye(3)[labels] @ random.standard_normal((3, 5)) + 0.05 * random.standard_normal((COUNT, 5))
    style = identity @ random.standard_normal((3, 4))
    known = {"label": labels, **factors}
    blocks = {"content": slice(0, 5), "style": slice(5, 9)}
    dci = measure_dci(np.concatenate([content, style], 1), known, PARTS, blocks, seed=0)
    assert dci.shares["label"]["content"] > 0.9
    assert min(dci.shares[name]["style"] for name in factors) > 0.9
    assert all(sum(shares.values()) == pytest.approx(1) for shares in dci.shares.values())
    # The label leaks into style, and then its share there grows.
    leaking = style + 2 * np.eye(3)[labels] @ random.standard_normal((3, 4))
    weak = content + random.standard_normal(content.shape)
    leaked = measure_dci(np.concatenate([weak, leaking], 1), known, PARTS, blocks, seed=0)
    assert leaked.shares["label"]["style"] > 0.3
    alone = measure_dci(style, factors, PARTS, seed=0)
    assert alone.informativeness > 0.99


def test_importance_by_hand() -> None:
    """Two dimensions: the first says both factors, the second one of them alone."""
    random = np.random.default_rng(3)
    first, second = np.sign(random.standard_normal((2, COUNT)))
    codes = np.stack([(first + second) / np.sqrt(2), second], 1)
    dci = measure_dci(codes, {"a": first, "b": second}, PARTS, seed=0)
    # a = √2 z₁ - z₂ and b = z₂, but for the least penalty.
    assert np.allclose(dci.importance, [[np.sqrt(2), 0], [1, 1]], atol=0.03)
    share = np.sqrt(2) / (1 + np.sqrt(2))
    entropy = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    assert dci.completeness_by_factor == pytest.approx({"a": 1 - entropy, "b": 1}, abs=0.02)
    weights = np.array([np.sqrt(2), 2]) / (2 + np.sqrt(2))
    assert dci.disentanglement == pytest.approx(weights @ [1, 0], abs=0.02)


def test_an_angle_is_one_factor_and_goes_round() -> None:
    angle = np.random.default_rng(4).uniform(0, np.pi, COUNT)
    codes = np.stack([np.cos(2 * angle), np.sin(2 * angle)], 1)
    known = {"rotation": angle.astype(np.float32), "tone": np.random.default_rng(6).random(COUNT)}
    dci = measure_dci(codes, known, PARTS, seed=0)
    assert dci.by_factor["rotation"] > 0.99
    assert dci.disentanglement > 0.99  # both dimensions serve it alone
    assert dci.completeness_by_factor["rotation"] < 0.1


def test_penalty_chooser_is_never_reported_on(identity: np.ndarray, factors: dict[str, np.ndarray]) -> None:
    """With a wrong code in the validation part alone nothing else changes but where nothing predicts it."""
    broken = identity.copy()
    broken[PARTS == "validation"] = np.random.default_rng(0).standard_normal((COUNT // 3, 3))
    assert measure_dci(broken, factors, PARTS, seed=0).informativeness < 0.5
    kept = measure_dci(broken, factors, PARTS, part="validation", seed=0)
    assert kept.informativeness == 0
    assert kept.disentanglement > 0.99


def test_bins() -> None:
    labels = np.array([5, 5, 9, 2])
    assert factor_bins(labels).tolist() == [1, 1, 2, 0]
    assert np.bincount(factor_bins(np.random.default_rng(0).random(1000))).tolist() == [100] * 10
    assert factor_bins(np.array([0.0, 3.0, 1.0, 3.0])).tolist() == [0, 2, 1, 2]
    assert factor_columns("label", labels).shape == (4, 3)
    many = np.arange(40)
    assert mutual_information(many, many) == pytest.approx(np.log(40))
    assert mutual_information(many % 2, many // 20) == pytest.approx(0, abs=1e-12)


def test_what_is_refused(identity: np.ndarray, factors: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"x has shape \(3,\) for 3000 codes"):
        mutual_information_gap(identity, {"x": np.zeros(3)})
    with pytest.raises(ValueError, match="codes hold values that are not finite"):
        mutual_information_gap(np.full_like(identity, np.nan), factors)
    with pytest.raises(ValueError, match="rows are needed"):
        measure_dci(identity, factors, np.full(COUNT, "train"), seed=0)
    with pytest.raises(ValueError, match="0 factors"):
        measure_dci(identity, {}, PARTS, seed=0)
