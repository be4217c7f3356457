"""What a CUDA graph can record: a step waits for nothing of its device and copies nothing from or to the CPU."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from drai_cli.conditions.schema import ConditionSchema
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.methods import METHODS, objective_of
from drai_cli.training import draws
from drai_cli.training.features import FrozenFeatures
from drai_cli.training.graphs import make_stepper
from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_step

# A device without arithmetic, of which nothing can be asked: it stands for a GPU where there is none.
ELSEWHERE = torch.device("meta")


class OnTheDevice(TorchDispatchMode):
    """Fails where a tensor is made on the CPU or carried to or from it."""

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        out = function(*arguments, **(named or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            assert not isinstance(tensor, Tensor) or tensor.device == ELSEWHERE, (
                f"{function}, {tensor.device}"
            )
        return out


def step_elsewhere(
    options: TrainOptions,
    schema: ConditionSchema,
    batch: Batch,
    plan: StepPlan,
    patch: pytest.MonkeyPatch,
    features: FrozenFeatures | None = None,
) -> set[str]:
    """Names of the terms of a step that is computed on that device."""
    patch.setattr("torch.autocast", lambda *_, **__: nullcontext())  # that it does not know
    with patch.context() as without_fused:
        without_fused.setattr(torch.optim, "Adam", lambda parameters, **_: torch.optim.SGD(parameters))
        state = TrainingState(options, schema.slots(), ELSEWHERE, features)
    there = {n: value.to(ELSEWHERE) for n, value in vars(batch).items() if isinstance(value, Tensor)}
    batch = replace(batch, **there, augment_probability=torch.rand((), device=ELSEWHERE))
    patch.setattr(draws, "_source", lambda _: {"device": ELSEWHERE})  # it has no generators either
    with OnTheDevice():
        return set(train_step(state, batch, plan, has_penalty=True))


@pytest.mark.parametrize("method", METHODS)
def test_a_step_never_waits_for_the_gpu(
    method: str,
    options: TrainOptions,
    batch: Batch,
    plan: StepPlan,
    schema: ConditionSchema,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = replace(options, method=method)
    plan = replace(plan, objective=objective_of(method, plan.objective))
    state = TrainingState(options, schema.slots(), torch.device("cpu"))
    terms = set(train_step(state, batch, plan, has_penalty=True))
    assert step_elsewhere(options, schema, batch, plan, monkeypatch) == terms


@pytest.mark.parametrize("waits", [lambda x: x.sum().item(), lambda x: x[x > 0], lambda x: x.cpu()])
def test_what_waits_is_noticed(waits: Any) -> None:
    with pytest.raises((AssertionError, RuntimeError)), OnTheDevice():
        waits(torch.rand(4, device=ELSEWHERE))


def test_without_a_gpu_a_step_is_the_step(
    state: TrainingState, batch: Batch, plan: StepPlan, options: TrainOptions, schema: ConditionSchema
) -> None:
    other = TrainingState(options, schema.slots(), torch.device("cpu"))
    seed = batch.generator.initial_seed()
    batch.generator.manual_seed(seed)
    mine = make_stepper(state, plan)(batch, True)
    batch.generator.manual_seed(seed)
    theirs = train_step(other, batch, plan, has_penalty=True)
    assert {name: float(value) for name, value in mine.items()} == {
        name: float(value) for name, value in theirs.items()
    }
