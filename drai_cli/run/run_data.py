"""The data of a run: prepared by all its processes, in the parts of its split."""

from __future__ import annotations

import hashlib

from drai_cli.data.prepared import PreparedSet, prepare
from drai_cli.data.split import encode_split, write_split
from drai_cli.errors import InputError
from drai_cli.io.durable import is_torn
from drai_cli.io.files import open_regular
from drai_cli.machine.launch import read_place
from drai_cli.progress import Reporter
from drai_cli.run.directory import RunDirectory
from drai_cli.settings.model_options import TrainRun
from drai_cli.training.parallel import Processes


def prepare_together(
    run: TrainRun, directory: RunDirectory, processes: Processes, reporter: Reporter
) -> PreparedSet:
    """The data. On each machine the first process decodes it, and the others read its cache.

    Raises:
        InputError: The processes do not have the same data.
    """
    decodes = read_place().local_rank == 0
    if not decodes:
        processes.wait()
    data = _prepare(run, directory, reporter)
    if decodes:
        processes.wait()
    if processes.size == 1:
        return data
    content = ("\n".join(data.digests) + "\n".join(data.parts.tolist())).encode() + data.conditions.tobytes()
    own = hashlib.sha256(content).hexdigest()
    if processes.from_first(own) != own:
        raise InputError(
            run.data.path,
            f"process {processes.rank} has other images, conditions or parts than the first",
            "let all machines read the same data set and the same run directory",
        )
    return data


def _prepare(run: TrainRun, directory: RunDirectory, reporter: Reporter) -> PreparedSet:
    """The data, in the parts of the run's split; a split of which a power cut left part is drawn again."""
    training, split_file = run.training, directory.split if directory.split.exists() else None
    seed = training.seed if training.split_seed is None else training.split_seed
    try:
        return prepare(run.data, seed=seed, split_file=split_file, reporter=reporter)
    except InputError:
        if split_file is None:
            raise
        data = prepare(run.data, seed=seed)
        with open_regular(split_file) as file:
            if not is_torn(file.read(), encode_split(data.entries, data.parts.tolist())):
                raise
    reporter.warn(f"{split_file} is damaged: written again")
    write_split(split_file, data.entries, data.parts.tolist())
    return prepare(run.data, seed=seed, split_file=split_file, reporter=reporter)
