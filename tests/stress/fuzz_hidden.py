"""Output folders that strangers prepared: links, second names, pipes and devices where drai keeps its helper files.

A part of `fuzz_files.py`, with a kind per group of commands. What it must find: a file written through a link.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stress.fuzz_mutations import SECRET

if TYPE_CHECKING:
    from tests.stress.fuzz_places import Command, Place

OUTSIDE = f"{SECRET}-folder"
"""A folder beside the cases, into which no link may lead what is written."""
SAMPLED = (
    ".drai-sample.lock", ".drai-sample.json", ".drai-sample-1-of-1.journal", ".drai-sample-1-of-1.lock",
    ".drai-sample-1-of-2.journal", ".drai-sample-2-of-2.lock", ".metadata.csv.7-0badcafe.tmp", "mel", "nv",
    "metadata.csv", "manifest.json", ".manifest.json.1-00000000.tmp", "images-000000.tar", "mel/mel_000000.png",
)  # fmt: skip
STAGED = (
    ".drai.lock", ".drai-moving.json", ".drai-stage-abc", ".drai-stage-abc/x", ".x.1-00000000.tmp", "metadata.csv",
    "a", "b", "mel", "mel/mel_000000.png", "a/0.png", "c.npz", ".c.npz.3-0badcafe.tmp", "README.md", "config.json",
)  # fmt: skip
TRAINED = (
    ".drai.lock", ".model.safetensors.3-0badcafe.tmp", "checkpoint", "grids", "grids/.x.3-0badcafe.tmp",
    "checkpoint/.state.safetensors.3-0badcafe.tmp", "checkpoint/state.safetensors", "checkpoint/judge.safetensors",
    "model.safetensors", "split.csv", "seen.sha256", "stats.jsonl", "config.json", "grids/000000016.png", "tensorboard",
    "measures.json",
)  # fmt: skip
Command_ = Callable[["Place", Path, Path, random.Random], "Command"]


def prepare(*names: str) -> Callable[[Path, random.Random], None]:
    """Puts one to three things where no link may be followed."""

    def spoil(case: Path, chance: random.Random) -> None:
        out = case / "out"
        if is_new := chance.random() < 0.5:
            shutil.rmtree(out, ignore_errors=True)
        out.mkdir(exist_ok=True)
        # In a folder that holds nothing of drai's, a name that shows ends every command at once.
        wanted = [name for name in names if not is_new or name.startswith(".") or chance.random() < 0.2]
        for name in chance.sample(wanted, chance.choice((1, 1, 2, 3))):
            try:
                _put(out / name, case.parent, chance)
            except OSError:  # another of them is in its way
                continue

    return spoil


def _put(path: Path, cases: Path, chance: random.Random) -> None:
    if any(place.is_symlink() for place in path.parents if place.is_relative_to(cases / "case")):
        return  # one that was put before would carry this one out
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    secret, folder = cases / SECRET, cases / OUTSIDE
    up = os.path.relpath(cases, path.parent)
    targets: Sequence[object] = (
        secret, os.path.join(up, SECRET), folder, os.path.join(up, OUTSIDE), folder / "new", folder / "kept", "..",
        path.name, "/dev/zero", cases / "beside",
    )  # fmt: skip
    kind = chance.randrange(14)
    if kind < 10:
        path.symlink_to(str(chance.choice(targets)))
    elif kind == 10:
        os.link(secret, path)
    elif kind == 11:
        os.link(folder / "kept", path)
    elif kind == 12:
        os.mkfifo(path)
    else:
        path.mkdir()


def make_pictures(place: Place, folder: Path) -> None:
    """Two images to make others of."""
    from tests.stress.fuzz_places import make_picture

    for index, name in enumerate("ab"):
        (folder / name).mkdir()
        make_picture(folder / name / "0.png", index)


def make_sampled(place: Place, folder: Path) -> None:
    """A finished job, so that it is checked, or emptied and made again."""
    make_pictures(place, folder)
    place.run([*_sample(place, folder), "--overwrite"])


def make_trained(train: Sequence[str]) -> Callable[[Place, Path], None]:
    """A run, to be resumed."""

    def make(place: Place, folder: Path) -> None:
        from drai_cli.run import validation

        validation._JUDGE_ROUNDS = 1  # most of so short a run is its judge
        make_pictures(place, folder)
        place.run([*_train(place, folder, train), "--kimg", "0.016"])

    return make


def _sample(place: Place, case: Path) -> Command:
    model = ["--weights", str(place.model), "--device", "cpu"]
    return ["sample", *model, "-n", "3", "--out", str(case / "out")]


def _train(place: Place, case: Path, train: Sequence[str]) -> Command:
    return ["train", "--data", str(place.phantoms), "--out", str(case / "out"), *train]


def use_sampled(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    kind = chance.choice((["--format", "webdataset"], ["--shard", "1/2"], ["--overwrite"], [], []))
    return [*_sample(place, case), *kind]


def use_staged(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    folder, again = str(case / "out"), ["--overwrite"] * (chance.random() < 0.6)
    model = ["--weights", str(place.model)]
    images = [str(case / "a" / "0.png"), str(case / "b" / "0.png")]
    return chance.choice((
        ["swap-style", *images, *model, "--device", "cpu", "--out", folder, *again],
        ["interpolate", *images, *model, "--device", "cpu", "--frames", "3", "--out", folder, *again],
        ["export", *model, "--to", "hub-folder", "--out", folder, *again],
        ["encode", str(case / "a"), *model, "--device", "cpu", "--out", f"{folder}/c.npz", *again],
        ["convert", str(case), folder, "--format", "tiff", *again],
        ["phantom", "--out", folder, "-n", "2", "--size", "16", *again],
    ))  # fmt: skip


def use_trained(train: Sequence[str]) -> Command_:
    """The command line of a short training."""

    def use(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
        return [
            *_train(place, case, train),
            "--kimg",
            "0.032",
            *(["--tensorboard"] * (chance.random() < 0.2)),
        ]

    return use
