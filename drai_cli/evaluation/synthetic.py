"""A folder of synthetic images, read as the real ones are."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from drai_cli.data.cache import build_cache
from drai_cli.data.prepared import find_set
from drai_cli.data.reading import Unreadable, read_all
from drai_cli.errors import InputError
from drai_cli.evaluation.real import EvaluationSet, known_labels
from drai_cli.evaluation.subject import Subject
from drai_cli.io.image import Image
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import Channels, DataOptions

_PROBED = 64

Images = Integer[np.ndarray, "n h w c"]


def own_size(folder: Path) -> int:
    """The side at which a folder's images are looked at: their own, as a multiple of 16 from 16 to 1024.

    It is that of most of up to 64 of them, by the shorter side.

    Raises:
        InputError, UsageError: There is no set of images.
    """
    found = find_set(DataOptions(folder))
    entries = found.entries[:: max(1, len(found.entries) // _PROBED)][:_PROBED]
    with closing(
        read_all(replace(found, entries=entries), _shorter_side, task="looking at sizes", reporter=SILENT)
    ) as readings:
        sides = Counter(each.result for each in readings if not isinstance(each.result, Unreadable))
    if not sides:
        return DataOptions.size  # that nothing can be read is said where all are
    return min(1024, max(16, round(sides.most_common(1)[0][0] / 16) * 16))


def _shorter_side(image: Image) -> int:
    return min(image.width, image.height)


def with_images(subject: Subject, folder: Path, real: EvaluationSet, reporter: Reporter) -> Subject:
    """A folder's subject with its images read: every label the real images have, at their size and depth.

    Raises:
        InputError: It holds no images of these labels.
    """
    options = DataOptions(folder, size=real.images.shape[1])
    found = find_set(options, reporter)
    channels: Channels = 1 if real.images.shape[3] == 1 else 3
    cache = build_cache(found, size=options.size, channels=channels, reporter=reporter)
    rows = [dict(entry.values) for entry in cache.entries]
    for row in rows:
        row[real.schema.label.name] = row[found.label]
    kept = known_labels(rows, real.schema, reporter)
    if not len(kept):
        raise InputError(
            folder,
            "no image has a label of the real ones",
            f"they have: {', '.join(real.schema.labels)}",
        )
    given = {rows[row][real.schema.label.name] for row in kept}
    if lacking := [label for label in real.schema.labels if label not in given]:
        reporter.warn(f"{folder}: no images of {', '.join(lacking)}, which the real set has")
    digest = hashlib.sha256("\n".join(sorted(cache.digests)).encode()).hexdigest()
    images = _at_depth(cache.images[kept], real.images.dtype)
    labels = real.schema.label_indices([rows[row] for row in kept])
    return replace(subject, images=images, labels=labels, sha256=digest)


def _at_depth(images: Images, dtype: np.dtype[Any]) -> Images:
    """Levels of 8 bits as 16, or the other way round."""
    if images.dtype == dtype:
        return np.asarray(images)
    if dtype == np.uint16:
        return images.astype(np.uint16) * np.uint16(257)
    shrunk: np.ndarray = np.round(images / 257).astype(np.uint8)
    return shrunk
