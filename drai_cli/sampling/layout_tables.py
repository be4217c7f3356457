"""Writes the tables that a layout has besides metadata.csv: ISIC's labels, the descriptions of a BIDS derivative."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from drai_cli.io.csv_rows import encode_csv
from drai_cli.io.files import atomic_writer
from drai_cli.sampling.job import Job
from drai_cli.sampling.layout import TABLES, participant
from drai_cli.sampling.manifest import attribute_columns
from drai_cli.sampling.plan import Item, Plan

_CHUNK = 4096
_BIDS_VERSION = "1.10.0"
_NO_VALUE = "n/a"  # BIDS, tabular files


def write_tables(out: Path, plan: Plan, job: Job, rejected: Collection[str]) -> dict[str, str]:
    """Writes the tables of a whole job; returns the sha256 of each by name.

    Args:
        out: The folder.
        plan: All images of the job.
        job: What decides them.
        rejected: Names of the images that were left out: they are in no table.
    """
    makers: Mapping[str, Callable[[], Iterable[bytes]]] = {
        "ground_truth.csv": lambda: _in_chunks(_one_hot(plan, rejected)),
        "participants.tsv": lambda: _in_chunks(_participants(plan, rejected), "\t"),
        "participants.json": lambda: [_as_json(_describe_columns(plan))],
        "dataset_description.json": lambda: [_as_json(_describe_set(plan, job))],
        "README": lambda: [_README.format(version=job.version, sha256=job.weights_sha256).encode()],
        ".bidsignore": lambda: [b"metadata.csv\nmanifest.json\n"],
    }
    return {name: _write(out / name, makers[name]()) for name in TABLES[plan.layout_name]}


def _write(path: Path, chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    with atomic_writer(path) as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def _in_chunks(rows: Iterator[Sequence[object]], delimiter: str = ",") -> Iterator[bytes]:
    while some := list(islice(rows, _CHUNK)):
        yield encode_csv(some, delimiter)


def _iterate_kept(plan: Plan, rejected: Collection[str]) -> Iterator[tuple[int, Item]]:
    for position, item in enumerate(plan.items(0, plan.total)):
        if not rejected or plan.file_name(item) not in rejected:
            yield position, item


def _one_hot(plan: Plan, rejected: Collection[str]) -> Iterator[Sequence[object]]:
    """`image,<label>,<label>,…` with 1.0 in the column of the image's label, as in ISIC 2018, task 3."""
    labels = plan.schema.labels
    yield ["image", *labels]
    for _, item in _iterate_kept(plan, rejected):
        identifier = item.stem.rpartition("/")[2]
        yield [identifier, *("1.0" if label == item.label else "0.0" for label in labels)]


def _participants(plan: Plan, rejected: Collection[str]) -> Iterator[Sequence[object]]:
    columns = attribute_columns(plan.schema)
    yield ["participant_id", "label", *columns.values()]
    for position, item in _iterate_kept(plan, rejected):
        values = (item.condition.get(name) or _NO_VALUE for name in columns)
        yield [participant(position), item.label, *values]


def _describe_columns(plan: Plan) -> dict[str, Any]:
    described = {"label": f"The {plan.schema.label.name} that the image was generated for"}
    for name, column in attribute_columns(plan.schema).items():
        described[column] = f"The {name} that the image was generated for; {_NO_VALUE}: none was asked for"
    return {column: {"Description": text} for column, text in described.items()}


def _describe_set(plan: Plan, job: Job) -> dict[str, Any]:
    made_by = {
        "Name": "drai",
        "Version": job.version,
        "Description": f"drai sample, weights {job.weights_sha256}, seed {job.options['seed']}",
    }
    return {
        "Name": "Synthetic images made by drai",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        **({"License": plan.licence} if plan.licence else {}),
        "GeneratedBy": [made_by],
    }


def _as_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


_README = """Synthetic images: no person was imaged, and no participant is a person.

drai {version} generated them with the model whose file has the sha256
{sha256}.

Each participant has one image. Its suffix is "image", because the model does not say which modality its images imitate.
participants.tsv has the label and attributes that an image was generated for, metadata.csv the same by file, with seed
and index, and manifest.json the sha256 of every file. `drai verify` checks them.
"""
