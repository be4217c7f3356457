"""A model's networks as programs for other software: their inputs and outputs, and how far an exported one differs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drai_cli.inference.onnx_model import OUTPUTS, inputs_of
from drai_cli.model.exported import ExportedConditionSwap, ExportedEncoder, ExportedSampler, ExportedSwap
from drai_cli.model_file.checkpoint import LoadedModel

_BATCHES = (1, 17)

Run = Callable[[tuple[Tensor, ...]], Sequence[Any]]
"""Runs an exported program on inputs; returns its outputs."""


@dataclass(frozen=True)
class Difference:
    """How far an exported file is from its model.

    Attributes:
        largest: Of all numbers of its outputs.
        mean: Over all of them.
    """

    largest: float
    mean: float


@dataclass(frozen=True)
class Program:
    """One file to export.

    Attributes:
        suffix: Follows the stem of OUT in the file's name.
        module: The networks.
        inputs: Names of its inputs, in order.
        outputs: Names of its outputs, in order.
    """

    suffix: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def list_programs(model: LoadedModel) -> list[Program]:
    """The programs of a model: the sampler and, with an encoder, the encoder and the style swap."""
    programs = [
        Program("", ExportedSampler(model.content_prior, model.generator), inputs_of(model.header), OUTPUTS)
    ]
    if model.encoder is not None and model.infers_content:
        swap: nn.Module = ExportedSwap(model.encoder, model.generator)
        programs += [
            Program(".encoder", ExportedEncoder(model.encoder), ("images",), ("content", "style")),
            Program(".swap", swap, ("content_images", "style_images"), ("images",)),
        ]
    elif model.encoder is not None:
        swap = ExportedConditionSwap(model.content_prior, model.encoder, model.generator)
        programs += [
            Program(".encoder", ExportedEncoder(model.encoder), ("images",), ("style",)),
            Program(".swap", swap, ("condition", "style_images"), ("images",)),
        ]
    for program in programs:
        program.module.eval()
    return programs


def draw_inputs(program: Program, model: LoadedModel, n: int, seed: int) -> tuple[Tensor, ...]:
    """Random codes and conditions, and images that the model itself makes: they are smooth, as real ones are."""
    generator = torch.Generator().manual_seed(seed)
    shape, schema = model.header.architecture, model.header.schema

    def normal(dim: int) -> Tensor:
        return torch.randn((n, dim), generator=generator)

    def images() -> Tensor:
        with torch.inference_mode():
            made: Tensor = model.generator(normal(shape.content_dim), normal(shape.style_dim))
            return made.clamp(-1, 1).clone()

    labels = [{schema.label.name: schema.labels[row % len(schema.labels)]} for row in range(n)]
    condition = torch.from_numpy(schema.encode(labels))
    if program.inputs != inputs_of(model.header):
        return tuple(condition if name == "condition" else images() for name in program.inputs)
    codes = condition, normal(shape.content_dim), normal(shape.style_dim), torch.tensor(0.9)
    if not shape.grain:
        return codes
    return *codes, torch.randn((n, 1, shape.image_size, shape.image_size), generator=generator)


def draw_trace_inputs(program: Program, model: LoadedModel) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
    """Inputs to trace with, and which of their sizes vary: the batch."""
    batch = torch.export.Dim("batch")
    inputs = draw_inputs(program, model, 2, 0)
    return inputs, tuple({0: batch} if one.ndim else None for one in inputs)


def measure_difference(program: Program, model: LoadedModel, run: Run) -> Difference:
    """Compares the outputs of an exported program with the networks', on a batch of one image and a larger one."""
    differences = []
    for n in _BATCHES:
        inputs = draw_inputs(program, model, n, n)
        with torch.no_grad():
            expected = program.module(*inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for got, wanted in zip(run(inputs), expected, strict=True):
            differences.append(np.abs(np.asarray(got, np.float64) - wanted.numpy()).ravel())
    every = np.concatenate(differences)
    return Difference(float(every.max()), float(every.mean()))


@contextmanager
def silence_exporter() -> Iterator[None]:
    """Hides warnings that torch's exporter gives about its own libraries."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
