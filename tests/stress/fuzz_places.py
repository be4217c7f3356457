"""Where the files of a kind are made and spoilt, and what a kind consists of, for `fuzz_kinds.py`."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import save_model
from drai_cli.model_file.header import ModelHeader
from drai_cli.settings.config import ModelConfig
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from tests.stress.fuzz_mutations import mutate

Command = list[str]


_TINY = (
    "--size",
    "16",
    "--content-dim",
    "4",
    "--style-dim",
    "4",
    "--base-channels",
    "8",
    "--max-channels",
    "8",
)


TRAIN = (*_TINY, "--batch-size", "16", "--tick-kimg", "0.032", "--precision", "fp32", "--device", "cpu")


EVALUATE = (
    "--samples", "6", "--pairs", "42", "--draws", "2", "--judge-images", "640", "--usefulness-images", "256",
    "--usefulness-seeds", "1", "--privacy-samples", "40", "--device", "cpu",
)  # fmt: skip


@dataclass
class Place:
    """Where all of a session's files are.

    Attributes:
        base: The folder of all.
        run: Runs a command line that has to succeed.
    """

    base: Path
    run: Callable[[Sequence[str]], None]

    @property
    def model(self) -> Path:
        """A sound model of 16 px, two labels and an age."""
        path = self.base / "model.safetensors"
        if not path.exists():
            schema = ConditionSchema(
                (Attribute("dx", "categorical", ("mel", "nv"), {"melanoma": "mel"}),
                 Attribute("age", "continuous", mean=50.0, deviation=10.0))
            )  # fmt: skip
            config = ModelConfig(16, 3, 4, 6, 8, 8, 1)
            training = {
                "label_counts": {"mel": 3, "nv": 9}, "images_seen": 1234, "seed": 7, "fit": "crop",
                "kind": "phantom", "options": {"symmetry": "flip"},
            }  # fmt: skip
            header = ModelHeader(
                config, schema, "drai", {"unit": "", "low": 0.0, "high": 255.0, "dtype": "uint8"}, training,
                {"test": {"label agreement": 0.5}}, "Nothing", "CC0-1.0", "Tests",
            )  # fmt: skip
            save_model(path, header, Networks(config, schema.dim))
        return path

    @property
    def phantoms(self) -> Path:
        """A sound data set, of few images."""
        return self._phantoms("phantoms", 140)

    @property
    def more_phantoms(self) -> Path:
        """A sound data set, of images enough to be evaluated on."""
        return self._phantoms("more-phantoms", 420)

    def _phantoms(self, name: str, count: int) -> Path:
        path = self.base / name
        if not path.exists():
            make_phantoms(PhantomOptions(path, count=count, size=16))
        return path


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        make: Writes the sound files into a folder.
        spoil: Changes one of them, in a copy of the folder.
        command: The command line that reads a spoilt copy, and writes to `out`.
        writes_case: Whether the copy is the command's own output folder.
        names_data: Whether what is read may lie elsewhere: the data of a run's settings, a record that is a link.
    """

    make: Callable[[Place, Path], None]
    spoil: Callable[[Path, random.Random], None]
    command: Callable[[Place, Path, Path, random.Random], Command]
    writes_case: bool = False
    names_data: bool = False


def spoils(*patterns: str) -> Callable[[Path, random.Random], None]:
    """Spoils one file of a pattern, all patterns being as likely."""

    def spoil(case: Path, chance: random.Random) -> None:
        mutate(chance.choice(sorted(case.glob(chance.choice(patterns)))), chance)

    return spoil


def make_picture(path: Path, seed: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    PillowImage.fromarray(numbers).save(path)


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size; all that is in it is one megabyte of zeros, well packed."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes((8, 0, 0, 0, 0))
    pixels = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
