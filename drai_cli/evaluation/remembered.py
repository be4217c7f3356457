"""Features of real images, computed once per extractor and kept beside the data for the next model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from drai_cli.errors import WeightsError
from drai_cli.evaluation.extractors.chosen import is_texture, load_extractor
from drai_cli.evaluation.extractors.texture import NAME, VERSION, TextureFeatures
from drai_cli.evaluation.real import EvaluationSet
from drai_cli.io.durable import make_private_folders
from drai_cli.io.files import file_sha256
from drai_cli.metrics.mapping import Images
from drai_cli.metrics.samples import Extractor
from drai_cli.model_file.checkpoint import UNFIT, load_state, save_state
from drai_cli.run.instruments import Instruments
from drai_cli.settings.model_options import EvaluateOptions

_REFERENCE = 300  # training images: their means and deviations only scale features


class Remembered:
    """An extractor that computes the features of each image of a known set once.

    Args:
        extractor: Computes them.
        known: The images whose features are kept, however they are chosen later.
        file: Where they are stored for later evaluations; it names the extractor's weights and the set.
    """

    def __init__(self, extractor: Extractor, known: Images, file: Path) -> None:
        self.extractor, self.file = extractor, file
        self.places: dict[bytes, int] = {}
        for row in range(len(known)):
            self.places.setdefault(_key(known[row]), row)
        self.count = len(known)
        self.rows: Float[np.ndarray, "n d"] | None = None
        self.is_done = np.zeros(len(known), bool)
        self._load()

    @property
    def name(self) -> str:
        return self.extractor.name

    @property
    def comparable_with(self) -> str:
        return self.extractor.comparable_with

    def features(self, images: Images) -> Float[np.ndarray, "n d"]:
        """Features of stored images: those of the set from memory, others computed and forgotten."""
        places = np.array([self.places.get(_key(image), -1) for image in images], np.int64)
        is_new = (places < 0) | ~self.is_done[places]
        if not is_new.any() and self.rows is not None:
            return self.rows[places]
        computed = self.extractor.features(images[is_new] if not is_new.all() else images)
        if self.rows is None:
            self.rows = np.zeros((self.count, computed.shape[1]), computed.dtype)
        kept = places[is_new] >= 0
        self.rows[places[is_new][kept]] = computed[kept]
        self.is_done[places[is_new][kept]] = True
        out = np.empty((len(images), computed.shape[1]), computed.dtype)
        out[is_new] = computed
        out[~is_new] = self.rows[places[~is_new]]
        return out

    def save(self) -> None:
        """Stores what is known."""
        if self.rows is not None:
            tensors = {"rows": torch.from_numpy(self.rows), "is_done": torch.from_numpy(self.is_done)}
            make_private_folders(self.file.parent)
            save_state(self.file, tensors, {"extractor": self.name})

    def _load(self) -> None:
        """Takes what an earlier evaluation stored, if it is whole and of this set."""
        if not self.file.exists():
            return
        try:
            tensors, _ = load_state(self.file)
            rows, is_done = tensors["rows"].numpy(), tensors["is_done"].numpy()
        except (WeightsError, *UNFIT):
            return
        if rows.ndim == 2 and len(rows) == self.count == len(is_done) and np.isfinite(rows[is_done]).all():
            self.rows, self.is_done = rows.copy(), is_done.astype(bool)


def _key(image: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


def features_key(path: Path | None) -> str:
    """Changes with the extractor that `--features` names; empty for the judge."""
    if path is None:
        return ""
    return f"{NAME}-{VERSION}" if is_texture(path) else file_sha256(path)


def _reference(real: EvaluationSet) -> Images:
    """The training images that scale the features of texture."""
    train = np.flatnonzero(real.parts == "train")
    chosen = np.random.default_rng(0).permutation(train)[:_REFERENCE]
    return np.asarray(real.images[np.sort(chosen)])


class LazyFeatures:
    """The extractor of an evaluation: a file is loaded and checked now, the judge is trained at its first use.

    Args:
        options: Those of the command.
        real: The images whose features are kept.
        instruments: Give the judge.
        folder: Where features are stored.
    """

    def __init__(
        self, options: EvaluateOptions, real: EvaluationSet, instruments: Instruments, folder: Path
    ) -> None:
        self.real, self.instruments, self.folder = real, instruments, folder
        self.made: Remembered | None = None
        self.extractor: Extractor | None = None
        self.key = features_key(options.features)
        if is_texture(options.features):
            self.extractor = TextureFeatures(_reference(real))
        elif options.features is not None:
            self.extractor = load_extractor(options.features, None, instruments.device)

    def __call__(self) -> Remembered:
        """The extractor, which remembers the features of the real images."""
        if self.made is None:
            extractor, key = self.extractor, self.key
            if extractor is None:
                extractor = self.instruments.judge_of_set
                key = hashlib.sha256(b"".join(map(_bytes, extractor.state().values()))).hexdigest()
            digest = hashlib.sha256(f"{key} {self.real.key}".encode()).hexdigest()
            file = self.folder / f"features-{digest[:32]}.safetensors"
            self.made = Remembered(extractor, self.real.images, file)
        return self.made

    def save(self) -> None:
        """Keeps the features that were computed, if any were."""
        if self.made is not None:
            self.made.save()


def _bytes(tensor: Tensor) -> bytes:
    data: bytes = tensor.numpy().tobytes()
    return data
