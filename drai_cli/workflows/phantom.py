"""`drai phantom`: labelled phantoms in class folders, and a table of their true style factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drai_cli.data.phantom import CLASSES, FACTORS, render_phantoms
from drai_cli.data.table import read_header
from drai_cli.errors import OverwriteError
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.durable import sync_disk
from drai_cli.io.files import atomic_writer
from drai_cli.io.raster import write_png
from drai_cli.io.room import check_room
from drai_cli.output.folder import make_folder
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import PhantomOptions
from drai_cli.settings.typed import check_ranges

_CHUNK = 256
_MARK = {"Comment": "synthetic phantom made by drai, no patient's image"}
_TABLE = "metadata.csv"
_COLUMNS = ("file_name", "label", *FACTORS)


@dataclass(frozen=True)
class PhantomResult:
    """What was made: the folder, and images by label."""

    out: Path
    images: int
    labels: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"out": str(self.out), "images": self.images, "labels": dict(self.labels)}


def make_phantoms(options: PhantomOptions, reporter: Reporter = SILENT) -> PhantomResult:
    """Writes `OUT/<label>/<label>_<index>.png` and `OUT/metadata.csv` (`file_name,label,<factors>`).

    Raises:
        UsageError: A number out of its range.
        OverwriteError: The folder holds files.
        InputError: It cannot be written, or has too little room.
    """
    check_phantoms(options)
    out = options.out
    for label in CLASSES:
        make_folder(out / label, inside=out)
    rows: list[tuple[str, ...]] = [_COLUMNS]
    counts = dict.fromkeys(CLASSES, 0)
    with reporter.task("drawing", options.count, "images") as task:
        for start in range(0, options.count, _CHUNK):
            made = render_phantoms(min(_CHUNK, options.count - start), options.size, options.seed, start)
            for offset, image in enumerate(made.images):
                label = CLASSES[made.labels[offset]]
                name = f"{label}/{label}_{start + offset:06d}.png"
                write_png(out / name, image, _MARK, sync=False)
                counts[label] += 1
                rows.append((name, label, *(f"{made.factors[factor][offset]:.6g}" for factor in FACTORS)))
            task.advance(len(made.images))
    sync_disk(out)  # all images at once, before the table lists them
    with atomic_writer(out / _TABLE) as file:
        file.write(encode_csv(rows))
    return PhantomResult(out, options.count, counts)


def check_phantoms(options: PhantomOptions, reporter: Reporter = SILENT) -> None:
    """Checks what `make_phantoms` checks before it draws; raises its UsageError and OverwriteError."""
    check_ranges(options)
    out = options.out
    if out.exists() and not out.is_dir():
        raise OverwriteError(out, "expected a folder, got a file", "choose another --out")
    if out.is_dir() and any(out.iterdir()) and not options.overwrite:
        raise OverwriteError(
            out,
            "the folder is not empty",
            "choose another --out (--overwrite replaces phantoms of the same names and leaves other files)",
        )
    _check_table(out / _TABLE)
    least, most = 4096, 4096 + 4 * options.size**2  # a file takes a block at least
    hint = "make fewer (-n), free space, or choose another --out"
    check_room(out, "the phantoms", options.count * least, options.count * most, hint, SILENT)


def _check_table(path: Path) -> None:
    """Checks that an existing table is one of phantoms.

    Raises:
        OverwriteError: It is another table.
    """
    if path.exists() and read_header(path) != _COLUMNS:
        raise OverwriteError(path, "it is no table of phantoms", "choose another --out")
