"""Batches are a pure function of how far a run is; balance and missing attributes are as asked for."""

from __future__ import annotations

import numpy as np
import torch

from drai_cli.data.condition import ConditionSchema
from drai_cli.training.batches import Batches, sampling_weights


def test_the_same_place_in_a_run_gives_the_same_batch(batches: Batches) -> None:
    first, second, later = batches.at(24, 0.0), batches.at(24, 0.0), batches.at(36, 0.0)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.drawn_condition, second.drawn_condition)
    assert torch.equal(first.generator.get_state(), second.generator.get_state())
    assert not torch.equal(first.images, later.images)


def test_wrong_conditions_differ(batches: Batches) -> None:
    for seen in range(0, 240, 12):
        batch = batches.at(seen, 0.0)
        assert bool(((batch.condition - batch.wrong_condition).abs().amax(1) >= 1).all())


def test_a_condition_with_less_known_is_not_wrong(batches: Batches, schema: ConditionSchema) -> None:
    label, age = schema.slices()
    for seen in range(0, 240, 12):
        batch = batches.at(seen, 0.0)
        same_label = (batch.condition[:, label] == batch.wrong_condition[:, label]).all(1)
        both_known = (batch.condition[:, age][:, -1] == 0) & (batch.wrong_condition[:, age][:, -1] == 0)
        assert bool((~same_label | both_known).all())


def test_only_further_attributes_go_missing(batches: Batches, schema: ConditionSchema) -> None:
    label, age = schema.slices()
    conditions = torch.cat([batches.at(seen, 0.0).condition for seen in range(0, 2400, 12)])
    assert bool((conditions[:, label].sum(1) == 1).all())
    assert bool((conditions[:, label][:, -1] == 0).all())
    missing = conditions[:, age][:, -1] == 1
    # A fifth of the rows have no age; of the rest 15 % lose it.
    assert 0.27 < float(missing.float().mean()) < 0.37
    assert bool((conditions[missing][:, age][:, 0] == 0).all())


def test_balance_is_on_where_a_class_is_over_four_times_another() -> None:
    even, exponent = sampling_weights(np.repeat([0, 1], [40, 10]), None)
    assert exponent == 0
    assert np.allclose(even, 1 / 50)
    weights, exponent = sampling_weights(np.repeat([0, 1], [50, 10]), None)
    assert exponent == 0.7
    assert np.isclose(weights[50:].sum() / weights[:50].sum(), (10 / 50) ** 0.3)
