"""The projected discriminator: which networks learn from it, and that its loss is low for images that look real."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import Objective, TrainOptions
from drai_cli.training.batches import Batches
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.forward import forward
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.projected import generator_terms, heads_terms, judge_maps, read_maps
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_projected, train_step
from tests.training.frozen import make_frozen
from tests.training.reached import reached_by
from tests.training.test_graphs import step_elsewhere

OF_THE_GAME = {"h_image", "h_condition", "h_gap", "g_features", "g_features_condition"}


@pytest.fixture
def frozen() -> FrozenFeatures:
    return make_frozen()


@pytest.fixture
def options(options: TrainOptions) -> TrainOptions:
    return replace(options, objective=replace(options.objective, features_weight=1.0))


@pytest.fixture
def state(
    options: TrainOptions, schema: ConditionSchema, device: torch.device, frozen: FrozenFeatures
) -> TrainingState:
    return TrainingState(options, schema.slots(), device, frozen)


def without(options: TrainOptions) -> TrainOptions:
    return replace(options, objective=replace(options.objective, features_weight=0.0))


def test_the_generators_terms_reach_it_and_the_prior(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    state.adversaries.requires_grad_(False)
    _, terms = train_projected(state, batch, plan, forward(state, batch, plan))
    assert set(terms) == {"g_features", "g_features_condition"}
    for _, term in terms.values():
        assert reached_by(state, term) == {"generator", "content_prior"}


def test_the_heads_terms_reach_them_alone(state: TrainingState, batch: Batch, plan: StepPlan) -> None:
    assert state.features is not None
    heads = state.adversaries.feature_heads
    passes = forward(state, batch, plan)
    real_maps, fake_maps = (
        read_maps(state.features, images, batch, plan) for images in (batch.images, passes.generated.detach())
    )
    real = judge_maps(heads, real_maps, [batch.condition, batch.wrong_condition], plan)
    fake = judge_maps(heads, fake_maps, [passes.condition], plan)
    for term in heads_terms(real, fake).values():
        assert reached_by(state, term) == {"feature_heads"}


def test_the_game_updates_the_heads_and_nothing_else(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    state.adversaries.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    train_projected(state, batch, plan, forward(state, batch, plan))
    changed = {
        name
        for name, tensor in state.tensors().items()
        if name in before and not torch.equal(tensor, before[name])
    }
    assert changed
    assert all(name.startswith("adversaries/feature_heads.") for name in changed)


def test_losses_are_those_written_down() -> None:
    def logits(*values: float) -> Tensor:
        return torch.tensor(values)[:, None]

    # x up beyond 1 costs nothing; (x, t') and (x̃, t) count half each.
    real = [(logits(2.0, 0.5), [logits(0.0, 0.0), logits(-3.0, -3.0)])]
    fake = [(logits(-0.5, -0.5), [logits(1.0, 1.0)])]
    terms = heads_terms(real, fake)
    assert float(terms["h_image"]) == pytest.approx(0.25 + 0.5)
    assert float(terms["h_condition"]) == pytest.approx(1.0 + 0.5 * 0.0 + 0.5 * 2.0)
    of_generator = generator_terms(fake, 0.7)
    assert of_generator["g_features"][0] == 0.7
    assert float(of_generator["g_features"][1]) == pytest.approx(0.5)
    assert float(of_generator["g_features_condition"][1]) == pytest.approx(-1.0)


def test_weight_0_is_a_step_without_the_game(
    options: TrainOptions,
    schema: ConditionSchema,
    device: torch.device,
    batches: Batches,
    plan: StepPlan,
) -> None:
    plan = replace(plan, objective=replace(plan.objective, features_weight=0.0))
    found = []
    for features in (None, make_frozen()):
        state = TrainingState(without(options), schema.slots(), device, features)
        for _ in range(2):
            terms = train_step(state, batches.at(state.images_seen, 0.3), plan, has_penalty=True)
            assert not OF_THE_GAME & set(terms)
        found.append(state.tensors())
    plain, other = found
    assert all(torch.equal(tensor, other[name]) for name, tensor in plain.items())
    assert not any("feature" in name for name in plain)


def test_other_networks_start_the_same_with_and_without_it(
    state: TrainingState, options: TrainOptions, schema: ConditionSchema, device: torch.device
) -> None:
    plain = TrainingState(without(options), schema.slots(), device).tensors()
    mine = state.tensors()
    assert all(torch.equal(tensor, mine[name]) for name, tensor in plain.items())


def test_a_projected_discriminator_needs_a_network(options: TrainOptions, schema: ConditionSchema) -> None:
    with pytest.raises(ValueError, match="needs a frozen network"):
        TrainingState(options, schema.slots(), torch.device("cpu"))


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_a_resumed_step_is_the_same(
    dtype: torch.dtype | None,
    state: TrainingState,
    batches: Batches,
    plan: StepPlan,
    options: TrainOptions,
    schema: ConditionSchema,
) -> None:
    plan = replace(plan, objective=options.objective, autocast_dtype=dtype)
    for _ in range(3):
        terms = train_step(state, batches.at(state.images_seen, 0.0), plan, has_penalty=False)
    assert set(terms) >= OF_THE_GAME
    assert all(torch.isfinite(term) for term in terms.values())
    other = TrainingState(options, schema.slots(), torch.device("cpu"), make_frozen())
    other.load_tensors({name: tensor.clone().contiguous() for name, tensor in state.tensors().items()})
    other.images_seen = state.images_seen
    for each in (state, other):
        train_step(each, batches.at(each.images_seen, 0.0), plan, has_penalty=False)
    mine, theirs = state.tensors(), other.tensors()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_the_step_never_waits_for_the_gpu(
    options: TrainOptions,
    batch: Batch,
    plan: StepPlan,
    schema: ConditionSchema,
    state: TrainingState,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = replace(plan, objective=options.objective)
    terms = set(train_step(state, batch, plan, has_penalty=True))
    assert terms >= OF_THE_GAME
    assert step_elsewhere(options, schema, batch, plan, monkeypatch, make_frozen()) == terms


def test_heads_tell_one_batch_apart(
    state: TrainingState, smooth_batch: Batch, plan: StepPlan, options: TrainOptions
) -> None:
    state.adversaries.requires_grad_(False)
    plan = replace(plan, objective=options.objective)
    passes = forward(state, smooth_batch, plan)
    state.optimisers["feature_heads"].param_groups[0]["lr"] = 3e-3
    gaps = [float(train_projected(state, smooth_batch, plan, passes)[0]["h_gap"].detach()) for _ in range(40)]
    assert sum(gaps[-5:]) / 5 > 0.15
    assert abs(gaps[0]) < 0.15


def test_a_generator_learns_to_fool_the_heads(
    state: TrainingState, smooth_batch: Batch, plan: StepPlan
) -> None:
    """Against heads that have learned and then stand still, it wins."""
    only = Objective(condition_weight=0, dual_weight=0, align_weight=0, match_weight=0, code_cycle_weight=0,
                     grl_weight=0, self_weight=0, prior_kl_weight=0, style_kl_weight=0, image_cycle_weight=0,
                     features_weight=1.0, swap_share=0.0)  # fmt: skip
    plan = replace(plan, objective=only)
    state.adversaries.requires_grad_(False)
    passes = forward(state, smooth_batch, plan)
    of_heads = state.optimisers["feature_heads"].param_groups[0]
    of_heads["lr"] = 3e-3
    for _ in range(40):
        train_projected(state, smooth_batch, plan, passes)
    of_heads["lr"] = 0.0
    lost = []
    for _ in range(50):
        terms = train_step(state, smooth_batch, plan, has_penalty=False)
        lost.append(float(terms["g_features"] + terms["g_features_condition"]))
    assert sum(lost[-5:]) < sum(lost[:5]) - 5
