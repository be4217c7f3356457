"""Who learns from what, term by term, and what a step leaves alone (the table in `reference/method.md`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.config import Objective
from drai_cli.training import step
from drai_cli.training.forward import forward
from drai_cli.training.hiding import predictor_losses, standardise, update_predictors
from drai_cli.training.passes import Batch, Passes, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_step
from drai_cli.training.terms import discriminator_terms
from tests.training.reached import REACHED, player_terms, reached_by


@pytest.fixture
def passes(state: TrainingState, batch: Batch, plan: StepPlan) -> Passes:
    state.adversaries.requires_grad_(False)
    return forward(state, batch, plan)


@pytest.fixture
def terms(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> dict[str, tuple[float, Tensor]]:
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    return player_terms(state, batch, plan, passes, features)


@pytest.mark.parametrize("name", REACHED)
def test_a_term_reaches_its_networks_and_no_other(
    name: str, state: TrainingState, terms: dict[str, tuple[float, Tensor]]
) -> None:
    assert reached_by(state, terms[name][1]) == REACHED[name]


def test_code_cycle_reaches_the_prior_only_through_the_generated_image(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, terms: dict[str, tuple[float, Tensor]]
) -> None:
    # c enters the generator, so the prior hears of the cycle through x̃; as a target c is stopped.
    assert reached_by(state, terms["code_cycle"][1]) == {"generator", "encoder", "content_prior"}
    state.networks.generator.requires_grad_(False)
    stopped = replace(passes, generated=passes.generated.detach())
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    again = player_terms(state, batch, plan, stopped, features)
    assert reached_by(state, again["code_cycle"][1]) == {"encoder"}


def test_every_term_is_covered(terms: dict[str, tuple[float, Tensor]]) -> None:
    assert set(terms) == set(REACHED) | {"code_cycle"}


def test_the_discriminators_terms_reach_it_alone(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    discriminator = state.adversaries.discriminator.requires_grad_(True)
    features = discriminator.trunk(torch.cat([batch.images, passes.generated.detach()]))
    terms, _ = discriminator_terms(discriminator, features, batch, passes, plan.objective)
    assert set(terms) == {"d_image", "d_condition", "d_content", "d_style"}
    for _, term in terms.values():
        assert reached_by(state, term) == {"discriminator"}


def test_heads_get_gradients_of_full_precision_in_a_bfloat16_step(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    train_step(state, batch, replace(plan, autocast_dtype=torch.bfloat16), has_penalty=False)
    for name, parameter in state.adversaries.discriminator.image.named_parameters():
        assert parameter.grad is not None
        rounded = parameter.grad.bfloat16().float()
        assert parameter.grad.numel() < 8 or not torch.equal(parameter.grad, rounded), name


def test_predictors_learn_to_predict_and_the_encoder_to_hide(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    assert passes.real is not None
    codes = passes.real.content.mean, passes.real.style.mean
    state.adversaries.predictors.requires_grad_(True)
    seen = standardise(state, codes[0].detach(), codes[1].detach())
    found = predictor_losses(state, plan, *seen, batch.condition)
    assert reached_by(state, found.sum()) == {"predictors"}
    # The encoder's share points the other way: a step against `hiding` raises what the predictors lose.
    state.adversaries.predictors.requires_grad_(False)
    found = predictor_losses(state, plan, *standardise(state, *codes), batch.condition)
    (towards,) = torch.autograd.grad(found[2], codes[1], retain_graph=True)
    assert float(towards.abs().sum()) > 0
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    hiding = player_terms(state, batch, plan, passes, features)["grl"][1]
    (away,) = torch.autograd.grad(hiding, codes[1])
    assert float((towards * away).sum()) < 0


# What each method's step computes, of the players and of their adversaries.


def test_a_switched_off_term_is_not_computed(state: TrainingState, batch: Batch, plan: StepPlan) -> None:
    off = Objective(condition_weight=0, dual_weight=0, align_weight=0, match_weight=0, code_cycle_weight=0,
                    grl_weight=0, independence_weight=0, self_weight=0, prior_kl_weight=0,
                    style_kl_weight=0)  # fmt: skip
    passes = forward(state, batch, replace(plan, objective=off))
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    terms = player_terms(state, batch, replace(plan, objective=off), passes, features)
    assert set(terms) == {"image_cycle"}


def test_steps_learn_a_batch_by_heart(
    state: TrainingState, smooth_batch: Batch, reconstructing_plan: StepPlan
) -> None:
    losses = [
        float(train_step(state, smooth_batch, reconstructing_plan, has_penalty=False)["image_cycle"])
        for _ in range(250)
    ]
    assert losses[-1] < 0.4 * losses[0]


def test_alignment_sees_the_transformed_copy_too(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    mean, log_variance = passes.real.changed_content
    moved = replace(passes, real=replace(passes.real, changed_content=Gaussian(mean + 1, log_variance)))
    before, after = (player_terms(state, batch, plan, seen, features) for seen in (passes, moved))
    for name in ("align", "match"):
        assert not torch.equal(before[name][1], after[name][1])


def test_swaps_show_a_rows_content_in_anothers_style(
    state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    plan = replace(plan, objective=replace(plan.objective, swap_share=0.5))
    passes = forward(state, batch, plan)
    swaps = slice(passes.from_prior, None)
    content, style = passes.content[swaps], passes.style[swaps]
    assert len(content) == len(batch.images) // 2
    assert torch.equal(content, passes.real.content.mean[swaps])
    others = passes.real.style.mean[swaps]
    assert {*map(tuple, style.tolist())} == {*map(tuple, others.tolist())}
    assert not (style == others).all(1).any()
    assert torch.equal(passes.condition[swaps], batch.condition[swaps])
    assert torch.equal(passes.condition[: passes.from_prior], batch.drawn_condition[: passes.from_prior])
    assert not style.requires_grad


def test_the_conditional_game_asks_a_swap_for_its_contents_label(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    other = torch.cat([passes.condition[: passes.from_prior], batch.wrong_condition[passes.from_prior :]])
    asked, otherwise = (
        player_terms(state, batch, plan, replace(passes, condition=condition), features)["g_condition"][1]
        for condition in (passes.condition, other)
    )
    assert not torch.equal(asked, otherwise)


def test_the_inference_games_play_no_swaps(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    swaps = torch.arange(len(passes.content))[:, None] >= passes.from_prior
    moved = replace(
        passes,
        content=torch.where(swaps, passes.content + 1, passes.content),
        style=torch.where(swaps, passes.style + 1, passes.style),
    )
    before, after = (player_terms(state, batch, plan, seen, features) for seen in (passes, moved))
    for name in ("g_content", "g_style"):
        assert torch.equal(before[name][1], after[name][1])
    assert not torch.equal(before["code_cycle"][1], after["code_cycle"][1])


def test_an_attribute_of_which_nothing_is_known_does_not_stop_training(
    state: TrainingState, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    age = schema.slices()[1]
    condition = batch.condition.clone()
    condition[:, age] = torch.tensor([0.0, 1.0])
    terms = train_step(state, replace(batch, condition=condition), plan, has_penalty=True)
    assert all(bool(torch.isfinite(term)) for term in terms.values())


def test_predictors_see_this_steps_codes_of_images_copies_and_more(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, ...]] = []

    def spy(state: TrainingState, plan: StepPlan, *rows: Tensor) -> Tensor:
        seen.append(rows)
        return predictor_losses(state, plan, *rows)

    monkeypatch.setattr("drai_cli.training.hiding.predictor_losses", spy)
    assert state.networks.encoder is not None
    with torch.no_grad():
        _, more = state.networks.encoder(batch.more_images)
    update_predictors(state, batch, plan, passes.real)
    own = torch.cat([passes.real.style.mean, passes.real.changed_style.mean, more.mean])
    own = state.style_moments.standardise(own)
    conditions = torch.cat([batch.condition, batch.condition, batch.more_condition])
    assert len(seen) == plan.objective.predictor_updates
    for _, style, condition in seen:
        assert len(style) == 2 * len(own)  # and as many of earlier steps
        torch.testing.assert_close(style[: len(own)], own)
        assert torch.equal(condition[: len(own)], conditions)
    assert len(batch.more_images) == 3 * len(batch.images)


def test_hiding_counts_the_transformed_copies(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    hiding = player_terms(state, batch, plan, passes, features)["grl"][1]
    (gradient,) = torch.autograd.grad(hiding, passes.real.changed_style.mean, allow_unused=True)
    assert gradient is not None
    assert float(gradient.abs().sum()) > 0


@pytest.mark.parametrize(("scale", "left"), [(1e-3, 1e-3), (1e3, 10.0)])
def test_only_a_gradient_that_is_too_large_is_scaled(scale: float, left: float) -> None:
    module = torch.nn.Linear(4, 1)
    module.weight.grad = torch.tensor([[1.0, -2.0, 3.0, 0.5]])
    module.weight.grad *= scale / module.weight.grad.norm()
    direction = module.weight.grad / scale
    step._clip(module)
    assert torch.allclose(module.weight.grad, left * direction, rtol=1e-4)
