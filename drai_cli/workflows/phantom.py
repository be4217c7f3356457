"""`drai phantom`: labelled phantoms, and a table of their true style factors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drai_cli.conditions.findings import Findings
from drai_cli.data.finding_phantoms import FINDING_FACTORS, FINDINGS, render_finding_phantoms
from drai_cli.data.phantom import CLASSES, FACTORS, render_phantoms
from drai_cli.errors import OverwriteError
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.files import atomic_writer
from drai_cli.io.raster import write_png
from drai_cli.output.folder import make_folder
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import PhantomOptions
from drai_cli.settings.typed import check_ranges
from drai_cli.tables.table import read_header

_CHUNK = 256
_MARK = {"Comment": "synthetic phantom made by drai, no patient's image"}
_TABLE = "metadata.csv"
_COLUMNS = ("file_name", "label", *FACTORS)
_FINDING_COLUMNS = ("file_name", "label", *FINDINGS, *FINDING_FACTORS)


@dataclass(frozen=True)
class PhantomResult:
    """What was made: the folder, and images by label, or by finding."""

    out: Path
    images: int
    labels: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        return {"out": str(self.out), "images": self.images, "labels": dict(self.labels)}


def make_phantoms(options: PhantomOptions, reporter: Reporter = SILENT) -> PhantomResult:
    """Writes `OUT/<label>/<label>_<index>.png` and `OUT/metadata.csv` (`file_name,label,<factors>`).

    With findings the images are `OUT/images/<index>.png`, the label is a set of findings, and the table has a column of
    0 and 1 for each as well.

    Raises:
        UsageError: A number out of its range.
        OverwriteError: The folder holds files.
        InputError: It cannot be written.
    """
    check_phantoms(options)
    out = options.out
    for folder in ("images",) if options.findings else CLASSES:
        make_folder(out / folder)
    rows: list[tuple[str, ...]] = [_columns(options)]
    counts = Counter(dict.fromkeys(FINDINGS if options.findings else CLASSES, 0))
    draw = _draw_findings if options.findings else _draw_lesions
    with reporter.task("drawing", options.count, "images") as task:
        for start in range(0, options.count, _CHUNK):
            for image, labels, row in draw(options, start, min(_CHUNK, options.count - start)):
                write_png(out / row[0], image, _MARK)
                counts.update(labels)
                rows.append(row)
                task.advance()
    with atomic_writer(out / _TABLE) as file:
        file.write(encode_csv(rows))
    return PhantomResult(out, options.count, counts)


_Drawn = tuple[np.ndarray, list[str], tuple[str, ...]]
"""An image, what it counts as, and its row."""


def _draw_lesions(options: PhantomOptions, start: int, count: int) -> Iterator[_Drawn]:
    made = render_phantoms(count, options.size, options.seed, start)
    for offset, image in enumerate(made.images):
        label = CLASSES[made.labels[offset]]
        factors = (f"{made.factors[factor][offset]:.6g}" for factor in FACTORS)
        yield image, [label], (f"{label}/{label}_{start + offset:06d}.png", label, *factors)


def _draw_findings(options: PhantomOptions, start: int, count: int) -> Iterator[_Drawn]:
    made = render_finding_phantoms(count, options.size, options.seed, start)
    for offset, image in enumerate(made.images):
        states = made.states[offset]
        shown = [name for name, state in zip(FINDINGS, states, strict=True) if state]
        factors = (f"{made.factors[factor][offset]:.6g}" for factor in FINDING_FACTORS)
        label = Findings(FINDINGS).text(states)
        yield image, shown, (f"images/{start + offset:06d}.png", label, *map(str, states), *factors)


def _columns(options: PhantomOptions) -> tuple[str, ...]:
    return _FINDING_COLUMNS if options.findings else _COLUMNS


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
    _check_table(out / _TABLE, _columns(options))


def _check_table(path: Path, columns: tuple[str, ...]) -> None:
    """Checks that an existing table is one of such phantoms.

    Raises:
        OverwriteError: It is another table.
    """
    if path.exists() and read_header(path) != columns:
        raise OverwriteError(path, "it is no table of phantoms", "choose another --out")
