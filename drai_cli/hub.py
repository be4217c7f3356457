"""Where a model file is: a path, a run directory, a bundled name or the Hub. Knows nothing of torch."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from drai_cli.errors import UsageError, WeightsError
from drai_cli.hub_repository import MODEL_FILE, PICKLE_SUFFIXES, HubRepository
from drai_cli.progress import SILENT, Reporter

DEFAULT_WEIGHTS = "lesions-64"
WEIGHTS_VARIABLE = "DRAI_WEIGHTS"

_HUB_NAME = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]+))?", re.ASCII
)


def locate_weights(weights: str | Path | None = None, reporter: Reporter = SILENT) -> Path:
    """The model file that WEIGHTS means.

    Tried in this order: a file, a run directory, a bundled model's name, a Hub name (the local cache before
    the network). Without a name: $DRAI_WEIGHTS, else the bundled default.

    Args:
        weights: As typed, or None.
        reporter: Told when something is downloaded.

    Raises:
        WeightsError: Nothing of that name, or it is no model file.
        NetworkError: It has to be downloaded and the Hub cannot be reached or refuses.
        UsageError: An exported model, which this command does not take.
    """
    name = str(weights) if weights is not None else os.environ.get(WEIGHTS_VARIABLE, "") or DEFAULT_WEIGHTS
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return _in_directory(path, name)
        if path.exists():
            return _checked_file(path, name)
    except OSError as error:
        raise WeightsError(name, f"cannot be looked at ({error.strerror})") from error
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    hub_name = _HUB_NAME.fullmatch(name)
    if hub_name and not isinstance(weights, Path) and path.suffix not in (".safetensors", ".onnx"):
        repository = HubRepository(hub_name["repository"], hub_name["revision"])
        return repository.cached() or repository.fetch((MODEL_FILE,), reporter)[MODEL_FILE]
    raise WeightsError(name, "no such model file, run directory or bundled model", _names_hint(name, bundled))


def parse_hub_name(name: str) -> HubRepository:
    """`owner/name[@revision]` as a repository.

    Raises:
        UsageError: It is none.
    """
    found = _HUB_NAME.fullmatch(name)
    if found is None:
        raise UsageError(name, "expected a Hub name", "owner/name, or owner/name@revision")
    return HubRepository(found["repository"], found["revision"])


def bundled_models() -> dict[str, Path]:
    """Name to file of the models that come with the package (in a checkout, with the repository), sorted."""
    package = Path(__file__).resolve().parent
    for folder in (package / "weights", package.parent / "weights"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    return {}


def _checked_file(path: Path, name: str) -> Path:
    if path.suffix == ".onnx":
        raise UsageError(
            name,
            "an exported model is not used here",
            "name the .safetensors it was made from, or sample --runtime onnx",
        )
    if path.suffix in PICKLE_SUFFIXES:
        raise WeightsError(
            name,
            f"expected a .safetensors file, got {path.suffix}",
            "pickles can run code: they are never loaded",
        )
    if not path.is_file():
        raise WeightsError(name, "expected a .safetensors file, got something that is no regular file")
    return path


def _in_directory(path: Path, name: str) -> Path:
    model = path / MODEL_FILE
    if model.is_file():
        return model
    if (path / "checkpoint").is_dir():
        raise WeightsError(
            name,
            f"the run has no {MODEL_FILE} yet",
            "it appears when the first tick is measured; `drai train` with the same options goes on",
        )
    raise WeightsError(name, f"expected a run directory with {MODEL_FILE}, got a folder without")


def _names_hint(name: str, bundled: dict[str, Path]) -> str:
    near = difflib.get_close_matches(name, bundled, n=1)
    nearest = f"did you mean {near[0]!r}? " if near else ""
    known = f"bundled: {', '.join(bundled)}" if bundled else "this installation has no bundled model"
    return f"{nearest}{known}; a Hub name looks like owner/name"
