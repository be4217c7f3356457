"""Mutated files as the page of `explore` sends them: codes or a documented error, and no path of this machine in it.

    python tests/stress/fuzz_uploads.py 10000 [first seed]

The files of `fuzz_readers.py`, and some under names, frames and windows that do not go with them.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # run as a script, it finds `tests` beside it

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.errors import DraiError
from drai_cli.explore.uploads import read_upload
from drai_cli.model_file.header import ModelHeader
from drai_cli.settings.config import ModelConfig
from tests.stress.fuzz_readers import MAX_BYTES, MAX_SECONDS, cases
from tests.support.memory import peak_bytes

OF_MACHINE = ("/proc/", "drai-explore", "/tmp", "Secret", "\n", "\x1b")
NAMES = (
    "x",
    "",
    "../../etc/passwd",
    "C:\\a\\b.PNG",
    "a.nii.gz",
    "a.zip",
    "\x1b[31m.dcm",
    "a.mhd",
    "a.csv",
    "é" * 200,
)


def fuzz(count: int, first: int) -> tuple[Counter[str], list[str]]:
    """What became of the cases, and what should not have."""
    schema = ConditionSchema((Attribute("dx", "categorical", ("mel", "nv")),))
    shapes = [
        ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8, image_channels=n)
        for n in (1, 3)
    ]
    headers = [ModelHeader(shape, schema, "drai") for shape in shapes]
    results: Counter[str] = Counter()
    wrong: list[str] = []
    for number, name, raw in cases(count, first):
        chance = random.Random(f"upload {number}")
        header = chance.choice(headers)
        shown = name if chance.random() < 0.9 else chance.choice(NAMES)
        frame = chance.choice((None, 0, 0, 0, 0, 1, 999_999_999))
        window = chance.choice((*[None] * 9, "40/400", "lung", "full", "0/0", "nan/nan", "x"))
        start = time.process_time()
        try:
            image = read_upload(raw, shown, header, frame=frame, window=window)
            results["read"] += 1
            shape = header.architecture
            assert image.pixels.shape == (shape.image_size, shape.image_size, shape.image_channels)
            said = " ".join(image.changes)
        except DraiError as error:
            results["refused"] += 1
            said = f"{error.subject} {error.message} {error.hint}".replace(shown, "")
        except KeyboardInterrupt:
            break  # what was done until then is told
        except BaseException:  # a codec's panic is no Exception
            said = ""
            wrong.append(f"case {number} ({name} as {shown!r}): {traceback.format_exc()}")
        if any(words in said for words in OF_MACHINE) or len(said) > 2000:
            wrong.append(f"case {number} ({name} as {shown!r}): says {said[:300]!r}")
        if (seconds := time.process_time() - start) > MAX_SECONDS:
            wrong.append(f"case {number} ({name}): {seconds:.1f} s of processor time")
    if (peak := peak_bytes()) > MAX_BYTES:
        wrong.append(f"{peak >> 20} MiB of memory were in use at one time")
    return results, wrong


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    start = time.monotonic()
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="drai-fuzz-") as place:
        warnings.simplefilter("ignore")
        tempfile.tempdir = place
        results, wrong = fuzz(count, first)
        if left := list(Path(place).iterdir()):
            wrong.append(f"left over: {left[:3]}")
    print(*wrong, sep="\n")
    print(
        f"{dict(results)}, {len(wrong)} wrong, {time.monotonic() - start:.0f} s, peak {peak_bytes() >> 20} MiB"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
