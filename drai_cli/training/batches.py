"""The batch of a step, a pure function of (seed, images seen): a resumed run draws the same batches."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.conditions.attribute import Slot
from drai_cli.model.pixels import to_unit
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.methods import objective_of
from drai_cli.training.augment import Symmetry, orient
from drai_cli.training.draws import make_generator
from drai_cli.training.overlap import send
from drai_cli.training.parallel import ALONE, Processes
from drai_cli.training.passes import Batch

BALANCE_FROM = 4.0
_BALANCE = 0.7
_RESIDENT_SHARE = 0.25
_SIZES = 0x512E  # purpose of that draw


def sampling_weights(labels: np.ndarray, balance: float | None) -> tuple[np.ndarray, float]:
    """Probability of each row, proportional to n_class^-balance, and the exponent that was used.

    If `balance` is None, it is 0.7 if the largest class is over four times the smallest, else 0.
    """
    counts = np.bincount(labels)
    present = counts[counts > 0]
    if balance is None:
        balance = _BALANCE if present.max() > BALANCE_FROM * present.min() else 0.0
    weights = counts[labels].astype(np.float64) ** -balance
    return weights / weights.sum(), balance


class Batches:
    """Batches of the training rows of stored images, which may be memory-mapped.

    Args:
        images: uint8 or uint16 `[N, H, W, C]`, of all parts.
        conditions: float32 `[N, T]`.
        labels: int64 `[N]`, for the sampling weights.
        rows: Indices of the images to train on.
        slots: The parts of the condition that are known or missing by themselves.
        options: Batch size, balance, missing share and seed.
        symmetry: Flips and rotations that keep images plausible.
        device: Device of the batches.
        processes: Processes that share each batch: each has its own images and the conditions of all.
        masks: uint8 `[N, H, W, masks]`, of all parts; None: images have none.
    """

    def __init__(
        self,
        images: np.ndarray,
        conditions: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        slots: tuple[Slot, ...],
        options: TrainOptions,
        symmetry: Symmetry,
        device: torch.device,
        processes: Processes = ALONE,
        masks: np.ndarray | None = None,
    ) -> None:
        self.images, self.masks = images, masks
        self.conditions = torch.from_numpy(conditions)
        self.rows = rows
        weights, self.balance = sampling_weights(labels[rows], options.balance)
        self.cumulative = np.cumsum(weights)
        self.slots = slots
        self.has_findings = any(slot.kind == "finding" for slot in slots)
        self.rarity = _rarity(conditions[rows], slots)
        self.options = options
        self.symmetry = symmetry
        self.device = device
        self.processes = processes
        self.resident = _on_device(images, rows, device)
        # On a GPU the noise is drawn there: nothing waits for a copy, and a CUDA graph can replay the draws.
        self.noise = torch.Generator(device) if device.type == "cuda" else None
        objective = objective_of(options.method, options.objective)
        self.more = round(options.batch_size * objective.predictor_images) if objective.grl_weight else 0

    def at(self, images_seen: int, augment_probability: float) -> Batch:
        """The batch after `images_seen` images, with the probability of the discriminator's augmentation."""
        n = self.options.batch_size
        generator = make_generator(self.options.seed, images_seen)
        places = self._places(2 * n + self.more, generator)
        rows = self.rows[places]
        images = self._images(places[:n], generator, self.processes, self.masks)
        complete = self.conditions[rows[:n]]
        condition = self.with_missing(complete.clone(), generator)
        known = complete if self.has_findings else condition
        drawn = self.with_missing(self.conditions[rows[n : 2 * n]], generator)
        wrong = _differing(condition, self.slots, self.rarity, generator)
        more = self._images(places[2 * n :], generator, self.processes)
        of_more = self.with_missing(self.conditions[rows[2 * n :]], generator)
        return Batch(
            images,
            send(condition, self.device),
            send(known, self.device),
            send(wrong, self.device),
            send(drawn, self.device),
            more,
            send(of_more, self.device),
            generator if self.noise is None else self.noise.manual_seed(generator.initial_seed()),
            send(torch.tensor(augment_probability), self.device) if augment_probability else None,
            float(torch.rand((), generator=make_generator(self.options.seed, images_seen, _SIZES))),
        )

    def labelled(
        self, count: int, batch_size: int, generator: torch.Generator
    ) -> Iterator[tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch condition"]]]:
        """`count` training images, drawn as for a step, with their complete conditions and without their masks.

        They are not shared among processes.
        """
        for start in range(0, count, batch_size):
            places = self._places(min(batch_size, count - start), generator)
            yield self._images(places, generator, ALONE), self.conditions[self.rows[places]]

    def _places(self, count: int, generator: torch.Generator) -> np.ndarray:
        """Draws indices into `rows` by the sampling weights."""
        draws = torch.rand(count, generator=generator, dtype=torch.float64).numpy()
        places: np.ndarray = np.minimum(np.searchsorted(self.cumulative, draws), len(self.rows) - 1)
        return places

    def _images(
        self,
        places: np.ndarray,
        generator: torch.Generator,
        processes: Processes,
        masks: np.ndarray | None = None,
    ) -> Float[Tensor, "share channels height width"]:
        """A process's share of the images at these indices of `rows`, flipped and rotated at random with the masks."""
        own = places[processes.span(len(places))]
        if self.resident is None:
            images = to_unit(self.images[self.rows[own]], self.device)
        else:
            images = to_unit(self.resident[send(torch.from_numpy(own), self.device)], self.device)
        if masks is not None:
            # Masks stay where they are stored: they are small beside the images, and read once per step.
            images = torch.cat([images, to_unit(masks[self.rows[own]], self.device)], 1)
            images = images.contiguous(memory_format=torch.channels_last)
        return orient(images, self.symmetry, generator, processes.share_of(len(places)))

    def with_missing(
        self, condition: Float[Tensor, "batch condition"], generator: torch.Generator
    ) -> Float[Tensor, "batch condition"]:
        """Makes slots missing at random, in place: the model then learns partial conditions."""
        for slot in self.slots:
            if slot.may_be_missing:
                is_missing = torch.rand(len(condition), generator=generator) < self.options.missing_share
                condition[is_missing, slot.place] = 0
                condition[is_missing, slot.place.stop - 1] = 1
        return condition


def _on_device(images: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor | None:
    """These rows in GPU memory if they take at most a quarter of what is free there; else None."""
    if device.type != "cuda" or images.dtype != np.uint8:
        return None
    size = len(rows) * images[0].nbytes
    if size > _RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    return torch.from_numpy(images[rows]).to(device)


def _rarity(conditions: np.ndarray, slots: tuple[Slot, ...]) -> Float[Tensor, " slot"]:
    """How much a difference in each slot weighs where wrong conditions are chosen: 1, more for a rare finding."""
    weights = torch.ones(len(slots))
    for number, slot in enumerate(slots):
        if slot.kind == "finding":
            shown = float(conditions[:, slot.place.start].sum())
            weights[number] = (len(conditions) / max(1.0, shown)) ** _BALANCE
    return weights


def _differing(
    condition: Float[Tensor, "batch condition"],
    slots: tuple[Slot, ...],
    rarity: Float[Tensor, " slot"],
    generator: torch.Generator,
) -> Float[Tensor, "batch condition"]:
    """For each row, the condition of another row that differs in a category, a finding or by one standard deviation.

    Rows that differ in a rare finding are chosen more often: among sets of findings most pairs differ only in frequent
    ones. A row without such a partner keeps its own condition. It teaches D_xt nothing: positive and negative cancel.
    """
    weight = torch.zeros(len(condition), len(condition))
    for slot, of_slot in zip(slots, rarity, strict=True):
        # Only slots known in both rows can differ: a condition with one missing is still true of the image.
        values, is_known = condition[:, slot.place][:, :-1], condition[:, slot.place.stop - 1] == 0
        differs = (torch.cdist(values, values, p=math.inf) >= 1) & is_known[:, None] & is_known[None]
        weight = torch.maximum(weight, differs * of_slot)
    scores = torch.rand(weight.shape, generator=generator)
    if rarity.max() > 1:
        # The largest of rand ** (1 / weight) is a row drawn in proportion to its weight (Efraimidis, Spirakis 2006).
        scores = scores ** (1 / weight.clamp(min=1))
    return condition[(scores * (weight > 0)).fill_diagonal_(1e-12).argmax(1)]
