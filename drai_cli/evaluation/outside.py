"""Real images from elsewhere that classifiers of usefulness are tested on, with the labels of the evaluated set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from drai_cli.data.alike import read_alike, with_label
from drai_cli.data.cache import build_cache
from drai_cli.data.image_set import ImageSet
from drai_cli.data.label import FOLDER, NoLabelError
from drai_cli.data.prepared import find_set
from drai_cli.data.reading import list_first
from drai_cli.errors import InputError, UsageError
from drai_cli.evaluation.real import EvaluationSet, at_depth, known_labels
from drai_cli.io.intensity import Intensity
from drai_cli.metrics.mapping import Images
from drai_cli.progress import Reporter
from drai_cli.settings.data_options import Channels, DataOptions


@dataclass(frozen=True)
class OutsideSet:
    """Real images from elsewhere.

    Attributes:
        name: Of their folder.
        images: At the real set's size and depth.
        labels: Positions in the real set's labels.
        groups: Patient, lesion or image.
        key: Changes with any of this.
    """

    name: str
    images: Images
    labels: Int64[np.ndarray, " n"]
    groups: np.ndarray
    key: str


def read_outside(path: Path, maps: Sequence[str], real: EvaluationSet, reporter: Reporter) -> OutsideSet:
    """Reads a set as the evaluated one was read; its labels get the names of the evaluated set.

    Args:
        path: The set.
        maps: Further names, as THEIRS=OURS.
        real: The evaluated set.
        reporter: Told which images are skipped.

    Raises:
        UsageError: A map that is not THEIRS=OURS, or whose OURS is no label.
        InputError: No such set, no image with a known label, or images that were trained on.
    """
    own = {}
    for text in maps:
        theirs, equals, ours = text.partition("=")
        if not (theirs and equals and ours):
            raise UsageError(f"--map {text}", "expected THEIRS=OURS", "for example --map naevus=nv")
        own[theirs] = real.schema.label.resolve(ours)
    options = DataOptions(path, size=real.images.shape[1])
    options, found = _with_known_label(options, real.schema.label.name)
    options = read_alike(options, real.intensity, found)
    data = find_set(options, reporter)
    if not _is_same_range(data.intensity, real.intensity):
        reporter.warn(
            f"{path}: black and white may be other values than in the evaluated set ({_range_of(data.intensity)}; "
            f"there {_range_of(real.intensity)}): classifiers may differ for that reason alone"
        )
    channels: Channels = 1 if real.images.shape[3] == 1 else 3
    cache = build_cache(data, size=options.size, channels=channels, reporter=reporter)
    trained = [
        entry.name
        for entry, digest in zip(cache.entries, cache.digests, strict=True)
        if digest in real.trained_digests
    ]
    if trained:
        raise InputError(
            path,
            f"{len(trained)} of {len(cache.entries)} images were trained on (equal pixels): {list_first(trained)}",
            "remove them, or name another set with --external",
        )
    rows = []
    for entry in cache.entries:
        theirs = entry.values[data.label]
        rows.append({real.schema.label.name: own.get(theirs, theirs)})
    known = known_labels(rows, real.schema, reporter)
    if not len(known):
        raise InputError(
            path,
            "no image has a label of the evaluated set",
            f"its labels: {', '.join(real.schema.labels)}; name theirs with --map THEIRS=OURS",
        )
    groups = np.array([entry.group for entry in cache.entries])[known]
    labels = real.schema.label_indices([rows[row] for row in known])
    digest = hashlib.sha256()
    for text in (*np.array(cache.digests)[known].tolist(), *labels.tolist(), *groups.tolist()):
        digest.update(f"{text}\n".encode("utf-8", "surrogateescape"))
    images = at_depth(cache.images[known], real.images.dtype)
    return OutsideSet(path.resolve().name, images, labels, groups, digest.hexdigest())


def _with_known_label(options: DataOptions, name: str) -> tuple[DataOptions, ImageSet | None]:
    """The evaluated set's label where this set has it, else its own, else its folders; and the set, where known."""
    named, found = with_label(options, name)
    if found is not None:
        return named, found
    try:
        return options, find_set(options)
    except NoLabelError:
        return with_label(options, FOLDER)


def _range_of(intensity: Intensity | None) -> str:
    if intensity is None:
        return "no window for all images"
    return f"{intensity.low:g} to {intensity.high:g} {intensity.unit}".rstrip()


def _is_same_range(one: Intensity | None, other: Intensity | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose((one.low, one.high), (other.low, other.high), rtol=1e-6, atol=1e-6))
