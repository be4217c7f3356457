"""Batches are a pure function of how far a run is; balance and missing attributes are as asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import TrainOptions
from drai_cli.training.batches import Batches, _differing, sampling_weights


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


FINDINGS = Findings(("edema", "hernia", "mass"))
SETS = ["edema", "edema|mass", "mass", "No Finding", "edema|hernia?", "hernia"]


@pytest.fixture
def sets_of_findings(options: TrainOptions, device: torch.device) -> tuple[Batches, ConditionSchema]:
    """Rows of sets of findings, a hernia in one of 61."""
    rows = [{"label": text} for text in [*SETS[:5] * 12, SETS[5]]]
    schema = ConditionSchema.from_rows(rows, "label", findings=FINDINGS)
    images = np.random.default_rng(0).integers(0, 256, (len(rows), 16, 16, 1), np.uint8)
    return Batches(
        images, schema.encode(rows), schema.label_indices(rows), np.arange(len(rows)), schema.slots(),
        replace(options, balance=0.0), "none", device,
    ), schema  # fmt: skip


def test_wrong_findings_differ_in_one_known_finding_at_least(
    sets_of_findings: tuple[Batches, ConditionSchema],
) -> None:
    batches, schema = sets_of_findings
    alike = 0
    for seen in range(0, 240, 12):
        batch = batches.at(seen, 0.0)
        differs = torch.zeros(len(batch.condition), dtype=torch.bool)
        for slot in schema.slots():
            own, wrong = batch.condition[:, slot.place], batch.wrong_condition[:, slot.place]
            differs |= (own[:, 0] != wrong[:, 0]) & (own[:, 1] == 0) & (wrong[:, 1] == 0)
        # A row of which nothing is known has no partner and keeps its own condition.
        assert bool((differs | (batch.condition == batch.wrong_condition).all(1)).all())
        alike += int((~differs).sum())
    assert alike < 12  # of 240


def test_a_rare_finding_is_chosen_more_often_to_be_wrong() -> None:
    schema = ConditionSchema.from_rows([{"label": text} for text in SETS], "label", findings=FINDINGS)
    condition = torch.from_numpy(
        schema.encode([{"label": "No Finding"}, {"label": "edema"}, {"label": "hernia"}])
    )
    generator = torch.Generator().manual_seed(0)
    rarity = torch.tensor([1.0, 9.0, 1.0])
    drawn = [_differing(condition, schema.slots(), rarity, generator)[0] for _ in range(500)]
    share = float(torch.stack([torch.equal(wrong, condition[2]) * torch.ones(()) for wrong in drawn]).mean())
    assert share == pytest.approx(0.9, abs=0.05)


def test_each_finding_goes_missing_by_itself(sets_of_findings: tuple[Batches, ConditionSchema]) -> None:
    batches, schema = sets_of_findings
    conditions = torch.cat([batches.at(seen, 0.0).condition for seen in range(0, 4800, 12)])
    missing = torch.stack([conditions[:, slot.place.stop - 1] for slot in schema.slots()], 1)
    assert missing.mean(0).tolist() == pytest.approx([0.15, 0.15 + 0.85 * 0.2, 0.15], abs=0.03)
    both = float((missing[:, 0] * missing[:, 2]).mean())
    assert both == pytest.approx(0.15**2, abs=0.01)
    present = torch.stack([conditions[:, slot.place.start] for slot in schema.slots()], 1)
    assert float((present * missing).sum()) == 0


def test_images_are_balanced_by_their_rarest_finding(
    sets_of_findings: tuple[Batches, ConditionSchema],
) -> None:
    _, schema = sets_of_findings
    labels = schema.label_indices(
        [{"label": text} for text in ["edema"] * 8 + ["edema|hernia", "No Finding"]]
    )
    assert labels.tolist() == [0] * 8 + [1, 3]
    weights, _ = sampling_weights(labels, 1.0)
    assert weights[8] == pytest.approx(8 * weights[0])


def test_content_is_aligned_with_all_findings_that_are_known(
    sets_of_findings: tuple[Batches, ConditionSchema], batches: Batches
) -> None:
    of_findings, schema = sets_of_findings
    flags = [slot.place.stop - 1 for slot in schema.slots()]
    for seen in range(0, 240, 12):
        batch = of_findings.at(seen, 0.0)
        hidden = (batch.condition[:, flags] == 1) & (batch.known_condition[:, flags] == 0)
        agrees = (batch.condition == batch.known_condition).view(len(batch), -1, 2).all(2)
        assert bool((agrees | hidden).all())
        assert float(batch.known_condition[:, flags[0]].sum() + batch.known_condition[:, flags[2]].sum()) == 0
    of_names = batches.at(0, 0.0)
    assert torch.equal(of_names.condition, of_names.known_condition)
