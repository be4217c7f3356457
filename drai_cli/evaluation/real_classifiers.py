"""What the classifiers that saw real images alone answered: kept beside the data, as no model changes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import torch

from drai_cli import __version__
from drai_cli.errors import WeightsError
from drai_cli.evaluation.context import Evaluation
from drai_cli.io.durable import make_private_folders
from drai_cli.metrics.classifier_training import UsefulnessConfig
from drai_cli.metrics.usefulness import Kept
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state


class RealClassifiers:
    """The logits of the classifiers of one set, split, length of training and seed.

    Args:
        evaluation: Gives set, split and seed.
        config: How the classifiers are trained.
    """

    def __init__(self, evaluation: Evaluation, config: UsefulnessConfig) -> None:
        options, self.tests = evaluation.options, 1 if evaluation.outside is None else 2
        how = {**asdict(config), "ratios": None}
        settings = [__version__, evaluation.real.key, evaluation.outside_key, options.part, options.seed, how]
        digest = hashlib.sha256(json.dumps(settings, default=str).encode()).hexdigest()
        self.file = evaluation.instruments.folder / f"classifiers-{digest[:32]}.safetensors"
        self.seeds = config.seeds
        self.counts = [len(evaluation.rows(options.part))]
        if evaluation.outside is not None:
            self.counts.append(len(evaluation.outside.labels))
        self.label_count = len(evaluation.real.schema.labels)

    def load(self) -> Kept:
        """The logits; empty where none are stored, or they are not of this set."""
        if not self.file.exists():
            return []
        try:
            tensors, _ = load_state(self.file)
            found = [
                [tensors[f"{seed}.{test}"].numpy() for test in range(self.tests)]
                for seed in range(self.seeds)
            ]
        except (WeightsError, *UNFIT):
            return []
        shapes = [(count, self.label_count) for count in self.counts]
        is_whole = all(
            each.shape == shape and np.isfinite(each).all()
            for of_seed in found
            for each, shape in zip(of_seed, shapes, strict=True)
        )
        return found if is_whole else []

    def save(self, kept: Kept) -> None:
        """Stores the logits."""
        make_private_folders(self.file.parent)
        tensors = {
            f"{seed}.{test}": torch.from_numpy(np.ascontiguousarray(logits))
            for seed, of_seed in enumerate(kept)
            for test, logits in enumerate(of_seed)
        }
        save_state(self.file, tensors, {})
