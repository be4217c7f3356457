"""A run directory: the files of one training run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drai_cli.errors import DraiError, InputError, OverwriteError, WeightsError
from drai_cli.io.durable import is_torn
from drai_cli.io.files import (
    MAX_RECORD_BYTES,
    atomic_writer,
    check_inside,
    open_regular,
    read_json,
    remove_left_over,
)
from drai_cli.io.locks import check_no_file
from drai_cli.io.room import check_room
from drai_cli.output.folder import make_folder
from drai_cli.progress import Reporter
from drai_cli.run.data_settings import read_data_settings
from drai_cli.run.same_settings import check_same
from drai_cli.settings.config import Chosen
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.typed import check_types

_CHOSEN = "chosen"
_ANOTHER_OUT = "name another with --out"
_CONFIG_START = f'{{\n  "{_CHOSEN}": {{'.encode()  # as `_write_json` sorts and indents
_OWN = ("config.json", "split.csv", "seen.sha256", "checkpoint", "grids")
"""What a run may have made before its first checkpoint."""


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run, and its settings.

    Attributes:
        path: The directory.
    """

    path: Path

    @property
    def model(self) -> Path:
        """The best averaged model: usable as WEIGHTS."""
        return self.path / "model.safetensors"

    @property
    def state(self) -> Path:
        """The checkpoint: all that resuming needs."""
        return self.path / "checkpoint" / "state.safetensors"

    @property
    def earlier_state(self) -> Path:
        """The checkpoint before the last, kept until the next is whole."""
        return self.path / "checkpoint" / "earlier.safetensors"

    @property
    def judge(self) -> Path:
        """The classifier for validation, trained once per run."""
        return self.path / "checkpoint" / "judge.safetensors"

    @property
    def features(self) -> Path:
        """The frozen network of the projected discriminator, as the run began with it."""
        return self.path / "checkpoint" / "features.safetensors"

    @property
    def split(self) -> Path:
        return self.path / "split.csv"

    @property
    def seen(self) -> Path:
        """Digests of the images used in training or selection, one per line, to recognise them in an evaluation.

        They are never in a model file, so that a shared model does not tell whose images made it.
        """
        return self.path / "seen.sha256"

    @property
    def measures(self) -> Path:
        """Main numbers of the last evaluation on test images, for the model card."""
        return self.path / "measures.json"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def stats(self) -> Path:
        """One JSON object per tick."""
        return self.path / "stats.jsonl"

    @property
    def events(self) -> Path:
        """The folder of TensorBoard's events; it is no link."""
        folder = self.path / "tensorboard"
        check_inside(self.path, folder)
        return folder

    @property
    def progress(self) -> Path:
        """A page that shows how the run goes, written again at every tick."""
        return self.path / "progress.html"

    def grid(self, images_seen: int) -> Path:
        return self.path / "grids" / f"{images_seen:09d}.png"

    @property
    def is_begun(self) -> bool:
        return self.config.exists() and not self._is_torn_start

    @property
    def _is_torn_start(self) -> bool:
        """Whether a power cut left part of the settings and no checkpoint: then the run begins anew."""
        if self.state.exists() or self.earlier_state.exists():
            return False
        with suppress(InputError), open_regular(self.config, max_bytes=MAX_RECORD_BYTES) as file:
            found = file.read()
            start = found.rstrip(b"\0")[: len(_CONFIG_START)]
            return _CONFIG_START.startswith(start) and not _is_json(found)
        return False

    def read_config(self) -> dict[str, Any]:
        """The run's settings and what was chosen for the device; from a checkpoint where the file is damaged.

        Raises:
            InputError: They cannot be read.
        """
        with suppress(InputError):
            saved = read_json(self.config)
            if isinstance(saved, dict):
                return saved
        for path in (self.state, self.earlier_state):
            with suppress(WeightsError):
                from drai_cli.model_file.checkpoint import (
                    read_record,  # torch: not for who only looks at a run
                )

                saved = read_record(path).get("settings")
                if isinstance(saved, dict):
                    return saved
        raise InputError(self.config, "cannot be read", "name another folder with --out")

    def mend_config(self, reporter: Reporter) -> None:
        """Writes the settings again where their file is damaged and a checkpoint has them; raises as `read_config`."""
        saved = self.read_config()
        try:
            is_whole = read_json(self.config) == saved
        except InputError:
            is_whole = False
        if not is_whole:
            reporter.warn(f"{self.config} is damaged: written again from the checkpoint")
            _write_json(self.config, saved)

    def check(self, settings: Mapping[str, Any]) -> None:
        """Checks that a command may start a run here, or resume the one that is here.

        Raises:
            OverwriteError: The directory holds something else.
            UsageError: The run differs in more than budget and ticks; the differences are listed.
        """
        if self.is_begun:
            saved = {name: value for name, value in self.read_config().items() if name != _CHOSEN}
            check_same(self.path, self.config, saved, settings)
        else:
            self._check_free()

    def check_room(self, state_bytes: int, model_bytes: int, reporter: Reporter) -> None:
        """Checks the disk space for model and checkpoint: a new one is complete before the old one is removed.

        Raises:
            InputError: There is too little.
        """
        files = (self.state, self.earlier_state, self.model)
        there = sum(file.stat().st_size for file in files if file.exists())
        missing, more = max(0, 2 * state_bytes + model_bytes - there), max(state_bytes, model_bytes)
        check_room(
            self.path, "model and checkpoint", missing or more, missing + more,
            "make room, or name another folder with --out", reporter,
        )  # fmt: skip

    def remove_left_over(self) -> None:
        """Removes partial files of a killed process."""
        for folder in (self.path, *self._folders):
            check_inside(self.path, folder)
            remove_left_over(folder)

    @property
    def _folders(self) -> tuple[Path, ...]:
        return self.state.parent, self.path / "grids"

    def _check_free(self) -> None:
        check_no_file(self.path)
        ours = _OWN if self._is_torn_start else ()
        if self.path.is_dir() and any(
            not entry.name.startswith(".") and entry.name not in ours for entry in self.path.iterdir()
        ):
            raise OverwriteError(self.path, "the folder holds other files and no run", _ANOTHER_OUT)

    def begin(self, settings: Mapping[str, Any], chosen: Chosen) -> None:
        """Makes the directory, and writes the settings and what was chosen for the device.

        Raises:
            InputError: It cannot be made.
        """
        make_folder(self.path, _ANOTHER_OUT)
        # The settings make it a run. The rest is made when needed, so a run that crashes here can be resumed.
        _write_json(self.config, {**settings, _CHOSEN: asdict(chosen)})

    def make_folders(self) -> None:
        """Makes the folders of the checkpoint and the grids if they are missing; raises as `make_folder`."""
        for folder in self._folders:
            make_folder(folder, _ANOTHER_OUT, inside=self.path)

    def read_chosen(self) -> Chosen | None:
        """What was chosen for the device when the run began; None for a run older than this choice.

        Raises:
            InputError: It cannot be read.
        """
        try:
            saved = self.read_config().get(_CHOSEN)
            if saved is None:
                return None
            check_types(Chosen, saved)
            return Chosen(**saved)
        except (InputError, TypeError, AttributeError) as error:
            raise InputError(self.config, "cannot be read", "name another folder with --out") from error

    def read_data_options(self) -> DataOptions:
        """The data options in the run's settings.

        Raises:
            InputError: There is no run here, or its settings cannot be read.
        """
        try:
            return read_data_settings(self.read_config()["data"])
        except (DraiError, KeyError, TypeError, AttributeError) as error:
            raise InputError(self.config, "expected a run's settings", "name a run directory") from error

    def read_stats(self, up_to: int) -> list[dict[str, Any]]:
        """The ticks up to `up_to` images seen; later ones are repeated after a crash."""
        if not self.stats.exists():
            return []
        with open_regular(self.stats) as file:
            lines = file.read().splitlines()
        ticks = []
        for line in lines:
            try:
                tick = json.loads(line)
                if tick.get("images_seen", up_to + 1) <= up_to:
                    ticks.append(tick)
            except (ValueError, RecursionError, AttributeError, TypeError):
                continue  # half a line after a crash
        return ticks

    def write_seen(self, digests: Iterable[str], reporter: Reporter) -> None:
        """Writes `seen` where it is missing, or where a power cut left part of it."""
        whole = "".join(f"{digest}\n" for digest in sorted(set(digests))).encode()
        if self.seen.exists():
            with open_regular(self.seen) as file:
                if not is_torn(file.read(), whole):
                    return
            reporter.warn(f"{self.seen} is damaged: written again")
        with atomic_writer(self.seen) as file:
            file.write(whole)

    def read_seen(self) -> frozenset[str] | None:
        """The digests in `seen`; None if there is no such file."""
        if not self.seen.exists():
            return None
        with open_regular(self.seen) as file:
            return frozenset(file.read().decode("ascii", "replace").split())

    def write_measures(
        self, sha256: str, settings: str, part: str, measures: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Saves the measures of a model file; returns the names of the earlier ones that are dropped.

        Args:
            sha256: Of the model file.
            settings: Digest of what every part of an evaluation depends on: the data, the judge, the seed. Measures
                under other settings are dropped.
            part: Part of the split.
            measures: Measures by part of the evaluation; each replaces the earlier ones of that part.
        """
        before = self.read_measures(sha256).get(part, {})
        is_same = False
        with suppress(InputError, AttributeError):
            is_same = read_json(self.measures).get("settings_sha256") == settings
        merged = {**before, **measures} if is_same else measures
        _write_json(self.measures, {"model_sha256": sha256, "settings_sha256": settings, part: dict(merged)})
        return tuple(name for name in before if name not in merged)

    def read_measures(self, sha256: str) -> Mapping[str, Any]:
        """The measures of the model file with this sha256, by part of the split; empty if there are none."""
        try:
            saved = read_json(self.measures)
            is_same = saved.pop("model_sha256") == sha256
            return {part: numbers for part, numbers in saved.items() if is_same and isinstance(numbers, dict)}
        except (InputError, KeyError, TypeError, AttributeError):
            return {}

    def write_stats(self, ticks: list[dict[str, Any]]) -> None:
        with atomic_writer(self.stats) as file:
            for tick in ticks:
                file.write((json.dumps(tick) + "\n").encode())


def run_of(model: Path) -> RunDirectory | None:
    """The run to which a model file belongs; None for any other file."""
    directory = RunDirectory(model.parent)
    return directory if directory.is_begun and model == directory.model else None


def measures_beside(model: Path, sha256: str) -> Mapping[str, Any]:
    """The measures of a run's model; empty for a file in no run, or for another model."""
    run = run_of(model)
    return {} if run is None else run.read_measures(sha256)


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    with atomic_writer(path) as file:
        file.write((json.dumps(data, indent=2, sort_keys=True) + "\n").encode())
