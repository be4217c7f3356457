"""Losses against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from drai_cli.conditions.attribute import Slot
from drai_cli.model.gaussian import Gaussian
from drai_cli.training import losses


def test_logistic_losses_at_zero_and_far() -> None:
    zero, far = torch.zeros(3), torch.full((3,), 30.0)
    assert float(losses.real_side_loss(zero)) == pytest.approx(math.log(2))
    assert float(losses.real_side_loss(far)) == pytest.approx(0, abs=1e-9)
    assert float(losses.fake_side_loss(far)) == pytest.approx(30)


def test_relativistic_loss_depends_on_the_difference_only() -> None:
    high, low = torch.tensor([1.0, 5.0]), torch.tensor([0.0, 4.0])
    assert float(losses.relativistic_loss(high, low)) == pytest.approx(math.log(1 + math.exp(-1)))
    assert torch.equal(losses.relativistic_loss(high + 7, low + 7), losses.relativistic_loss(high, low))


def test_r1_of_a_quadratic() -> None:
    # D(x) = a/2 |x|² has gradient a x, so R1 is a² |x|².
    images = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    penalty = losses.r1_penalty(1.5 * images.square().sum((1, 2, 3)), images)
    assert penalty.item() == pytest.approx(9 * images.square().sum((1, 2, 3)).mean().item(), rel=1e-5)
    assert penalty.requires_grad


def test_kl_of_gaussians() -> None:
    q = Gaussian(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, math.log(4.0)]]))
    p = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    # 1/2 for the shifted dimension; (4 - 1 - log 4) / 2 for the wide one.
    expected = 0.5 + 0.5 * (4 - 1 - math.log(4))
    assert float(losses.kl_divergence(q, p)) == pytest.approx(expected)
    assert float(losses.kl_to_standard(q)) == pytest.approx(expected)
    assert float(losses.kl_divergence(q, q)) == 0


def test_matching_is_bayes_rule_on_the_priors() -> None:
    # Two conditions with priors N(-1, 1) and N(1, 1): at content m the odds of the second are e^(2m).
    condition = torch.eye(2)
    prior = Gaussian(torch.tensor([[-1.0], [1.0]]), torch.zeros(2, 1))
    at = torch.tensor([[0.0], [0.5]])
    expected = (math.log(2) + math.log(1 + math.exp(-1))) / 2
    assert float(losses.matching_loss(at, prior, condition)) == pytest.approx(expected)
    # A wide prior is nowhere dense: its normalisation counts.
    wide = Gaussian(torch.zeros(2, 1), torch.tensor([[0.0], [math.log(4.0)]]))
    expected = (math.log(1 + 1 / 2) + math.log(1 + 2)) / 2
    assert float(losses.matching_loss(torch.zeros(2, 1), wide, condition)) == pytest.approx(expected)


def test_matching_takes_rows_of_equal_condition_as_one() -> None:
    prior = Gaussian(torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), torch.zeros(3, 2))
    condition = torch.tensor([[1.0, 0.0]] * 3)
    assert float(losses.matching_loss(prior.mean + 9, prior, condition)) == pytest.approx(0, abs=1e-5)


def test_independence_is_unbiased_and_sees_what_a_line_cannot() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 4
    condition = torch.nn.functional.one_hot(labels, 4).float()
    noise = torch.randn(200, 64, 6, generator=generator)
    unrelated = torch.stack([losses.independence_loss(style, condition) for style in noise])
    assert abs(float(unrelated.mean())) < 3 * float(unrelated.std()) / math.sqrt(200)
    told = losses.independence_loss(4 * condition + 0.1 * noise[0, :, :4], condition)
    assert float(told) > 0.3
    # The label in the spread alone: every class has mean 0.
    spread = torch.stack([losses.independence_loss(s * (0.3 + labels[:, None]), condition) for s in noise])
    assert float(spread.mean()) > 10 * float(unrelated.std()) / math.sqrt(200)


def test_independence_cannot_be_had_by_inflating_or_moving_all_codes() -> None:
    condition = torch.nn.functional.one_hot(torch.arange(32) % 4, 4).float()
    style = condition @ torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    style = style + 0.3 * torch.randn(32, 6, generator=torch.Generator().manual_seed(1))
    before = float(losses.independence_loss(style, condition))
    assert float(losses.independence_loss(50 * style + 7, condition)) == pytest.approx(before, rel=2e-2)


def test_the_image_cycle_weighs_what_stays_when_resolution_falls() -> None:
    images = torch.zeros(1, 1, 8, 8)
    checkerboard = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1.0
    assert float(losses.image_cycle_loss(images, images + 1)) == pytest.approx(1)
    assert float(losses.image_cycle_loss(images, images + checkerboard)) == pytest.approx(1 / 3)


def test_code_cycle_stops_its_target() -> None:
    codes = torch.ones(2, 3, requires_grad=True)
    again = torch.zeros(2, 3, requires_grad=True)
    loss = losses.code_cycle_loss(codes, again)
    loss.backward()
    assert loss.item() == 1
    assert codes.grad is None
    assert again.grad is not None


def test_condition_prediction_beside_the_constant_predictor() -> None:
    # Two categories (three of one, one of the other, one row missing), a number, a finding of one in four.
    condition = torch.tensor(
        [
            [1, 0, 0, 2.0, 0, 1, 0],
            [1, 0, 0, 0.0, 0, 0, 0],
            [1, 0, 0, 0.0, 1, 0, 0],
            [0, 1, 0, 1.0, 0, 0, 0],
            [0, 0, 1, 0.0, 1, 0, 1],
        ]
    )
    marginal = torch.tensor([0.75, 0.25]).log()
    logit = math.log(0.25 / 0.75)
    predicted = torch.cat(
        [
            marginal.expand(5, 2),
            torch.tensor([[0.0, 1.0, 0.0, logit, 0.0]]).expand(5, 5),
        ],
        dim=1,
    )
    slots = (
        Slot(slice(0, 3), "category", False),
        Slot(slice(3, 5), "number", True),
        Slot(slice(5, 7), "finding", True),
    )
    found = losses.condition_prediction_loss(condition, predicted, slots)
    constant = losses.condition_constant_loss(condition, slots)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found.tolist() == pytest.approx([entropy, 2 / 3, entropy])
    assert constant.tolist() == pytest.approx([entropy, 2 / 3, entropy])


def test_hiding_gains_nothing_past_the_constant_predictor() -> None:
    found = torch.tensor([0.4, 3.0], requires_grad=True)
    losses.hiding_loss(found, torch.ones(2)).backward()
    assert found.grad is not None
    assert found.grad.tolist() == [-0.5, 0.0]


def test_separation_is_bounded_and_stops_at_the_margin() -> None:
    style = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    changed = torch.tensor([[5.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    assert float(losses.separation_loss(style, changed, 0.5)) == pytest.approx(0.5 / 3)
    assert float(losses.separation_loss(100 * style, changed, 0.5)) == pytest.approx(0.5 / 3)
