"""The options of a run's data set, as `config.json` keeps them: written and read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from drai_cli.settings.config import check_image_size
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.typed import check_types

_OF_MASKS = ("masks", "mask_names", "mask_bits", "mask_readers", "missing_masks")
_LATER = ("header", "rows", "missing", "label_kind", "uncertain", "least_count", "hu_offset", *_OF_MASKS)
"""Options that are saved only where they are given: runs of older versions have none."""


def write_data_settings(options: DataOptions) -> dict[str, Any]:
    """The options for JSON. One table and one label are a string, as when there could be only one."""
    usual = DataOptions(options.path)
    saved = {
        name: value
        for name, value in asdict(options).items()
        if name not in _LATER or value != getattr(usual, name)
    }
    saved.pop("cache_dir")
    if options.masks is not None:
        saved["masks"] = str(options.masks.resolve())
    tables = [str(path.resolve()) for path in options.metadata]
    labels = list(options.label)
    return saved | {
        "path": str(options.path.resolve()),
        "metadata": tables if len(tables) > 1 else "".join(tables),
        "label": labels if len(labels) > 1 else next(iter(labels), None),
        "conditions": list(options.conditions),
    }


def read_data_settings(saved: Mapping[str, Any]) -> DataOptions:
    """The options that `write_data_settings` gave, of this version or an older one.

    Raises:
        DraiError, KeyError, TypeError, AttributeError: They are not such settings.
    """
    known = {option.name for option in fields(DataOptions)} & saved.keys()
    values = {name: saved[name] for name in known}
    if isinstance(saved["metadata"], str):  # one table, or none
        values["metadata"] = [saved["metadata"]] if saved["metadata"] else []
    if not isinstance(saved["label"], list):  # one label, or none
        values["label"] = [] if saved["label"] is None else [saved["label"]]
    check_types(DataOptions, values)
    values |= {"path": Path(saved["path"]), "conditions": tuple(saved["conditions"])}
    values["missing"], values["label"] = tuple(values.get("missing", ())), tuple(values["label"])
    values["mask_names"] = tuple(values.get("mask_names", ()))
    if values.get("masks") is not None:
        values["masks"] = Path(values["masks"])
    values["metadata"] = tuple(map(Path, values["metadata"]))
    options = DataOptions(**values)
    check_image_size(options.size)
    return options
