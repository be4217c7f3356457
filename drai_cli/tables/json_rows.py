"""Tables in JSON: a list of objects, JSON lines, and the `dataset.json` of StyleGAN's tools."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError
from drai_cli.io.files import open_regular

_NO_TABLE = "expected a list of objects or JSON lines"


def read_json_rows(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Column names, in the order in which they occur first, and rows.

    Texts, numbers and truth values are cells; null is an empty cell; a list of them is joined by `|`. A `dataset.json`
    of StyleGAN gives the columns `file_name` and `label`, COCO's annotations `file_name` and `category`, and an object
    whose keys are names of images a column `image`.

    Raises:
        InputError: It is no JSON, or no table.
    """
    with open_regular(path) as file:
        raw = file.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, "expected JSON in UTF-8, got other bytes") from error
    try:
        objects = _objects(path, text)
        rows = [{str(key).strip(): _cell(path, value) for key, value in row.items()} for row in objects]
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"{_NO_TABLE}, got neither ({str(error)[:80]})") from error
    return tuple(dict.fromkeys(column for row in rows for column in row)), rows


def _objects(path: Path, text: str) -> list[Mapping[str, Any]]:
    if path.suffix.lower() == ".json":
        data = json.loads(text)
        labels = data.get("labels") if isinstance(data, dict) else None
        # The `labels` of nnU-Net's and the Decathlon's dataset.json name structures, not files.
        if isinstance(labels, list) or (
            isinstance(labels, dict) and all("." in str(name) for name in labels)
        ):
            return list(_stylegan_rows(path, labels))
        if isinstance(data, dict):
            data = _coco_rows(data) or _rows_by_name(data) or data
    else:
        data = [json.loads(line) for line in text.split("\n") if line.strip()]
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise InputError(path, f"{_NO_TABLE}, got something else")
    return data


def _rows_by_name(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """`{"a.png": "benign", …}` or `{"a": {"label": "benign", …}, …}` as rows with the name in a column `image`."""
    if len(data) < 2:
        return []
    if all(isinstance(value, dict) for value in data.values()):
        return [{"image": name, **value} for name, value in data.items()]
    if all("." in name and isinstance(value, str | int | float) for name, value in data.items()):
        return [{"image": name, "label": value} for name, value in data.items()]
    return []


def _coco_rows(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The images of COCO's layout, each with the names of its categories in a column `category`."""
    images, marks, kinds = (data.get(key) for key in ("images", "annotations", "categories"))
    if not all(isinstance(part, list) and part and all(isinstance(one, dict) for one in part)
               for part in (images, marks, kinds)):  # fmt: skip
        return []
    names = {kind.get("id"): str(kind.get("name")) for kind in kinds or ()}
    found: defaultdict[Any, dict[str, None]] = defaultdict(dict)
    for mark in marks or ():
        if (name := names.get(mark.get("category_id"))) is not None and isinstance(
            mark.get("image_id"), str | int
        ):
            found[mark["image_id"]][name] = None
    return [
        {"file_name": image["file_name"], "category": list(found.get(image.get("id"), ()))}
        for image in images or ()
        if isinstance(image.get("file_name"), str) and isinstance(image.get("id"), str | int)
    ]


def _stylegan_rows(path: Path, labels: Any) -> Iterable[Mapping[str, Any]]:
    """`{"labels": [["00000/img00000000.png", 0], …]}`: a class or a one-hot vector for each image."""
    pairs = labels.items() if isinstance(labels, dict) else labels
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise InputError(path, "expected pairs of a file and its label, got something else in labels")
        name, label = pair
        if isinstance(label, list):
            if sorted(label, key=str) != [*[0] * (len(label) - 1), 1]:
                raise InputError(path, f"expected a class or a one-hot vector for {name}, got other numbers")
            label = label.index(1)
        yield {"file_name": name, "label": label}


def _cell(path: Path, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "|".join(_cell(path, one) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value).strip()
