"""Folders of strange layouts: every image is in the set, or something is said of it; nothing outside is read.

    python tests/stress/fuzz_layouts.py 10000 [first seed]

Trees of folders with odd names, links in circles and out of the tree, pipes, empty and foreign files, and tables
that name some of the images. Case i is the same whenever it is made.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `tests` beside it

from drai_cli.data.image_set import SetOptions
from drai_cli.data.sources import find_image_set
from drai_cli.errors import DraiError
from drai_cli.io.png import encode_png
from drai_cli.workflows.inspect import inspect
from tests.support.reporters import Recorder

MAX_SECONDS = 5.0
FOLDERS = (
    "mel", "nv", "bkl", "train", "val", "test", "Train", "images", "masks", "0", "00", "1", "a b", " ", "n\u00e4vus",
    "na\u0308vus", "x\ny", "-x", "..a", ".hidden", "a#1", "\u202eb", "k" * 200, "*", "[a]", "$HOME", "a,b", "=1+1", "~",
    "__MACOSX", "fold1", "fold2", "patient_1", "patient_2", "a.png", "set.zip",
    b"\xff\xfe".decode(errors="surrogateescape"),
)  # fmt: skip
FILES = (
    "0.png", "1.png", "2.png", "p1_0.png", "p1_1.png", "p2_0.png", "a.PNG", "a.jpg", "a", "b.png#1", "x\ny.png",
    "-n.png", ".png", ".a.png", "a.png.png", "\u202egnp.png", "=a.png", "n\u00e4.png", "na\u0308.png", "0_mask.png",
    "Thumbs.db", b"\xe9.png".decode(errors="surrogateescape"),
)  # fmt: skip
OTHERS = ("a.dcm", "a.nii.gz", "DICOMDIR", "a.zip", "a.npz")
"""What makes another kind of set: only now and then among the files."""
TABLES = ("labels.csv", "metadata.csv", "train.csv", "x.tsv", "split.txt", "HAM10000_metadata.csv")


def make(root: Path, outside: Path, chance: random.Random) -> list[str]:
    """A tree; returns the sound images, relative to the root."""
    root.mkdir()
    names = chance.sample(FOLDERS, chance.randrange(1, 6))
    folders = [root]
    if is_usual := chance.random() < 0.7:  # two classes, and oddities below and beside them
        folders += [root / "mel", root / "nv"]
        for place in folders[1:]:
            place.mkdir()
            path = place / "0.png"
            path.write_bytes(encode_png(np.full((4, 4, 1), chance.randrange(256), np.uint8), {}))
    for _ in range(chance.randrange(1, 9)):
        place = chance.choice(folders) / chance.choice(names)
        if len(place.relative_to(root).parts) < 5 and not place.exists():
            place.mkdir()
            folders.append(place)
    sound = ["mel/0.png", "nv/0.png"] if is_usual else []
    places = [place for place in folders if place != root or not is_usual or chance.random() < 0.2]
    for _ in range(chance.randrange(2, 40)):
        path = chance.choice(places) / chance.choice(FILES if chance.random() < 0.99 else OTHERS)
        if not os.path.lexists(path):
            _put(path, folders, outside, chance)
            if (
                path.suffix.lower() == ".png"
                and path.is_file()
                and not path.is_symlink()
                and path.stat().st_size
            ):
                sound.append(os.fsencode(path.relative_to(root)).decode(errors="surrogateescape"))
    if sound and chance.random() < 0.5:
        _put_table(chance.choice((root, root, *folders)) / chance.choice(TABLES), sound, chance)
    return sound


def _put(path: Path, folders: list[Path], outside: Path, chance: random.Random) -> None:
    kind = chance.randrange(20)
    if kind == 0:
        path.touch()
    elif kind == 1:
        path.symlink_to(chance.choice(folders), target_is_directory=True)
    elif kind == 2:
        path.symlink_to(outside / chance.choice(("secret.png", "")))
    elif kind == 3:
        os.mkfifo(path)
    elif kind == 4:
        path.symlink_to(path.name)
    else:
        side = chance.choice((4, 4, 4, 7))
        path.write_bytes(encode_png(np.full((side, side, 1), chance.randrange(256), np.uint8), {}))


def _put_table(path: Path, sound: list[str], chance: random.Random) -> None:
    named = chance.sample(sound, chance.randrange(1, len(sound) + 1))
    if chance.random() < 0.3:
        named += ["../secret.png", "nothing.png", "/etc/passwd"]
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        if chance.random() < 0.8:
            rows.writerow(("file_name", "dx", "patient"))
        for name in named:
            shown = chance.choice((name, name, name, name, Path(name).name, Path(name).stem))
            rows.writerow((shown, chance.choice(("mel", "nv", "", "x\ny")), chance.choice("pq")))


def look(root: Path, sound: list[str], results: Counter[str]) -> str:
    """What is wrong with how a tree is understood; empty: nothing."""
    recorder = Recorder()
    options = SetOptions()
    try:
        found = find_image_set(root, options, reporter=recorder)
    except DraiError as error:
        results["refused"] += 1
        said = f"{error.subject} {error.message} {error.hint}"
        return f"says {said[:300]!r}" if len(said) > 4000 or "\x1b" in said else ""
    results[found.kind] += 1
    entries = {
        entry.name.partition("#")[0] if entry.name not in sound else entry.name for entry in found.entries
    }
    named = {name for name, _ in found.skipped}
    ignored = (".", "__MACOSX")  # documented
    missing = [
        name
        for name in sound
        if name not in entries | named and not any(part.startswith(ignored) for part in Path(name).parts)
    ]
    told = sum(
        int(line.split()[0])
        for line in (*recorder.warnings, *recorder.messages)
        if "left out" in line and line[0].isdigit()
    )
    if missing:
        results["with images left out"] += 1
    if len(missing) > told:
        return f"{missing[:3]} and others, {len(missing)} of {len(sound)}, are not in the set; {told} are told of"
    for entry in found.entries:
        if not (root / entry.name.partition("#")[0]).resolve().is_relative_to(root.resolve()):
            return f"{entry.name!r} lies outside"
    return ""


def fuzz(count: int, first: int, base: Path) -> tuple[Counter[str], list[str]]:
    """What became of the cases, and what should not have; of those that were done, if it is interrupted."""
    outside = base / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(encode_png(np.full((5, 5, 1), 99, np.uint8), {}))
    os.environ["DRAI_CACHE"] = str(base / "cache")
    results: Counter[str] = Counter()
    wrong: list[str] = []
    with contextlib.suppress(KeyboardInterrupt):
        _fuzz(range(first, first + count), base, outside, results, wrong)
    return results, wrong


def _fuzz(numbers: range, base: Path, outside: Path, results: Counter[str], wrong: list[str]) -> None:
    for number in numbers:
        root = base / "set"
        sound = make(root, outside, random.Random(f"layout {number}"))
        start, found = time.process_time(), ""
        try:
            found = look(root, sound, results)
            if number % 4 == 0:
                inspect(root)
        except DraiError:
            pass
        except KeyboardInterrupt:
            raise
        except BaseException:
            found = traceback.format_exc()
        if (seconds := time.process_time() - start) > MAX_SECONDS:
            found = f"{seconds:.1f} s of processor time"
        if found:
            wrong.append(f"case {number}: {found}")
            root.rename(base / f"kept-{number}")
        shutil.rmtree(root, ignore_errors=True)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    base, start = Path(tempfile.mkdtemp(prefix="drai-layout-")), time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results, wrong = fuzz(count, first, base)
    print(*wrong, sep="\n")
    print(f"{dict(results)}, {len(wrong)} wrong (in {base}), {time.monotonic() - start:.0f} s")
    if not wrong:
        shutil.rmtree(base)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
