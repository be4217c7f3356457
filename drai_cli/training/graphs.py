"""Steps of training as they are fastest on a device: on a GPU replayed as CUDA graphs, elsewhere one by one.

A step is some thousands of small kernels, and to launch each from Python takes longer than a GPU needs to compute it.
Recorded once, all of them are launched together; what changes from step to step (images, conditions, rates, the
augmentation's probability, the noise's seed) is read from memory that stays in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor

from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_step

Step = Callable[[Batch, bool], dict[str, Tensor]]


def steps_of(state: TrainingState, plan: StepPlan) -> Step:
    """What makes a step of (batch, has_penalty), as `train_step` does; its terms hold until the next step."""
    # Processes talk to each other within a step, which is not recorded.
    if state.device.type == "cuda" and plan.processes.size == 1:
        return GraphedSteps(state, plan)
    return steps_as_they_are(state, plan)


def steps_as_they_are(state: TrainingState, plan: StepPlan) -> Step:
    """Steps launched from Python."""

    def step(batch: Batch, has_penalty: bool) -> dict[str, Tensor]:
        return train_step(state, batch, plan, has_penalty)

    return step


class GraphedSteps:
    """Each kind of step (with R1 or without, augmented or not) is made once as it is, then recorded, then replayed."""

    def __init__(self, state: TrainingState, plan: StepPlan) -> None:
        self.state, self.plan = state, plan
        self.held: dict[bool, Batch] = {}
        self.is_ready: set[tuple[bool, bool]] = set()
        self.recorded: dict[tuple[bool, bool], tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}
        # One graph runs at a time, and what it leaves is read before the next: they can share their memory.
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, batch: Batch, has_penalty: bool) -> dict[str, Tensor]:
        is_augmented = batch.augment_probability is not None
        kind = has_penalty, is_augmented
        batch = self._in_place(batch, is_augmented)
        if kind in self.recorded:
            self.state.images_seen += len(batch)
        elif kind in self.is_ready:
            self.recorded[kind] = self._record(batch, has_penalty)
        else:
            self.is_ready.add(kind)
            return self._make_ready(batch, has_penalty)
        graph, terms = self.recorded[kind]
        graph.replay()
        return terms

    def _in_place(self, batch: Batch, is_augmented: bool) -> Batch:
        """The batch in the memory that recorded steps read."""
        held = self.held.setdefault(is_augmented, batch)
        if held is not batch:
            torch._foreach_copy_(_tensors(held), _tensors(batch))
        return held

    def _make_ready(self, batch: Batch, has_penalty: bool) -> dict[str, Tensor]:
        """A step as it is: libraries load what they need, and the optimisers make their moments."""
        aside = torch.cuda.Stream(self.state.device)
        here = torch.cuda.current_stream(self.state.device)
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            terms = train_step(self.state, batch, self.plan, has_penalty)
        here.wait_stream(aside)
        return terms

    def _record(self, batch: Batch, has_penalty: bool) -> tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]:
        """Records a step without making it."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(batch.generator)
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            terms = train_step(self.state, batch, self.plan, has_penalty)
        return graph, terms


def _tensors(batch: Batch) -> list[Tensor]:
    return [value for field in fields(Batch) if isinstance(value := getattr(batch, field.name), Tensor)]
