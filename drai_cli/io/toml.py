"""A TOML file, such as the one that `--config` names, as plain data. Knows nothing of what its settings mean."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from drai_cli.errors import InputError
from drai_cli.io.files import MAX_RECORD_BYTES, open_regular


def read_toml(path: Path) -> dict[str, Any]:
    """The tables and values of a TOML file.

    Raises:
        InputError: It cannot be read, or is no TOML.
    """
    with open_regular(path, max_bytes=MAX_RECORD_BYTES) as file:
        raw = file.read()
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except RecursionError as error:
        raise InputError(path, "its values are nested too deeply") from error
    except ValueError as error:
        raise InputError(
            path, f"expected TOML, got: {error}", "a line is for example: batch-size = 16"
        ) from error
