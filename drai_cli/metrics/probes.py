"""How well a code predicts the label: the better of logistic regression and a two-layer MLP, on posterior means.

Knows nothing of images or networks: vectors and labels in, balanced accuracies out.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.metrics import intervals
from drai_cli.metrics.judge import balanced_accuracy
from drai_cli.metrics.logistic import fit_logistic


@dataclass(frozen=True)
class ProbeResult:
    """How well labels are predicted on held-out rows.

    Attributes:
        kind: `logistic` or `mlp`, the better one on validation.
        predicted: Label predicted for each test row.
        scores: Balanced accuracy on test of both kinds.
        validation: Balanced accuracy on validation of both kinds.
    """

    kind: str
    predicted: Int64[np.ndarray, " test"]
    scores: dict[str, float]
    validation: dict[str, float]


def fit_probe(
    codes: Float[np.ndarray, "n dim"],
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    label_count: int,
    *,
    part: str = "test",
    seed: int,
) -> ProbeResult:
    """Fits both kinds on `train` rows, selects on `validation` rows, predicts the rows of `part`.

    Codes are standardised by the training rows; classes have equal weight. Where `part` is `validation`, a random fifth
    of the training rows is used for selection instead.
    """
    train, validation, test = fitting_rows(parts, part, seed)
    mean, deviation = codes[train].mean(0), codes[train].std(0)
    table = torch.from_numpy(((codes - mean) / np.maximum(deviation, 1e-6)).astype(np.float32))
    targets = torch.from_numpy(labels)
    counts = torch.bincount(targets[train], minlength=label_count).float()
    class_weights = torch.where(counts > 0, len(train) / (counts.clamp(min=1) * (counts > 0).sum()), 0.0)
    held = labels[validation]

    predicted, scores, validated = {}, {}, {}
    for kind, predict in (
        ("logistic", _logistic(table[train], targets[train], class_weights, table[validation], held)),
        ("mlp", _mlp(table[train], targets[train], class_weights, table[validation], held, seed)),
    ):
        with torch.no_grad():
            predicted[kind] = predict(table[test]).argmax(1).numpy()
            validated[kind] = balanced_accuracy(predict(table[validation]).argmax(1).numpy(), held)
        scores[kind] = balanced_accuracy(predicted[kind], labels[test])
    kind = max(validated, key=lambda name: validated[name])
    return ProbeResult(kind, predicted[kind], scores, validated)


def measure_probe(
    codes: Float[np.ndarray, "n dim"],
    labels: Int64[np.ndarray, " n"],
    parts: np.ndarray,
    groups: np.ndarray,
    label_count: int,
    *,
    part: str = "test",
    floor: Float[np.ndarray, "n factors"] | None = None,
    has_shuffled: bool = True,
    seed: int,
) -> dict[str, Any]:
    """The probe's balanced accuracy with its interval, with those of chance, shuffled labels and the floor.

    Args:
        codes: Posterior means of all rows.
        labels: Of all rows.
        parts: Of all rows.
        groups: Of all rows, for the interval.
        label_count: Labels in all.
        part: Rows to report on.
        floor: Style measured directly (factors, or measurements on real images), for the same probe: its accuracy is a
            lower limit for codes that contain all style; None to leave it out.
        has_shuffled: Whether to fit the probe to shuffled labels too.
        seed: Of initialisation, shuffling and bootstrap.
    """
    test = np.flatnonzero(parts == part)
    weights = intervals.group_weights(groups[test], seed)

    def accuracy(result: ProbeResult, true: np.ndarray) -> dict[str, Any]:
        statistic = intervals.macro_mean(result.predicted == true[test], true[test])
        return {
            **intervals.estimate(statistic, weights).to_json(),
            "kind": result.kind,
            "both": result.scores,
        }

    out = accuracy(fit_probe(codes, labels, parts, label_count, part=part, seed=seed), labels)
    out["chance"] = 1 / len(np.unique(labels[test]))
    if has_shuffled:
        shuffled = labels.copy()
        generator = np.random.default_rng(seed)
        for name in np.unique(parts):
            rows = np.flatnonzero(parts == name)
            shuffled[rows] = labels[generator.permutation(rows)]
        of_shuffled = fit_probe(codes, shuffled, parts, label_count, part=part, seed=seed)
        out["shuffled"] = accuracy(of_shuffled, shuffled)
    if floor is not None:
        out["floor"] = accuracy(fit_probe(floor, labels, parts, label_count, part=part, seed=seed), labels)
    return out


def fitting_rows(parts: np.ndarray, part: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows to fit on, to select on and to report on; the last are those of `part`, and never among the others.

    Where `part` is `validation`, a random fifth of the training rows is used for selection instead.
    """
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == part)
    if part != "validation":
        return train, np.flatnonzero(parts == "validation"), test
    shuffled = np.random.default_rng(seed).permutation(train)
    return np.sort(shuffled[len(train) // 5 :]), np.sort(shuffled[: len(train) // 5]), test


def _logistic(
    table: Tensor, targets: Tensor, class_weights: Tensor, held_table: Tensor, held: np.ndarray
) -> nn.Module:
    """Logistic regression with weighted classes, selected on validation."""
    return fit_logistic(
        table,
        held_table,
        held,
        len(class_weights),
        lambda logits: F.cross_entropy(logits, targets, class_weights),
    )


def _mlp(
    table: Tensor,
    targets: Tensor,
    class_weights: Tensor,
    held_table: Tensor,
    held: np.ndarray,
    seed: int,
    *,
    hidden: int = 128,
    batch_size: int = 256,
    rounds: int = 40,
    patience: int = 8,
) -> nn.Module:
    """One hidden layer, AdamW, stopped and selected by balanced accuracy on validation."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(table.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, len(class_weights))
        )
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
    steps = max(1, min(len(table) // batch_size, 60))
    best, state, stale = -1.0, copy.deepcopy(network.state_dict()), 0
    for _ in range(rounds):
        order = torch.randperm(len(table), generator=generator)
        for step in range(steps):
            rows = order[step * batch_size : (step + 1) * batch_size]
            loss = F.cross_entropy(network(table[rows]), targets[rows], class_weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            now = balanced_accuracy(network(held_table).argmax(1).numpy(), held)
        if now > best:
            best, state, stale = now, copy.deepcopy(network.state_dict()), 0
        else:
            stale += 1
            if stale >= patience:
                break
    network.load_state_dict(state)
    return network
