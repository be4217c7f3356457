"""Who learns from what, term by term, and what a step leaves alone (the table in METHOD section 2)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from drai_cli.condition import ConditionSchema
from drai_cli.config import Objective, TrainOptions
from drai_cli.methods import METHODS, objective_of
from drai_cli.model.gaussian import Gaussian
from drai_cli.training import step
from drai_cli.training.hiding import predictor_losses, standardised, update_predictors
from drai_cli.training.passes import Batch, Passes, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import discriminator_terms, forward, train_step
from drai_cli.training.terms import Terms, adversarial_terms, code_terms

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


def player_terms(
    state: TrainingState, batch: Batch, plan: StepPlan, passes: Passes, features: Tensor
) -> Terms:
    told = adversarial_terms(state, batch, plan, passes, features)
    return told | code_terms(state, batch, plan, passes)


def parts_of(state: TrainingState) -> dict[str, nn.Module]:
    networks, adversaries = state.networks, state.adversaries
    parts = {
        "generator": networks.generator,
        "encoder": networks.encoder,
        "content_prior": networks.content_prior,
        "discriminator": adversaries.discriminator,
        "predictors": adversaries.predictors,
    }
    return {name: part for name, part in parts.items() if part is not None}


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
    features = discriminator.trunk(torch.cat([batch.images, passes.generated.detach()]))
    terms = discriminator_terms(discriminator, features, batch, passes, plan.objective, {})
    assert set(terms) == {"d_image", "d_condition", "d_content", "d_style"}
    for term in terms.values():
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
    seen = standardised(state, codes[0].detach(), codes[1].detach())
    found = predictor_losses(state, plan, *seen, batch.condition)
    assert reached_by(state, found.sum()) == {"predictors"}
    # The encoder's share points the other way: a step against `hiding` raises what the predictors lose.
    state.adversaries.predictors.requires_grad_(False)
    found = predictor_losses(state, plan, *standardised(state, *codes), batch.condition)
    (towards,) = torch.autograd.grad(found[2], codes[1], retain_graph=True)
    assert float(towards.abs().sum()) > 0
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    hiding = player_terms(state, batch, plan, passes, features)["grl"][1]
    (away,) = torch.autograd.grad(hiding, codes[1])
    assert float((towards * away).sum()) <= 0


# What each method's step computes, of the players and of their adversaries.
_GAN = {"d_image", "d_condition", "g_image", "g_condition", "real_logits", "fake_logits", "real_sign", "r1"}
_DUAL = {"d_content", "d_style", "g_content", "g_style", "e_content", "e_style"}
_DAI = {*_GAN, *_DUAL, "align", "match", "image_cycle", "code_cycle", "prior_kl", "style_kl"}
_HIDING = {"grl", "independence", "f_content", "f_style", "f_condition"}
COMPUTED = {
    "drai": {*_DAI, *_HIDING, "self_content", "self_style"},
    "dai-grl": {*_DAI, *_HIDING},
    "dai-self": {*_DAI, "self_content", "self_style"},
    "dai": _DAI,
    "cgan": _GAN,
    "cinfogan": {*_GAN, "code_cycle"},
    "dual-cinfogan": {*_GAN, "code_cycle", "prior_kl"},
    "cavae": {*_GAN, "image_cycle", "d_all_style", "all_style"},
    "dual-cavae": {*_GAN, "image_cycle", "d_all_style", "all_style", "d_all_content", "all_content", "prior_kl"},
}  # fmt: skip

# Where a method's terms reach other networks than the same terms of drai. Without an encoder's content, the content
# prior is the embedding of the condition, a part of the generator.
REACHED_OF = {
    "cinfogan": {"code_cycle": {"generator", "encoder", "content_prior"}},
    "dual-cinfogan": {"code_cycle": {"generator", "encoder", "content_prior"}},
    "cavae": {"image_cycle": {"generator", "encoder", "content_prior"}, "all_style": {"encoder"}},
    "dual-cavae": {"all_content": {"encoder"}, "all_style": {"encoder"}},
}


def of_method(
    method: str, options: TrainOptions, plan: StepPlan, schema: ConditionSchema
) -> tuple[TrainingState, StepPlan]:
    """A method's own networks and plan."""
    state = TrainingState(replace(options, method=method), schema.dim, torch.device("cpu"))
    return state, replace(plan, objective=objective_of(method, plan.objective))


def test_every_method_is_covered() -> None:
    assert set(COMPUTED) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_computes_its_terms_only(
    method: str, options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    state, plan = of_method(method, options, plan, schema)
    before = {name: tensor.clone() for name, tensor in state.networks.state_dict().items()}
    terms = train_step(state, batch, plan, has_penalty=True)
    assert set(terms) == COMPUTED[method]
    assert all(bool(torch.isfinite(term)) for term in terms.values())
    moved = {n.split(".")[0] for n, t in state.networks.state_dict().items() if not torch.equal(t, before[n])}
    assert moved == {"generator", "content_prior"} | ({"encoder"} if METHODS[method].has_encoder else set())


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"drai", "dai", "dai-grl", "dai-self"}))
def test_the_terms_of_a_method_reach_its_networks_and_no_other(
    method: str, options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    state, plan = of_method(method, options, plan, schema)
    state.adversaries.requires_grad_(False)
    passes = forward(state, batch, plan)
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    for name, (weight, term) in player_terms(state, batch, plan, passes, features).items():
        assert weight > 0
        assert reached_by(state, term) == {**REACHED, **REACHED_OF.get(method, {})}[name], name


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_runs_side_by_side_on_a_gpu_reads_nothing_of_each_other(
    method: str, options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    state, plan = of_method(method, options, plan, schema)
    state.adversaries.requires_grad_(False)
    passes = forward(state, batch, plan)
    features = state.adversaries.discriminator.trunk(batch.images).detach()
    discriminator, predictors = state.adversaries.discriminator, state.adversaries.predictors
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.fill_(torch.nan)
    of_codes = code_terms(state, batch, plan, passes)
    if plan.objective.grl_weight and passes.real is not None:
        update_predictors(state, batch, plan, passes.real, {})
    assert all(bool(torch.isfinite(term)) for _, term in of_codes.values())
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.fill_(0.01)
        for module in (predictors, state.content_moments, state.style_moments, state.recent):
            for tensor in module.state_dict().values() if module is not None else ():
                if tensor.is_floating_point():
                    tensor.fill_(torch.nan)
    told = adversarial_terms(state, batch, plan, passes, features)
    assert all(bool(torch.isfinite(term)) for _, term in told.values())
    assert not set(told) & set(of_codes)


@pytest.mark.parametrize(("method", "count"), [("cavae", 1), ("dual-cavae", 2)])
def test_code_discriminators_learn_from_codes_alone_and_push_them_apart(
    method: str, count: int, options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    state, plan = of_method(method, options, plan, schema)
    discriminator = state.adversaries.discriminator.requires_grad_(True)
    passes = forward(state, batch, plan)
    features = discriminator.trunk(torch.cat([batch.images, passes.generated.detach()]))
    terms = discriminator_terms(discriminator, features, batch, passes, plan.objective, {})
    own = [name for name in terms if name.startswith("d_all")]
    assert len(own) == count
    for name in own:
        discriminator.zero_grad()
        assert reached_by(state, terms[name]) == {"discriminator"}
        touched = {k.split(".")[0] for k, p in discriminator.named_parameters() if p.grad is not None}
        assert touched == {"codes"}
    # A step of the encoder against its term makes its codes look more as if they were drawn.
    state.adversaries.requires_grad_(False)
    codes, real = discriminator.codes, passes.real
    term = player_terms(state, batch, plan, passes, features[: len(batch)].detach())["all_style"][1]
    (gradient,) = torch.autograd.grad(term, real.drawn_style, retain_graph=True)
    moved = real.drawn_style - 0.1 * gradient / gradient.norm()
    gain = codes.style(moved) - codes.style(real.drawn_style)
    assert float(gain.mean().detach()) > 0


def test_an_encoder_of_generated_images_never_sees_a_real_one(
    options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    for method in ("cinfogan", "dual-cinfogan"):
        state, plan_of = of_method(method, options, plan, schema)
        seen: list[Tensor] = []
        state.networks.encoder.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        before = batch.images.clone()
        train_step(state, batch, plan_of, has_penalty=True)
        assert len(seen) == 1
        assert not torch.equal(seen[0], before)
        assert forward(state, batch, plan_of).real is None


def test_fixed_content_is_the_mean_of_the_prior(
    options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    state, plan = of_method("cavae", options, plan, schema)
    passes = forward(state, batch, plan)
    assert torch.equal(passes.content, state.networks.content_prior(batch.drawn_condition).mean)
    assert passes.from_prior == len(batch.images)
    content, half = state.networks.content_prior(batch.condition).mean, len(batch.images) // 2
    style = torch.cat([passes.real.drawn_style[:half], passes.real.style.mean[half:]])
    torch.testing.assert_close(passes.reconstructed, state.networks.generator(content, style))


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
    update_predictors(state, batch, plan, passes.real, {})
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
