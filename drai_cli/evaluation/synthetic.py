"""A folder of synthetic images, read as the real ones are."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from drai_cli.data.alike import read_alike
from drai_cli.data.cache import build_cache
from drai_cli.data.prepared import find_set
from drai_cli.data.reading import Unreadable, read_all
from drai_cli.errors import InputError
from drai_cli.evaluation.real import EvaluationSet, at_depth, known_labels
from drai_cli.evaluation.subject import Subject
from drai_cli.io.image import Image
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.data_options import Channels, DataOptions

_PROBED = 64


def own_size(folder: Path) -> int:
    """The side at which a folder's images are compared: their own, as a multiple of 16 from 16 to 1024.

    It is the most frequent shorter side of up to 64 images.

    Raises:
        InputError, UsageError: There is no set of images.
    """
    data = find_set(DataOptions(folder))
    entries = data.entries[:: max(1, len(data.entries) // _PROBED)][:_PROBED]
    with closing(
        read_all(replace(data, entries=entries), _shorter_side, task="reading sizes", reporter=SILENT)
    ) as readings:
        sides = Counter(each.result for each in readings if not isinstance(each.result, Unreadable))
    if not sides:
        return DataOptions.size  # the error is raised where all images are read
    return min(1024, max(16, round(sides.most_common(1)[0][0] / 16) * 16))


def _shorter_side(image: Image) -> int:
    return min(image.width, image.height)


def with_images(subject: Subject, folder: Path, real: EvaluationSet, reporter: Reporter) -> Subject:
    """A folder's subject with its images read: every label the real images have, at their size and depth.

    Raises:
        InputError: It holds no images of these labels.
    """
    options = read_alike(DataOptions(folder, size=real.images.shape[1]), real.intensity)
    data = find_set(options, reporter)
    channels: Channels = 1 if real.images.shape[3] == 1 else 3
    cache = build_cache(data, size=options.size, channels=channels, reporter=reporter)
    rows = [dict(entry.values) for entry in cache.entries]
    own, findings = data.findings, real.schema.label.findings
    for row in rows:
        value = row[data.label]
        if own is not None and findings is not None and value == own.none:
            value = findings.none  # each set has its own word for an image without any
        row[real.schema.label.name] = value
    known = known_labels(rows, real.schema, reporter)
    if not len(known):
        raise InputError(
            folder,
            "no image has a label of the real images",
            f"their labels: {', '.join(real.schema.labels)}",
        )
    given = {rows[row][real.schema.label.name] for row in known}
    if findings is not None:
        given = {name for text in given for name in findings.list_present(text)}
    if lacking := [label for label in real.schema.labels if label not in given]:
        reporter.warn(f"{folder}: no images with these labels of the real set: {', '.join(lacking)}")
    digest = hashlib.sha256("\n".join(sorted(cache.digests)).encode()).hexdigest()
    images = at_depth(cache.images[known], real.images.dtype)
    rows = [rows[row] for row in known]
    if findings is None:
        return replace(subject, images=images, labels=real.schema.label_indices(rows), sha256=digest)
    states = real.schema.finding_states(rows)
    digest = hashlib.sha256(digest.encode() + states.tobytes()).hexdigest()  # other labels, other numbers
    labels = findings.rarest(list(states), list(real.finding_states))
    return replace(subject, images=images, labels=labels, states=states, sha256=digest)
