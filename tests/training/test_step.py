"""Who learns from what, term by term, and what a step leaves alone (the table in METHOD section 2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.condition import ConditionSchema
from drai_cli.config import METHODS, Objective, objective_of
from drai_cli.model.gaussian import Gaussian
from drai_cli.training.hiding import predictor_losses, update_predictors
from drai_cli.training.passes import Batch, Passes, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import discriminator_terms, forward, player_terms, train_step

# The networks that each of the players' terms reaches, and no others.
REACHED = {
    "g_image": {"generator", "content_prior"},
    "g_condition": {"generator", "content_prior"},
    "g_content": {"generator", "content_prior"},
    "e_content": {"encoder"},
    "g_style": {"generator", "content_prior"},
    "e_style": {"encoder"},
    "align": {"encoder"},
    "match": {"encoder"},
    "image_cycle": {"generator", "encoder"},
    "grl": {"encoder"},
    "independence": {"encoder"},
    "self_content": {"encoder"},
    "self_style": {"encoder"},
    "prior_kl": {"content_prior"},
    "style_kl": {"encoder"},
}


def parts_of(state: TrainingState) -> dict[str, nn.Module]:
    networks, adversaries = state.networks, state.adversaries
    assert networks.encoder is not None
    return {
        "generator": networks.generator,
        "encoder": networks.encoder,
        "content_prior": networks.content_prior,
        "discriminator": adversaries.discriminator,
        "predictors": adversaries.predictors,
    }


def reached_by(state: TrainingState, term: Tensor) -> set[str]:
    """The networks with a gradient that is not zero."""
    for part in parts_of(state).values():
        part.zero_grad()
    term.backward(retain_graph=True)
    return {
        name
        for name, part in parts_of(state).items()
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in part.parameters())
    }


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
    n = len(batch.images)
    features = discriminator.trunk(torch.cat([batch.images, passes.generated.detach()]))
    terms = discriminator_terms(discriminator, features[:n], features[n:], batch, passes, plan.objective, {})
    assert set(terms) == {"d_image", "d_condition", "d_content", "d_style"}
    for term in terms.values():
        assert reached_by(state, term) == {"discriminator"}


def test_predictors_learn_to_predict_and_the_encoder_to_hide(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    codes = passes.content.mean, passes.style.mean
    state.adversaries.predictors.requires_grad_(True)
    found, _ = predictor_losses(state, plan, codes[0].detach(), codes[1].detach(), batch.condition)
    assert reached_by(state, found.sum()) == {"predictors"}
    # The encoder's share points the other way: a step against `hiding` raises what the predictors lose.
    state.adversaries.predictors.requires_grad_(False)
    found, _ = predictor_losses(state, plan, *codes, batch.condition)
    (towards,) = torch.autograd.grad(found[2], codes[1], retain_graph=True)
    assert float(towards.abs().sum()) > 0
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    hiding = player_terms(state, batch, plan, passes, features)["grl"][1]
    (away,) = torch.autograd.grad(hiding, codes[1])
    assert float((towards * away).sum()) <= 0


@pytest.mark.parametrize("method", METHODS)
def test_a_method_computes_its_terms_only(
    method: str, state: TrainingState, batch: Batch, plan: StepPlan
) -> None:
    objective = objective_of(method, replace(plan.objective, independence_weight=1.0))
    terms = train_step(state, batch, replace(plan, objective=objective), has_penalty=True)
    assert ("independence" in terms) == ("grl" in terms)
    assert ("grl" in terms) == bool(objective.grl_weight) == (method in ("drai", "dai-grl"))
    assert ("self_content" in terms) == bool(objective.self_weight) == (method in ("drai", "dai-self"))
    assert all(bool(torch.isfinite(term)) for term in terms.values())


def test_a_switched_off_term_is_not_computed(state: TrainingState, batch: Batch, plan: StepPlan) -> None:
    off = Objective(condition_weight=0, dual_weight=0, align_weight=0, match_weight=0, code_cycle_weight=0,
                    grl_weight=0, independence_weight=0, self_weight=0, prior_kl_weight=0,
                    style_kl_weight=0)  # fmt: skip
    passes = forward(state, batch, replace(plan, objective=off))
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    terms = player_terms(state, batch, replace(plan, objective=off), passes, features)
    assert set(terms) == {"image_cycle"}


def test_steps_learn_a_batch_by_heart(state: TrainingState, batch: Batch, plan: StepPlan) -> None:
    objective = Objective(condition_weight=0, dual_weight=0, code_cycle_weight=0, grl_weight=0, self_weight=0,
                          independence_weight=0, style_kl_weight=0)  # fmt: skip
    corners = torch.rand(len(batch.images), 1, 2, 2, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    smooth = functional.interpolate(corners, size=16, mode="bilinear", align_corners=True)
    batch = replace(batch, images=smooth.contiguous(memory_format=torch.channels_last))
    plan = replace(plan, objective=objective)
    losses = [float(train_step(state, batch, plan, has_penalty=False)["image_cycle"]) for _ in range(250)]
    assert losses[-1] < 0.4 * losses[0]


def test_alignment_sees_the_transformed_copy_too(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes
) -> None:
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    assert passes.changed_content is not None
    mean, log_variance = passes.changed_content
    moved = replace(passes, changed_content=Gaussian(mean + 1, log_variance))
    before, after = (player_terms(state, batch, plan, seen, features) for seen in (passes, moved))
    for name in ("align", "match"):
        assert not torch.equal(before[name][1], after[name][1])


def test_borrowed_styles_are_another_rows(state: TrainingState, batch: Batch, plan: StepPlan) -> None:
    passes = forward(state, batch, plan)
    n = len(batch.images)
    borrowed = passes.drawn_style[passes.from_prior :]
    assert len(borrowed) == round(n * plan.objective.swap_share)
    assert torch.equal(borrowed, passes.inferred_style[passes.from_prior :])
    assert not borrowed.requires_grad


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

    def spy(state: TrainingState, plan: StepPlan, *rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(rows)
        return predictor_losses(state, plan, *rows)

    monkeypatch.setattr("drai_cli.training.hiding.predictor_losses", spy)
    assert state.networks.encoder is not None
    with torch.no_grad():
        _, more = state.networks.encoder(batch.more_images)
    update_predictors(state, batch, plan, passes, {})
    assert passes.changed_style is not None
    own = torch.cat([passes.style.mean, passes.changed_style.mean, more.mean])
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
    assert passes.changed_style is not None
    (gradient,) = torch.autograd.grad(hiding, passes.changed_style.mean, allow_unused=True)
    assert gradient is not None
    assert float(gradient.abs().sum()) > 0
