"""`drai pull`: fetches a model from the Hub."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from drai_cli import __version__
from drai_cli.hub.locate import parse_hub_name
from drai_cli.hub.repository import MODEL_FILE, HubRepository, origin_of
from drai_cli.io.files import file_sha256
from drai_cli.model_file.checkpoint import read_header
from drai_cli.output.folder import check_folder, open_stage
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.model_options import PullOptions


@dataclass(frozen=True)
class PullResult:
    """What a `pull` command fetched.

    Attributes:
        repository: `owner/name`.
        commit: The commit that was fetched.
        weights: What to give as WEIGHTS to use it.
        files: Path of each file, by its name in the repository.
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


def pull(options: PullOptions, reporter: Reporter = SILENT) -> PullResult:
    """Fetches a model into the Hub cache and, with `to`, copies it to a folder.

    Raises:
        UsageError: No Hub name.
        NetworkError, WeightsError: It cannot be fetched, or is no model that can be used.
        InputError, OverwriteError: The folder cannot be written, or is not empty.
    """
    repository = check_pull(options)
    files = repository.fetch(reporter=reporter)
    model = files[MODEL_FILE]
    read_header(model)
    commit = origin_of(model).rpartition("@")[2]
    weights = f"{repository.name}@{commit}" if commit else str(model)
    if options.to is not None:
        with open_stage(options.to, options.overwrite, "drai pull") as stage:
            for name, path in files.items():
                shutil.copyfile(path, stage / name)
        files, weights = {name: options.to / name for name in files}, str(options.to)
    return PullResult(
        repository.name, commit, weights, {name: str(path) for name, path in files.items()},
        file_sha256(files[MODEL_FILE]),
    )  # fmt: skip


def check_pull(options: PullOptions, reporter: Reporter = SILENT) -> HubRepository:
    """Checks the name and the folder as `pull` does before it fetches; raises UsageError and OverwriteError."""
    repository = parse_hub_name(options.repository)
    if options.to is not None:
        check_folder(options.to, options.overwrite)
    return repository
