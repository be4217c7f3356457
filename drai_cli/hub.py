"""Where a model file is: a path, a run directory, a bundled name or the Hub. Knows nothing of torch."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from drai_cli.errors import DraiError, NetworkError, UsageError, WeightsError
from drai_cli.progress import SILENT, Reporter

DEFAULT_WEIGHTS = "lesions-64"
WEIGHTS_VARIABLE = "DRAI_WEIGHTS"
MODEL_FILE = "model.safetensors"

_HUB_NAME = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w./-]+))?", re.ASCII
)
# What huggingface_hub has spoken HTTP with, by its version.
_NETWORK_LIBRARIES = {"httpx", "httpx2", "httpcore", "requests", "urllib3"}
_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin"}


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
        return _from_hub(name, hub_name["repository"], hub_name["revision"], reporter)
    raise WeightsError(name, "no such model file, run directory or bundled model", _names_hint(name, bundled))


def bundled_models() -> dict[str, Path]:
    """Name to file of the models that come with the package (in a checkout, with the repository), sorted."""
    package = Path(__file__).resolve().parent
    for folder in (package / "weights", package.parent / "weights"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
    return {}


def _checked_file(path: Path, name: str) -> Path:
    if path.suffix == ".onnx":
        raise UsageError(name, "an exported model is not used here", "name the .safetensors it was made from")
    if path.suffix in _PICKLE_SUFFIXES:
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


def _from_hub(name: str, repository: str, revision: str | None, reporter: Reporter) -> Path:
    """The model file of a Hub repository. Nothing else of it is ever fetched, nothing in it is executed."""
    import huggingface_hub

    try:
        cached = huggingface_hub.try_to_load_from_cache(repository, MODEL_FILE, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
        reporter.info(f"downloading {name} from the Hub")
        return Path(huggingface_hub.hf_hub_download(repository, MODEL_FILE, revision=revision))
    except Exception as error:
        known = _explain(name, error)
        if known is None:
            raise
        raise known from error


def _explain(name: str, error: Exception) -> DraiError | None:
    """What a failed download means to the user; None for what is not the Hub's or the network's doing."""
    from huggingface_hub import errors

    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return NetworkError(
            name, "the repository is gated", "accept its terms on the Hub, then `hf auth login`"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return WeightsError(name, "the repository has no such revision", "look at its branches and tags")
    if isinstance(error, errors.RepositoryNotFoundError):
        return NetworkError(
            name,
            "no such file or folder here, and no such repository on the Hub (or it is private)",
            "look at the spelling; for a private one, `hf auth login` or set HF_TOKEN",
        )
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        if offline:
            return NetworkError(
                name, "not in the local Hub cache, and HF_HUB_OFFLINE is set", "unset it, or name a file"
            )
        return NetworkError(
            name,
            "no such file or folder here, and the Hub cannot be reached",
            "look at the connection or HF_ENDPOINT, or carry model.safetensors over and name it",
        )
    if isinstance(error, errors.EntryNotFoundError):
        return WeightsError(name, f"the repository holds no {MODEL_FILE}", "it was not made by drai")
    if isinstance(error, errors.HfHubHTTPError):
        hints = {401: "`hf auth login` or set HF_TOKEN", 403: "your token has no access to it"}
        hints[429] = "too many requests: wait and try again"
        return NetworkError(
            name, f"the Hub answered {status or 'with an error'}", hints.get(status or 0, "try again later")
        )
    if isinstance(error, errors.HFValidationError):
        return WeightsError(name, "no such file, and no valid Hub name", "a Hub name looks like owner/name")
    libraries = {base.__module__.split(".")[0] for base in type(error).__mro__}
    if libraries & _NETWORK_LIBRARIES:
        return NetworkError(name, "the Hub cannot be reached", "look at the connection or HF_ENDPOINT")
    if isinstance(error, OSError):
        return WeightsError(
            name,
            f"cannot be stored in the Hub cache ({error.strerror or error})",
            "look at the space in HF_HOME",
        )
    return None
