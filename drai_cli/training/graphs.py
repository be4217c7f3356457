"""Training steps in the fastest way for a device: replayed CUDA graphs on a GPU, plain steps elsewhere.

A step has thousands of small kernels, and launching each from Python takes longer than computing it on a GPU. A
recorded step launches them all together. What changes between steps (images, conditions, learning rates, probability
of augmentation, seed of the noise) is read from memory that keeps its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import torch
from torch import Tensor

from drai_cli.training.passes import Batch, StepPlan
from drai_cli.training.state import TrainingState
from drai_cli.training.step import train_step

Step = Callable[[Batch, bool], dict[str, Tensor]]
_Kind = tuple[bool, bool, int | None]


def make_stepper(state: TrainingState, plan: StepPlan) -> Step:
    """The function that makes a step of (batch, has_penalty), as `train_step` does; its terms hold until the next."""
    # Processes communicate within a step, which cannot be recorded.
    if state.device.type == "cuda" and plan.processes.size == 1:
        return GraphedSteps(state, plan)
    return make_plain_stepper(state, plan)


def make_plain_stepper(state: TrainingState, plan: StepPlan) -> Step:
    """The function that launches each kernel of a step from Python."""
    return lambda batch, has_penalty: train_step(state, batch, plan, has_penalty)


class GraphedSteps:
    """Each kind of step runs plainly once, is then recorded, then replayed.

    Kinds are those with or without R1, augmented or not, and of each image size that the projected discriminator sees.
    """

    def __init__(self, state: TrainingState, plan: StepPlan) -> None:
        self.state, self.plan = state, plan
        self.fed: dict[bool, Batch] = {}
        self.is_ready: set[_Kind] = set()
        self.recorded: dict[_Kind, tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}
        # One graph runs at a time, and its results are read before the next: they can share memory.
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, batch: Batch, has_penalty: bool) -> dict[str, Tensor]:
        is_augmented = batch.augment_probability is not None
        features = self.state.features
        side = None if features is None else features.side_at(batch.size_draw)
        kind = has_penalty, is_augmented, side
        batch = self._copy_in_place(batch, is_augmented)
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

    def _copy_in_place(self, batch: Batch, is_augmented: bool) -> Batch:
        """Copies the batch into the memory that recorded steps read."""
        fed = self.fed.setdefault(is_augmented, batch)
        if fed is not batch:
            torch._foreach_copy_(_tensors(fed), _tensors(batch))
        return replace(fed, size_draw=batch.size_draw)

    def _make_ready(self, batch: Batch, has_penalty: bool) -> dict[str, Tensor]:
        """Makes a plain step, in which libraries initialise and the optimisers allocate their moments."""
        side = torch.cuda.Stream(self.state.device)
        main = torch.cuda.current_stream(self.state.device)
        side.wait_stream(main)
        with torch.cuda.stream(side):
            terms = train_step(self.state, batch, self.plan, has_penalty)
        main.wait_stream(side)
        return terms

    def _record(self, batch: Batch, has_penalty: bool) -> tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]:
        """Records a step without running it."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(batch.generator)
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            terms = train_step(self.state, batch, self.plan, has_penalty)
        return graph, terms


def _tensors(batch: Batch) -> list[Tensor]:
    return [value for field in fields(Batch) if isinstance(value := getattr(batch, field.name), Tensor)]
