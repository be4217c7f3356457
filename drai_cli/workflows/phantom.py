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
from drai_cli.errors import OverwriteError, UsageError
from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.durable import sync_disk
from drai_cli.io.files import atomic_writer
from drai_cli.io.raster import write_png
from drai_cli.io.room import check_room
from drai_cli.output.folder import make_folder
from drai_cli.output.mask_file import MASKS
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

    With masks the true shape of a lesion is `OUT/masks/<label>/<label>_<index>.png`, in the column `mask_file_name`.
    With findings the images are `OUT/images/<index>.png`, the label is a set of findings, and the table has a column of
    0 and 1 for each as well.

    Raises:
        UsageError: A number out of its range.
        OverwriteError: The folder holds files.
        InputError: It cannot be written, or has too little room.
    """
    check_phantoms(options)
    out = options.out
    for folder in ("images",) if options.findings else CLASSES:
        make_folder(out / folder, inside=out)
        if options.masks:
            make_folder(out / MASKS / folder, inside=out)
    rows: list[tuple[str, ...]] = [_columns(options)]
    counts = Counter(dict.fromkeys(FINDINGS if options.findings else CLASSES, 0))
    draw = _draw_findings if options.findings else _draw_lesions
    with reporter.task("drawing", options.count, "images") as task:
        for start in range(0, options.count, _CHUNK):
            for image, mask, labels, row in draw(options, start, min(_CHUNK, options.count - start)):
                write_png(out / row[0], image, _MARK, sync=False)
                if mask is not None:
                    write_png(out / row[1], mask[..., None], _MARK, sync=False)
                counts.update(labels)
                rows.append(row)
                task.advance()
    sync_disk(out)  # all images at once, before the table lists them
    with atomic_writer(out / _TABLE) as file:
        file.write(encode_csv(rows))
    return PhantomResult(out, options.count, counts)


_Drawn = tuple[np.ndarray, np.ndarray | None, list[str], tuple[str, ...]]
"""An image, its mask, what it counts as, and its row."""


def _draw_lesions(options: PhantomOptions, start: int, count: int) -> Iterator[_Drawn]:
    made = render_phantoms(count, options.size, options.seed, start)
    for offset, image in enumerate(made.images):
        label = CLASSES[made.labels[offset]]
        factors = (f"{made.factors[factor][offset]:.6g}" for factor in FACTORS)
        name = f"{label}/{label}_{start + offset:06d}.png"
        names = (name, f"{MASKS}/{name}") if options.masks else (name,)
        yield image, made.masks[offset] if options.masks else None, [label], (*names, label, *factors)


def _draw_findings(options: PhantomOptions, start: int, count: int) -> Iterator[_Drawn]:
    made = render_finding_phantoms(count, options.size, options.seed, start)
    for offset, image in enumerate(made.images):
        states = made.states[offset]
        shown = [name for name, state in zip(FINDINGS, states, strict=True) if state]
        factors = (f"{made.factors[factor][offset]:.6g}" for factor in FINDING_FACTORS)
        label = Findings(FINDINGS).text(states)
        yield image, None, shown, (f"images/{start + offset:06d}.png", label, *map(str, states), *factors)


def _columns(options: PhantomOptions) -> tuple[str, ...]:
    if options.findings:
        return _FINDING_COLUMNS
    return (_COLUMNS[0], "mask_file_name", *_COLUMNS[1:]) if options.masks else _COLUMNS


def check_phantoms(options: PhantomOptions, reporter: Reporter = SILENT) -> None:
    """Checks what `make_phantoms` checks before it draws; raises its UsageError and OverwriteError."""
    check_ranges(options)
    if options.masks and options.findings:
        raise UsageError(
            "--masks", "contradicts --findings: those phantoms have no masks", "leave one of them out"
        )
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
    least, most = 4096, 4096 + 4 * options.size**2  # a file takes a block at least
    hint = "make fewer (-n), free space, or choose another --out"
    check_room(out, "the phantoms", options.count * least, options.count * most, hint, SILENT)


def _check_table(path: Path, columns: tuple[str, ...]) -> None:
    """Checks that an existing table is one of such phantoms.

    Raises:
        OverwriteError: It is another table.
    """
    if path.exists() and read_header(path) != columns:
        raise OverwriteError(path, "it is no table of phantoms", "choose another --out")
