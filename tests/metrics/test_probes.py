from __future__ import annotations

import numpy as np
import pytest
import torch

from drai_cli.metrics.probes import fit_probe, measure_probe

LABELS = np.arange(900) % 3
PARTS = np.where(np.arange(900) < 600, "train", np.where(np.arange(900) < 750, "validation", "test"))
NOISE = np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32)


def test_a_label_written_small_is_found() -> None:
    codes = NOISE.copy()
    codes[:, 2] = 1e-3 * (LABELS - 1)
    found = measure_probe(codes, LABELS, PARTS, np.arange(900), 3, seed=0)
    assert found["value"] > 0.97
    assert found["chance"] == pytest.approx(1 / 3)
    assert found["shuffled"]["value"] < 0.45


def test_noise_is_at_chance_beside_its_floor() -> None:
    floor = np.eye(3, dtype=np.float32)[LABELS]
    found = measure_probe(NOISE, LABELS, PARTS, np.arange(900), 3, floor=floor, seed=0)
    assert found["value"] < 0.45
    assert found["low"] < 1 / 3 < found["high"]
    assert found["floor"]["value"] == 1
    assert found["n"] == 150


def test_what_no_line_separates_is_found_by_the_mlp() -> None:
    codes = NOISE.copy()
    labels = ((codes[:, 0] > 0) != (codes[:, 1] > 0)).astype(np.int64)
    found = fit_probe(codes, labels, PARTS, 2, seed=0)
    assert found.kind == "mlp"
    assert found.scores["mlp"] > 0.85
    assert found.scores["logistic"] < 0.65


def test_rare_labels_count_as_much_as_common_ones() -> None:
    labels = (np.arange(900) % 20 == 0).astype(np.int64)
    codes = NOISE.copy()
    codes[:, 0] += 1.5 * labels
    said = fit_probe(codes, labels, PARTS, 2, seed=0).predicted
    assert (
        said == 1
    ).mean() > 0.15  # an unweighted probe would hardly ever name a label of one row in twenty


def test_the_rows_reported_on_are_not_fitted_on() -> None:
    for part in ("validation", "test"):
        codes = NOISE.copy()
        held = part == PARTS
        codes[held, 0] = LABELS[held]
        assert fit_probe(codes, LABELS, PARTS, 3, part=part, seed=0).scores["logistic"] < 0.5


def test_a_seed_gives_the_same_numbers_and_leaves_torch_alone() -> None:
    state = torch.get_rng_state()
    first = measure_probe(NOISE, LABELS, PARTS, np.arange(900), 3, seed=1)
    assert measure_probe(NOISE, LABELS, PARTS, np.arange(900), 3, seed=1) == first
    assert torch.equal(torch.get_rng_state(), state)
