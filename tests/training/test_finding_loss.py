"""Each finding has a conditional loss of its own, and is hidden from the style by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from drai_cli.conditions.attribute import Slot
from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import TrainOptions
from drai_cli.training import losses
from drai_cli.training.augment import Changes
from drai_cli.training.batches import Batches
from drai_cli.training.forward import forward
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.projected import generator_terms_of_findings, heads_terms_of_findings
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_projected, train_step
from drai_cli.training.terms import discriminator_terms
from tests.training.frozen import make_frozen
from tests.training.reached import begun, player_terms, reached_by

FINDINGS = Findings(("edema", "hernia", "mass"))
SETS = ["edema", "edema|mass", "mass", "No Finding", "edema|hernia?", "hernia"]
ROWS = [{"label": text} for text in SETS * 5]


@pytest.fixture
def schema() -> ConditionSchema:
    return ConditionSchema.from_rows(ROWS, "label", findings=FINDINGS)


@pytest.fixture
def plan(options: TrainOptions, schema: ConditionSchema) -> StepPlan:
    return StepPlan(options.objective, Changes("none"), schema.slots(), None)


@pytest.fixture
def batch(options: TrainOptions, schema: ConditionSchema, device: torch.device) -> Batch:
    images = np.random.default_rng(0).integers(0, 256, (len(ROWS), 16, 16, 1), np.uint8)
    return Batches(
        images, schema.encode(ROWS), schema.label_indices(ROWS), np.arange(len(ROWS)), schema.slots(),
        options, "none", device,
    ).at(0, 0.0)  # fmt: skip


def test_a_head_gives_the_logit_of_the_state_the_condition_has(
    state: TrainingState, schema: ConditionSchema
) -> None:
    heads = state.adversaries.discriminator.findings
    assert heads is not None
    features = torch.randn(2, 384, generator=torch.Generator().manual_seed(0))
    condition = torch.from_numpy(schema.encode([{"label": "edema"}, {"label": "hernia|mass?"}]))
    given, other, known = heads(features, condition)
    if_present, if_absent = heads.layers(features).chunk(2, dim=1)
    assert known.tolist() == [[1, 1, 1], [1, 1, 0]]
    torch.testing.assert_close(given[0], torch.stack([if_present[0, 0], if_absent[0, 1], if_absent[0, 2]]))
    torch.testing.assert_close(other[1, :2], torch.stack([if_present[1, 0], if_absent[1, 1]]))


def test_findings_are_summed_so_that_each_counts_as_much_as_a_label_alone() -> None:
    nothing, known = torch.zeros(4, 3), torch.ones(4, 3)
    of_one = (nothing[:, :1], nothing[:, :1], known[:, :1])
    of_three = (nothing, nothing, known)
    one, three = losses.finding_loss(of_one, of_one), losses.finding_loss(of_three, of_three)
    assert float(one) == pytest.approx(2 * np.log(2))  # as D_xt's: matched, half wrong, half made
    assert float(three) == pytest.approx(3 * float(one))
    assert float(losses.finding_fooling_loss(nothing, known)) == pytest.approx(3 * np.log(2))


def test_what_is_unknown_or_not_asked_for_teaches_nothing() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    known = torch.tensor([1.0, 0.0, 1.0]).expand(4, 3)
    loss = losses.finding_loss((logits, logits, known), (logits, logits, known))
    (loss + losses.finding_fooling_loss(logits, known)).backward()
    assert logits.grad is not None
    assert bool((logits.grad[:, 1] == 0).all())
    assert bool((logits.grad[:, 0] != 0).any())


def test_the_finding_loss_reaches_the_networks_of_the_conditional_loss(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    passes, features = begun(state, batch, plan)
    terms = player_terms(state, batch, plan, passes, features)
    assert reached_by(state, terms["g_findings"][1]) == {"generator", "content_prior"}
    discriminator = state.adversaries.discriminator.requires_grad_(True)
    both = discriminator.trunk(torch.cat([batch.images, passes.generated.detach()]))
    of_d, _ = discriminator_terms(discriminator, both, batch, passes, plan.objective)
    assert reached_by(state, of_d["d_findings"][1]) == {"discriminator"}


def test_each_finding_is_hidden_as_much_as_a_label_of_one_name(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    passes, features = begun(state, batch, plan)
    weight, _ = player_terms(state, batch, plan, passes, features)["grl"]
    # A mean over content, style and three findings; a label's is over content, style and one label.
    assert weight / 5 == pytest.approx(plan.objective.grl_weight / 3)


def test_a_step_with_the_penalty_learns_a_batch_of_findings(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    first = train_step(state, batch, plan, has_penalty=True)["d_findings"]
    for _ in range(30):
        last = train_step(state, batch, replace(plan), has_penalty=False)["d_findings"]
    assert float(last) < float(first)


def test_one_label_has_no_finding_loss(options: TrainOptions, device: torch.device) -> None:
    of_one = TrainingState(options, (Slot(slice(0, 4), "category", False),), device)
    assert of_one.adversaries.discriminator.findings is None


def test_projected_heads_read_each_finding_by_itself() -> None:
    def logits(*values: float) -> torch.Tensor:
        return torch.tensor([values])

    known, asked = logits(1, 1, 0), logits(1, 0, 1)
    real = [(logits(2.0, 0.5, -9.0), logits(-3.0, 0.0, 9.0), known)]
    fake = [(logits(0.0, 9.0, -0.5), logits(0, 0, 0), asked)]
    terms = heads_terms_of_findings(real, fake)
    # (x, state) up: 0 + 0.5; (x, other state) down: 0.5 (0 + 1); (x̃, state) down: 0.5 (1 + 0.5).
    assert float(terms["h_findings"]) == pytest.approx(0.5 + 0.5 + 0.75)
    assert float(generator_terms_of_findings(fake, 0.3)["g_features_findings"][1]) == pytest.approx(0.5)
    assert not heads_terms_of_findings([], [])


def test_the_projected_discriminator_tells_the_generator_of_each_finding(
    options: TrainOptions, schema: ConditionSchema, batch: Batch, plan: StepPlan, device: torch.device
) -> None:
    options = replace(options, objective=replace(options.objective, features_weight=1.0))
    plan = replace(plan, objective=options.objective)
    state = TrainingState(options, schema.slots(), device, make_frozen())
    heads = state.adversaries.feature_heads
    before = [head.findings.layers[-1].bias.clone() for head in heads.heads]
    state.adversaries.requires_grad_(False)
    logged, terms = train_projected(state, batch, plan, forward(state, batch, plan))
    assert set(terms) == {"g_features", "g_features_condition", "g_features_findings"}
    assert "h_findings" in logged
    assert reached_by(state, terms["g_features_findings"][1]) == {"generator", "content_prior"}
    after = [head.findings.layers[-1].bias for head in heads.heads]
    assert all((one != other).all() for one, other in zip(before, after, strict=True))
