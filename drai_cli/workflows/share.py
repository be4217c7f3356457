"""`drai pull` and `drai push`: models from the Hub and to it, and by hand where there is no network."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.checkpoint import read_header
from drai_cli.hub import locate_weights, parse_hub_name
from drai_cli.hub_repository import MODEL_FILE, origin_of
from drai_cli.io.files import file_sha256
from drai_cli.progress import SILENT, Reporter
from drai_cli.workflows.hub_folder import write_hub_folder
from drai_cli.workflows.model_options import PullOptions, PushOptions
from drai_cli.workflows.output_folder import check_folder, staged


@dataclass(frozen=True)
class PullResult:
    """What a `pull` fetched.

    Attributes:
        repository: `owner/name`.
        commit: The commit that was fetched.
        weights: What to give as WEIGHTS to use it.
        files: Where each file is, by its name in the repository.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    repository: str
    commit: str
    weights: str
    files: Mapping[str, str]
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class PushResult:
    """What a `push` sent, or would send.

    Attributes:
        repository: `owner/name`.
        commit: The commit made; empty for a dry run.
        files: Size in bytes and sha256 of each file, by its name in the repository.
        weights_sha256: Of the model file.
        version: Of drai.
    """

    repository: str
    commit: str
    files: Mapping[str, tuple[int, str]]
    weights_sha256: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def pull(options: PullOptions, reporter: Reporter = SILENT) -> PullResult:
    """Fetches a model into the Hub cache, and copies it to a folder where that is asked for.

    Raises:
        UsageError: No Hub name.
        NetworkError, WeightsError: It cannot be fetched, or is no model that can be used.
        InputError, OverwriteError: The folder cannot be written, or holds something.
    """
    repository = parse_hub_name(options.repository)
    if options.to is not None:
        check_folder(options.to, options.overwrite)
    files = repository.fetch(reporter=reporter)
    model = files[MODEL_FILE]
    read_header(model)
    commit = origin_of(model).rpartition("@")[2]
    weights = f"{repository.name}@{commit}" if commit else str(model)
    if options.to is not None:
        with staged(options.to, options.overwrite, "drai pull") as stage:
            for name, path in files.items():
                shutil.copyfile(path, stage / name)
        files, weights = {name: options.to / name for name in files}, str(options.to)
    return PullResult(
        repository.name, commit, weights, {name: str(path) for name, path in files.items()},
        file_sha256(files[MODEL_FILE]),
    )  # fmt: skip


def push(options: PushOptions, reporter: Reporter = SILENT) -> PushResult:
    """Sends a model with its card to the Hub; a dry run makes the files, says what they are, and sends nothing.

    Raises:
        UsageError: No Hub name.
        WeightsError: No such model.
        NetworkError: The Hub cannot be reached or refuses.
    """
    repository = parse_hub_name(options.repository)
    model = locate_weights(options.weights, reporter)
    with tempfile.TemporaryDirectory(prefix="drai-push-") as place:
        files = write_hub_folder(model, repository.name, Path(place), reporter)
        listed = {name: (path.stat().st_size, file_sha256(path)) for name, path in files.items()}
        commit = ""
        if not options.dry_run:
            message = options.message or f"drai {__version__}: {read_header(model).method} model"
            commit = repository.send(files, message, is_private=options.private)
    return PushResult(repository.name, commit, listed, listed[MODEL_FILE][1])
