"""A run directory: the files of one training run, and which settings may change when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from drai_cli.errors import DraiError, InputError, OverwriteError, UsageError
from drai_cli.io.files import atomic_writer, open_regular, read_json, remove_left_over
from drai_cli.io.locks import check_no_file
from drai_cli.io.room import check_room
from drai_cli.output.folder import make_folder
from drai_cli.progress import Reporter
from drai_cli.settings.config import REMOVED, Chosen, ModelConfig, Objective, TrainOptions, check_image_size
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.typed import check_types, older_values

# Settings that may differ between a run and the command that resumes it.
FREE_ON_RESUME = frozenset({"training.kimg", "training.hours", "training.tick_kimg", "version"})
_CHOSEN = "chosen"
_ANOTHER_OUT = "name another with --out"


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
    def judge(self) -> Path:
        """The classifier for validation, trained once per run."""
        return self.path / "checkpoint" / "judge.safetensors"

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
    def progress(self) -> Path:
        """A page that shows how the run goes, written again at every tick."""
        return self.path / "progress.html"

    def grid(self, images_seen: int) -> Path:
        return self.path / "grids" / f"{images_seen:09d}.png"

    @property
    def is_begun(self) -> bool:
        return self.config.exists()

    def check(self, settings: Mapping[str, Any]) -> None:
        """Checks that a command may start a run here, or resume the one that is here.

        Raises:
            OverwriteError: The directory holds something else.
            UsageError: The run differs in more than budget and ticks; the differences are listed.
        """
        if self.is_begun:
            self._check_same(settings)
        else:
            self._check_free()

    def check_room(self, state_bytes: int, model_bytes: int, reporter: Reporter) -> None:
        """Checks the disk space for model and checkpoint: a new one is complete before the old one is removed.

        Raises:
            InputError: There is too little.
        """
        there = sum(file.stat().st_size for file in (self.state, self.model) if file.exists())
        missing, more = max(0, state_bytes + model_bytes - there), max(state_bytes, model_bytes)
        check_room(
            self.path, "model and checkpoint", missing or more, missing + more,
            "make room, or name another folder with --out", reporter,
        )  # fmt: skip

    def remove_left_over(self) -> None:
        """Removes partial files of a killed process."""
        for folder in (self.path, self.state.parent, self.path / "grids"):
            remove_left_over(folder)

    def _check_free(self) -> None:
        check_no_file(self.path)
        if self.path.is_dir() and any(not entry.name.startswith(".") for entry in self.path.iterdir()):
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
        for folder in (self.path / "checkpoint", self.path / "grids"):
            make_folder(folder, _ANOTHER_OUT)

    def _check_same(self, settings: Mapping[str, Any]) -> None:
        try:
            # A setting that the run's version did not have had the value of older versions, or its default.
            older = {
                **older_values(TrainOptions),
                "model": older_values(ModelConfig),
                "objective": older_values(Objective),
            }
            brought = _flat({"training": TrainOptions().to_json()}) | _flat({"training": older})
            saved = {name: value for name, value in read_json(self.config).items() if name != _CHOSEN}
            own = {**brought, **REMOVED, **_flat(saved)}
        except (InputError, AttributeError) as error:
            raise InputError(self.config, "cannot be read", "name another folder with --out") from error
        new = {**REMOVED, **_flat(settings)}
        differing = sorted(
            name
            for name in own.keys() | new.keys()
            if own.get(name) != new.get(name) and name not in FREE_ON_RESUME
        )
        if differing:
            listed = "; ".join(
                f"{name}: {own.get(name)!r} in the run, {new.get(name)!r} now" for name in differing
            )
            raise UsageError(
                self.path, f"the run was started with other settings ({listed})",
                "repeat its settings to resume it, or name another folder with --out",
            )  # fmt: skip

    def read_chosen(self) -> Chosen | None:
        """What was chosen for the device when the run began; None for a run older than this choice.

        Raises:
            InputError: It cannot be read.
        """
        try:
            saved = read_json(self.config).get(_CHOSEN)
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
            saved = read_json(self.config)["data"]
            known = {option.name for option in fields(DataOptions)} & saved.keys()
            values = {name: saved[name] for name in known}
            check_types(DataOptions, values)
            values |= {"path": Path(saved["path"]), "conditions": tuple(saved["conditions"])}
            values["metadata"] = Path(saved["metadata"]) if saved["metadata"] else None
            options = DataOptions(**values)
            check_image_size(options.size)
            return options
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

    def write_seen(self, digests: Iterable[str]) -> None:
        with atomic_writer(self.seen) as file:
            file.write("".join(f"{digest}\n" for digest in sorted(set(digests))).encode())

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


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    with atomic_writer(path) as file:
        file.write((json.dumps(data, indent=2, sort_keys=True) + "\n").encode())


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name; tuples become lists, as in JSON."""
    out: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = list(value) if isinstance(value, tuple) else value
    return out
