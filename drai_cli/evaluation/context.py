"""An evaluation: what is evaluated, on which real images, with which classifiers; the measures that parts share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int8, Int64

from drai_cli import __version__
from drai_cli.conditions.findings import PRESENT
from drai_cli.evaluation.fast_networks import FastNetworks
from drai_cli.evaluation.outside import OutsideSet
from drai_cli.evaluation.quick import LEAVES_OUT, PROBE_ROWS
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.evaluation.remembered import LazyFeatures, features_key
from drai_cli.evaluation.subgroups import subgroups_of
from drai_cli.evaluation.subject import Subject
from drai_cli.metrics.finding_set import FindingSet, States
from drai_cli.metrics.generation import ModelNetworks, style_dim_of
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.measure import JUDGED, MeasureConfig, measure
from drai_cli.metrics.samples import measure_judge
from drai_cli.metrics.source import FolderSource, ModelSource, RememberedSource, SampleSource, drawable
from drai_cli.progress import Reporter
from drai_cli.run.instruments import Instruments
from drai_cli.settings.model_options import EvaluateOptions

Raw = Mapping[str, Any]

_MEASURES = 3  # changes with the definition of any number
_SEEN_HERE = ("features_sha256", "has_judge", "outside_key")  # what a part may depend on besides options


@dataclass
class Evaluation:
    """Everything that the parts measure with.

    Attributes:
        options: Those of the command.
        real: The real images.
        subject: What is evaluated.
        instruments: Judge and regressor.
        features: Returns the extractor; the judge is trained at its first use.
        device: Where to compute.
        reporter: Receives progress.
        outside: Real images from elsewhere, to test classifiers on.
    """

    options: EvaluateOptions
    real: EvaluationSet
    subject: Subject
    instruments: Instruments
    features: LazyFeatures
    device: torch.device
    reporter: Reporter
    outside: OutsideSet | None = None

    @property
    def outside_key(self) -> str:
        """Changes with the real images from elsewhere; empty without any."""
        return "" if self.outside is None else self.outside.key

    @cached_property
    def networks(self) -> FastNetworks | None:
        """The model's networks for measures of many images; None for a folder."""
        return None if self.subject.model is None else FastNetworks(self.subject.model, self.device)

    @cached_property
    def source(self) -> SampleSource:
        """Where synthetic images come from."""
        return RememberedSource(self._source(self.networks))

    @cached_property
    def exact_source(self) -> SampleSource:
        """Where synthetic images come from that have to be those that a user gets, as in a search for copies."""
        return RememberedSource(self._source(self.subject.model))

    def _source(self, networks: ModelNetworks | None) -> SampleSource:
        subject, real = self.subject, self.real
        if networks is not None:
            style_dim = style_dim_of(networks, real.images[:1], self.device)
            return ModelSource(networks, real.conditions, style_dim, real.images.dtype, self.device)
        assert subject.images is not None
        assert subject.labels is not None
        return FolderSource(subject.images, subject.labels, real.labels)

    def rows(self, part: str) -> Int64[np.ndarray, " rows"]:
        return np.flatnonzero(self.real.parts == part)

    def measure(self, only: Sequence[str]) -> dict[str, Any]:
        """Some of `metrics.measure`."""
        options, real = self.options, self.real
        config = MeasureConfig(options.samples, options.pairs, draws=options.draws)
        if options.quick:
            config = replace(config, probe_rows=PROBE_ROWS, has_shuffled_labels=False)
        return measure(
            real.images, real.labels, real.parts, real.groups, self.networks, real.conditions,
            len(real.schema.labels), source=self.source, part=options.part, factors=real.factors,
            extractor=self.features(), judge=self.instruments.judge if self._needs_judge(only) else None,
            regressor=self.instruments.regressor if "swaps" in only else None,
            config=config,
            columns={name: subgroups_of(values) for name, values in real.columns.items()}, only=only,
            seed=options.seed, device=self.device,
        )  # fmt: skip

    def judge_on_real(self) -> dict[str, Any]:
        """The judge's balanced accuracy on the evaluated real images: how far its numbers can be trusted.

        Nothing for sets of findings: how well each is seen stands beside its measures.
        """
        if self.real.schema.label.findings is not None:
            return {}
        rows, real = self.rows(self.options.part), self.real
        own = measure_judge(
            self.instruments.judge, real.images[rows], real.labels[rows], real.groups[rows], self.options.seed
        )
        return {"judge": {"balanced_accuracy": own.to_json()}}

    @property
    def has_judge(self) -> bool:
        """Whether a judge is needed anyway: as the extractor, or for another part."""
        wanted = self.options.metrics
        return self.options.features is None or not wanted or "disentanglement" in wanted

    def needs_new_judge(self, parts: Sequence[str]) -> bool:
        """Whether measuring these parts trains a judge."""
        asked = set(parts) - ({"usefulness"} if self.options.part == "held-out" else set())
        if self.options.features is not None:
            asked -= {"fidelity"}
        return bool(asked) and not self.instruments.has_judge

    def _needs_judge(self, only: Sequence[str]) -> bool:
        """Whether these measures need a judge, which is trained where none is stored."""
        return self.options.features is None or bool(JUDGED & set(only))

    def draw(
        self, rows: Int64[np.ndarray, " n"], seed: int, *, exact: bool = False
    ) -> tuple[Images, Int64[np.ndarray, " n"]]:
        """Synthetic images for rows of the real set, where the source has them, and their labels."""
        source = self.exact_source if exact else self.source
        rows = rows[drawable(source, rows, self.real.labels[rows])]
        return source.draw(rows, seed), self.real.labels[rows]

    def draw_shown(
        self, rows: Int64[np.ndarray, " n"], seed: int, *, exact: bool = False
    ) -> tuple[Images, Bool[np.ndarray, "k labels"]]:
        """As `draw`, with which labels each synthetic image shows, by what was asked for."""
        source = self.exact_source if exact else self.source
        rows = rows[drawable(source, rows, self.real.labels[rows])]
        subject = self.subject
        if subject.states is None:
            return source.draw(rows, seed), self.real.shown[rows]
        return source.draw(rows, seed), self._states_drawn(rows, seed) == PRESENT

    def draw_findings(
        self, rows: Int64[np.ndarray, " n"], seed: int
    ) -> tuple[Images, Int8[np.ndarray, "k findings"]]:
        """As `draw`, with the findings that each synthetic image was asked to show.

        An image of a folder has the rarest finding of its row, and further ones of its own.
        """
        rows = rows[drawable(self.source, rows, self.real.labels[rows])]
        return self.source.draw(rows, seed), self._states_drawn(rows, seed)

    def _states_drawn(self, rows: Int64[np.ndarray, " n"], seed: int) -> States:
        states, labels = self.subject.states, self.subject.labels
        if states is None or labels is None:
            asked: np.ndarray = self.real.finding_states[rows]
            return asked
        assert self.subject.images is not None
        out: np.ndarray = states[FolderSource(self.subject.images, labels, self.real.labels).pick(rows, seed)]
        return out

    @cached_property
    def finding_set(self) -> FindingSet:
        """The real images of a set of findings."""
        real = self.real
        return FindingSet(
            real.images, real.finding_states, real.parts, real.groups, real.conditions, real.schema.labels
        )

    def keys(self, part: str, depends_on: Sequence[str]) -> tuple[str, ...]:
        """Change with everything that the part's numbers depend on: the key to store them by, then others that fit.

        A part that had a judge although no other part asked for one fits as well, and the other way round.
        """
        names = (*depends_on, "part", "seed", "judge_images", "quick")
        asked = {name: getattr(self if name in _SEEN_HERE else self.options, name) for name in names}
        variants = [asked]
        if "has_judge" in asked:
            variants.append({**asked, "has_judge": not asked["has_judge"]})
        return tuple(self._key(part, each) for each in variants)

    def _key(self, part: str, asked: Mapping[str, Any]) -> str:
        settings = [part, __version__, _MEASURES, self.subject.sha256, self.real.key, asked]
        return hashlib.sha256(json.dumps(settings, default=str).encode()).hexdigest()

    @cached_property
    def settings_key(self) -> str:
        """Changes with what all parts depend on: the data and its split, the judge, the seed."""
        options = self.options
        settings = [__version__, self.real.key, options.part, options.seed, self.instruments.judge_shown]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def measured_with(self, depends_on: Sequence[str], numbers: Raw) -> dict[str, Any]:
        """What a part was measured with: settings that have to be equal before its numbers are compared.

        Args:
            depends_on: Options that the part depends on.
            numbers: What was measured.
        """
        options = self.options
        asked = {name: getattr(options, name) for name in depends_on if name not in _SEEN_HERE}
        known: dict[str, Any] = {"images": len(self.rows(options.part)), "seed": options.seed, **asked}
        if "features_sha256" in depends_on and (options.features is not None or "judge" in numbers):
            known["extractor"] = self.features().name
        if "judge" in numbers and not self.instruments.is_borrowed:
            known["judge_images"] = self.instruments.judge_shown
        used = tuple(name for name in ("judge", "regressor", "reader") if name in numbers)
        known |= {name: value for name, value in self.instruments.facts.items() if name.startswith(used)}
        if options.attack is None:
            known.pop("attack_minutes", None)
        return {name: value for name, value in known.items() if value not in (None, (), "")}

    @cached_property
    def features_sha256(self) -> str:
        """Of the extractor's file; empty for the judge."""
        return features_key(self.options.features)

    def subject_json(self) -> dict[str, Any]:
        subject = self.subject
        facts: dict[str, Any] = {
            "kind": "folder" if subject.model is None else "model", "name": subject.name, "sha256": subject.sha256,
        }  # fmt: skip
        if subject.model is not None:
            header = subject.model.header
            facts |= {"method": header.method, "images_seen": header.training.get("images_seen")}
        elif subject.images is not None:
            facts["images"] = len(subject.images)
        return {name: value for name, value in facts.items() if value is not None}

    def data_json(self) -> dict[str, Any]:
        real, part = self.real, self.options.part
        rows = self.rows(part)
        findings = real.schema.label.findings
        # Of sets of findings the rarest of each image is counted, or that there is none.
        names = real.schema.labels if findings is None else (*real.schema.labels, findings.none)
        counts = np.bincount(real.labels[rows], minlength=len(names))
        return {
            "name": self.options.data.resolve().name, "kind": real.kind, "part": part, "n": len(rows),
            "groups": len(np.unique(real.groups[rows])),
            "labels": dict(zip(names, counts.tolist(), strict=True)),
            "image_size": real.images.shape[1], "is_training_known": real.is_training_known,
            "split": real.split,
        }  # fmt: skip

    def settings_json(self, has_features: bool) -> dict[str, Any]:
        """Settings of the report; the extractor only where anything was measured in features."""
        options = self.options
        settings: dict[str, Any] = {
            "seed": options.seed, "samples_per_label": options.samples, "pairs": options.pairs, "draws": options.draws,
            "is_quick": options.quick,
        }  # fmt: skip
        if options.quick:
            settings["quick_leaves_out"] = LEAVES_OUT
        if has_features:
            extractor = self.features()
            settings |= {"extractor": extractor.name, "comparable_with": extractor.comparable_with}
        return settings
