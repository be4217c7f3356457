"""Finds a model file: a path, a run directory, a bundled name or the Hub. Imports no torch."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from drai_cli.errors import NetworkError, UsageError, WeightsError
from drai_cli.hub.repository import MODEL_FILE, PICKLE_SUFFIXES, HubRepository
from drai_cli.io.files import expand_home
from drai_cli.progress import SILENT, Reporter

DEFAULT_WEIGHTS = "lesions-64"
WEIGHTS_VARIABLE = "DRAI_WEIGHTS"
RUNS = "runs"
"""Folder of runs without --out."""

_MOST_LISTED = 8

_HUB_NAME = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]+))?", re.ASCII
)


def locate_weights(weights: str | Path | None = None, reporter: Reporter = SILENT) -> Path:
    """Finds the model file of WEIGHTS.

    Tried in this order: a file, a run directory, the name of a bundled model, a Hub name (the local cache before
    the network). Without WEIGHTS: $DRAI_WEIGHTS, else the bundled default.

    Args:
        weights: As typed, or None.
        reporter: Reports downloads.

    Raises:
        WeightsError: Nothing has that name, or it is no model file.
        NetworkError: It has to be downloaded, and the Hub cannot be reached or refuses.
        UsageError: An exported model, which this command does not take.
    """
    name = str(weights) if weights is not None else os.environ.get(WEIGHTS_VARIABLE, "") or DEFAULT_WEIGHTS
    path = expand_home(name)
    try:
        if path.is_dir():
            return _find_in_directory(path, name)
        if path.exists():
            return _check_file(path, name)
    except OSError as error:
        raise WeightsError(name, f"cannot be read ({error.strerror})") from error
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    hub_name = _HUB_NAME.fullmatch(name)
    if hub_name and not isinstance(weights, Path) and path.suffix not in (".safetensors", ".onnx"):
        repository = HubRepository(hub_name["repository"], hub_name["revision"])
        try:
            cached = repository.find_cached(reporter)
            return cached or repository.fetch((MODEL_FILE,), reporter)[MODEL_FILE]
        except NetworkError as error:
            if not _list_models(path.parent):
                raise
            hint = f"{_suggest_names(name, bundled)}. As a Hub name: {error.hint}"
            raise WeightsError(name, error.message, hint) from error
    hint = f"{_suggest_names(name, bundled)}; a Hub name looks like owner/name"
    raise WeightsError(name, "no such model file, run directory or bundled model", hint)


def parse_hub_name(name: str) -> HubRepository:
    """`owner/name[@revision]` as a repository.

    Raises:
        UsageError: Another form.
    """
    match = _HUB_NAME.fullmatch(name)
    if match is None:
        raise UsageError(name, "expected a Hub name", "owner/name, or owner/name@revision")
    return HubRepository(match["repository"], match["revision"])


def bundled_models() -> dict[str, Path]:
    """Name to file, sorted, of the models in the package or, in a checkout, in the repository."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "weights", package.parent / "weights"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    return {}


def _check_file(path: Path, name: str) -> Path:
    if path.suffix == ".onnx":
        raise UsageError(
            name,
            "expected a .safetensors file, got an exported model",
            "give the .safetensors it was made from, or use sample --runtime onnx",
        )
    if path.suffix in PICKLE_SUFFIXES:
        raise WeightsError(
            name,
            f"expected a .safetensors file, got {path.suffix}",
            "pickles can run code: they are never loaded",
        )
    if not path.is_file():
        raise WeightsError(name, "expected a .safetensors file, but it is no regular file")
    return path


def _find_in_directory(path: Path, name: str) -> Path:
    model = path / MODEL_FILE
    if model.is_file():
        return model
    if (path / "checkpoint").is_dir():
        raise WeightsError(
            name,
            f"the run has no {MODEL_FILE} yet",
            "it is written at the first tick; `drai train` with the same options resumes the run",
        )
    inside = [path / model for model in _list_models(path)]
    raise WeightsError(
        name,
        f"expected a run directory with {MODEL_FILE}, got a folder without one",
        f"it holds {_list_some(inside)}" if inside else _suggest_names(name, bundled_models()),
    )


def _suggest_names(name: str, bundled: dict[str, Path]) -> str:
    """A hint: the most similar name, and the models in the same folder, in `runs/` and bundled."""
    named = expand_home(name)
    named = named.parent if named.name == MODEL_FILE else named
    folders = dict.fromkeys((named.parent, Path(RUNS)))
    runs = [folder / model for folder in folders if folder != Path() for model in _list_models(folder)]
    near = difflib.get_close_matches(str(named), [*bundled, *map(str, runs)], n=1)
    nearest = f"did you mean {near[0]!r}? " if near else ""
    here = f"here: {_list_some(runs)}; " if runs else ""
    return f"{nearest}{here}" + (
        f"bundled: {', '.join(bundled)}" if bundled else "this installation has no bundled model"
    )


def _list_models(folder: Path) -> list[str]:
    """Names of runs and model files in a folder, sorted; none if it cannot be read."""
    try:
        return sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix == Path(MODEL_FILE).suffix or (path / MODEL_FILE).is_file()
        )
    except OSError:
        return []


def _list_some(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _MOST_LISTED} more" if len(paths) > _MOST_LISTED else ""
    return ", ".join(map(str, paths[:_MOST_LISTED])) + more
