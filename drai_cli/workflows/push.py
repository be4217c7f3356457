"""`drai push`: uploads a model to the Hub, with its card and samples."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drai_cli import __version__
from drai_cli.export.hub_folder import write_hub_folder
from drai_cli.hub.locate import locate_weights, parse_hub_name
from drai_cli.hub.repository import MODEL_FILE
from drai_cli.io.files import file_sha256
from drai_cli.model_file.checkpoint import read_header
from drai_cli.progress import SILENT, Reporter
from drai_cli.settings.model_options import PushOptions


@dataclass(frozen=True)
class PushResult:
    """What a `push` command uploaded, or would upload.

    Attributes:
        repository: `owner/name`.
        commit: The new commit; empty for a dry run.
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


def push(options: PushOptions, reporter: Reporter = SILENT) -> PushResult:
    """Uploads a model with its card to the Hub; a dry run makes the files and uploads nothing.

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
            commit = repository.upload(files, message, is_private=options.private)
    return PushResult(repository.name, commit, listed, listed[MODEL_FILE][1])
