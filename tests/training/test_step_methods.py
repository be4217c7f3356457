"""Each method: the terms that it computes, whom they reach, and what runs beside what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.methods import METHODS, objective_of
from drai_cli.training.forward import forward
from drai_cli.training.hiding import update_predictors
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import compute_adversarial_terms, compute_code_terms, train_step
from drai_cli.training.terms import discriminator_terms
from tests.training.reached import REACHED, begun, player_terms, reached_by

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
    state = TrainingState(replace(options, method=method), schema.slots(), torch.device("cpu"))
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
    passes, features = begun(state, batch, plan)
    for name, (weight, term) in player_terms(state, batch, plan, passes, features).items():
        assert weight > 0
        assert reached_by(state, term) == {**REACHED, **REACHED_OF.get(method, {})}[name], name


@torch.no_grad()
def fill(module: nn.Module, value: float) -> None:
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.fill_(value)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_runs_side_by_side_on_a_gpu_reads_nothing_of_each_other(
    method: str, options: TrainOptions, batch: Batch, plan: StepPlan, schema: ConditionSchema
) -> None:
    state, plan = of_method(method, options, plan, schema)
    passes, features = begun(state, batch, plan)
    discriminator, predictors = state.adversaries.discriminator, state.adversaries.predictors
    fill(discriminator, torch.nan)
    of_codes = compute_code_terms(state, batch, plan, passes)
    if plan.objective.grl_weight and passes.real is not None:
        update_predictors(state, batch, plan, passes.real)
    assert all(bool(torch.isfinite(term)) for _, term in of_codes.values())
    fill(discriminator, 0.01)
    for module in (predictors, state.content_moments, state.style_moments, state.recent):
        if module is not None:
            fill(module, torch.nan)
    told = compute_adversarial_terms(state, batch, plan, passes, features)
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
    terms, _ = discriminator_terms(discriminator, features, batch, passes, plan.objective)
    own = [name for name in terms if name.startswith("d_all")]
    assert len(own) == count
    for name in own:
        discriminator.zero_grad()
        assert reached_by(state, terms[name][1]) == {"discriminator"}
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
