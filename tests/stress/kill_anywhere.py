"""`kill -9` at random moments: what stands under its final name is whole, and the same command again ends the same.

    python tests/stress/kill_anywhere.py 200 [first seed] [case ...]

Kill i is of the same case and at the same share of that case's time whenever it is made. Commands run as processes
that are forked from this one, which has imported all and computed nothing, so that a kill falls into their work.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(
    0, str(Path(__file__).parents[2])
)  # run as a script, it finds `tests` and `drai_cli` beside it
from kill_checks import check_of_run, serve_models, snapshot

os.environ.update(OMP_NUM_THREADS="1", TQDM_DISABLE="1", HF_HUB_DISABLE_TELEMETRY="1")

LIMIT_S = 300.0

NETWORKS = "--size 16 --base-channels 8 --max-channels 8 --content-dim 4 --style-dim 4 --batch-size 16"
# The precision is said: a run that is killed before it has chosen one may choose the other.
TRAINING = f"{NETWORKS} --device cpu --precision fp32 --kimg 0.16 --tick-kimg 0.064"
SAMPLING = "sample --weights W/tiny.safetensors -n 48 --batch-size 16"
MEASURES = "--metrics fidelity --samples 32 --judge-images 64 --device cpu"


@dataclass
class Case:
    """A command, and how its outcome is told.

    Attributes:
        name: For the counts.
        line: Its arguments; `OUT` stands for its output and `W` for the folder of what all cases share.
        may_be_there: Whether, run again when it was done, it may say that its output is there (exit code 6).
        every: It is killed in one of so many rounds; what takes long more rarely.
        environment: Variables of its own.
        whole_s: What it takes undisturbed.
    """

    name: str
    line: str
    may_be_there: bool = False
    every: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    whole_s: float = 0.0


CASES = [
    Case("train", f"train --data W/lesions --out OUT --cache-dir W/cache {TRAINING}"),
    *(
        Case(f"sample {kind}", f"{SAMPLING} --format {kind} --out OUT")
        for kind in ("png", "dicom", "nifti", "npz")
    ),
    Case("sample webdataset", f"{SAMPLING} --format webdataset --shard-size 20 --out OUT"),
    Case("cache", "cache W/lesions OUT"),
    Case("pull", "pull clinic/lesions --to OUT", True, environment={"HF_HOME": "OUT.hub"}),
    Case("export hub-folder", "export --weights W/tiny.safetensors --to hub-folder --out OUT", True),
    Case("export onnx", "export --weights W/tiny.safetensors --to onnx --out OUT/m.onnx", True, 16),
    Case("export torch", "export --weights W/tiny.safetensors --to torch-export --out OUT/m.pt2", True, 16),
    Case("evaluate", f"evaluate --data W/others --train-data W/lesions --weights W/run --out OUT {MEASURES}", every=4),
]  # fmt: skip


@dataclass
class Kills:
    """The whole of it: what all cases share, how each ends undisturbed, and what went wrong."""

    folder: Path
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def run(self, count: int, first: int, cases: list[Case]) -> None:
        with self._hub():
            self._prepare()
            for number, case in itertools.islice(in_turn(cases), first, first + count):
                if not case.whole_s:
                    self._expect(case)
                with self._noted(number, case):
                    self.disturb(case, random.Random(number))
                print(f"{number} ({case.name}): {len(self.wrong)} wrong so far", file=sys.stderr)

    def disturb(self, case: Case, chance: random.Random) -> None:
        """Kills a command one to four times, looks each time at what is there, runs it again and looks at the end."""
        out = self.out(case, "killed")
        counts = self.counts.setdefault(case.name, Counter())
        for _ in range(chance.randrange(1, 5)):
            code = self.run_one(case, out, kill_after_s=chance.random() * case.whole_s)
            counts["killed" if code == -signal.SIGKILL else "ended first"] += 1
            assert code in (0, -signal.SIGKILL), f"exit code {code}: {self.said()}"
            self.check_whole(case, out)
            if code == 0:
                break
        before = snapshot(out)
        code = self.run_one(case, out)
        if code == 6 and case.may_be_there:
            assert before == snapshot(out), "a refusal changed something"
            counts["was done"] += 1
        else:
            assert code == 0, f"run again, exit code {code}: {self.said()}"
            counts["gone on"] += 1
        self.compare(case, out)

    def compare(self, case: Case, out: Path) -> None:
        """Whether it has ended as undisturbed, with nothing left over."""
        expected, found = snapshot(self.out(case, "whole")), snapshot(out)
        hidden = [name for name in found if any(part.startswith(".") for part in Path(name).parts)]
        assert not hidden, f"left over: {hidden}"
        different = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
        assert not different, f"ends otherwise: {different}"

    def check_whole(self, case: Case, out: Path) -> None:
        """Whether every file under its final name is one that an undisturbed command writes."""
        expected = snapshot(self.out(case, "whole"))
        for name, data in snapshot(out).items():
            if any(part.startswith(".") for part in Path(name).parts):
                continue
            if case.name == "train":
                check_of_run(out / name)
            else:
                assert data == expected.get(name), f"{name} is not whole"

    def _expect(self, case: Case) -> None:
        started = time.monotonic()
        out = self.out(case, "whole")
        assert self.run_one(case, out) == 0, f"{case.name}: {self.said()}"
        case.whole_s = time.monotonic() - started
        print(f"{case.name}: {case.whole_s:.1f} s undisturbed", file=sys.stderr)
        if case.name.startswith("export") or case.name in ("pull", "evaluate"):
            return
        if case.name != "cache":
            assert self.run_one(case, out) == 0, f"{case.name} again: {self.said()}"

    def run_one(
        self,
        case: Case,
        out: Path,
        kill_after_s: float = LIMIT_S,
        limits: dict[int, tuple[int, int]] | None = None,
    ) -> int:
        """The exit code, negative for the signal that ended it."""
        words = [word.replace("OUT", str(out)).replace("W/", f"{self.folder}/") for word in case.line.split()]
        environment = {name: value.replace("OUT", str(out)) for name, value in case.environment.items()}
        process = self._fork(lambda: command(words), environment, limits or {})
        deadline = time.monotonic() + kill_after_s
        while True:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= deadline:
                os.kill(process, signal.SIGKILL)
                return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            time.sleep(0.001)

    def _fork(
        self, work: Callable[[], object], environment: dict[str, str], limits: dict[int, tuple[int, int]]
    ) -> int:
        process = os.fork()
        if process:
            return process
        code = 70
        try:
            log = os.open(self.folder / "said", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.environ.update(environment)
            for limit, values in limits.items():
                resource.setrlimit(limit, values)
            if "HF_HOME" in environment:
                from huggingface_hub import constants

                constants.HF_HUB_CACHE = os.path.join(environment["HF_HOME"], "hub")
            work()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
            os._exit(code)

    def _prepare(self) -> None:
        """What all cases share: phantoms, a tiny model, a finished run, a Hub with a model."""
        process = self._fork(lambda: prepare(self.folder), {}, {})
        status = os.waitpid(process, 0)[1]
        assert status == 0, self.said()

    @contextlib.contextmanager
    def _hub(self) -> Iterator[None]:
        """The tests' Hub on loopback, in a process of its own: one with threads is not forked from."""
        reading, writing = os.pipe()
        process = os.fork()
        if not process:
            try:
                serve_models(self.folder, writing)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            os.environ["HF_ENDPOINT"] = url = pipe.readline().strip()
        from huggingface_hub import constants

        constants.ENDPOINT = url
        constants.HUGGINGFACE_CO_URL_TEMPLATE = url + "/{repo_id}/resolve/{revision}/{filename}"
        try:
            yield
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)

    @contextlib.contextmanager
    def _noted(self, number: int, case: Case) -> Iterator[None]:
        out = self.out(case, "killed")
        try:
            yield
        except Exception as error:
            self.wrong.append(f"{number} ({case.name}): {error}")
            print(self.wrong[-1], file=sys.stderr)
            if out.exists():
                out.rename(self.folder / f"wrong-{number}")
        for place in (out, out.with_name(f"{out.name}.hub")):
            shutil.rmtree(place, ignore_errors=True)

    def out(self, case: Case, kind: str) -> Path:
        # Of one name, since a model card says it.
        return self.folder / f"{kind}-{case.name.replace(' ', '-')}" / "out"

    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")[-1500:]


def in_turn(cases: list[Case]) -> Iterator[tuple[int, Case]]:
    """All kills there are, by number: round after round, each of the cases whose turn it is."""
    rounds = (case for turn in itertools.count() for case in cases if turn % case.every == 0)
    return enumerate(rounds)


def command(words: list[str]) -> None:
    """Runs a command line of drai in this process, or builds a cache."""
    warnings.simplefilter("ignore")  # as at the prompt
    if words[0] == "cache":
        from drai_cli.cli.boundary import Session, run
        from drai_cli.data.cache import build_cache
        from drai_cli.data.sources import find_image_set

        found = find_image_set(Path(words[1]))
        sys.exit(run(Session(), lambda: build_cache(found, size=64, cache_dir=Path(words[2]))))
    from drai_cli.cli.app import app

    if words[0] == "export" and "/m." in words[-1]:
        Path(words[-1]).parent.mkdir(parents=True, exist_ok=True)
    app([*words, "-q"])


def prepare(folder: Path) -> None:
    import torch

    from drai_cli.conditions.attribute import Attribute
    from drai_cli.conditions.schema import ConditionSchema
    from drai_cli.model.networks import Networks
    from drai_cli.model_file.checkpoint import save_model
    from drai_cli.model_file.header import ModelHeader
    from drai_cli.settings.config import ModelConfig
    from drai_cli.workflows.phantom import PhantomOptions, make_phantoms

    make_phantoms(PhantomOptions(folder / "lesions", count=70, size=16))
    make_phantoms(PhantomOptions(folder / "others", count=70, size=16, seed=1))
    schema = ConditionSchema((Attribute("dx", "categorical", ("mel", "nv")),))
    config = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8, blocks=1)
    torch.manual_seed(0)
    header = ModelHeader(config, schema, "drai", training={"label_counts": {"mel": 1, "nv": 1}})
    save_model(folder / "tiny.safetensors", header, Networks(config, schema.dim))
    line = f"train --data {folder}/lesions --out {folder}/run --cache-dir {folder}/cache {TRAINING}"
    with contextlib.suppress(SystemExit):
        command(line.split())


def import_all() -> None:
    """Imports what the commands do, so that a fork has it."""
    import huggingface_hub  # noqa: F401
    import PIL.Image  # noqa: F401
    import torch._dynamo
    import torch.onnx  # noqa: F401

    from drai_cli.cli import app  # noqa: F401
    from drai_cli.run import validation
    from drai_cli.workflows import compare, evaluate, export, phantom, push, sample, train  # noqa: F401

    validation._JUDGE_ROUNDS = (
        1  # most of so short a run would be its judge, and few kills fall on what is written
    )

    with contextlib.suppress(ImportError):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401


def main(kind: type[Kills] = Kills) -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    cases = [case for case in CASES if not sys.argv[3:] or any(case.name.startswith(a) for a in sys.argv[3:])]
    import_all()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    kills = kind(Path(tempfile.mkdtemp(prefix="drai-kill-")))
    start = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):  # what was done until then is told
        kills.run(count, first, cases)
    print(*kills.wrong, sep="\n")
    for case in cases:
        print(f"{case.name}: {dict(kills.counts.get(case.name, {}))}, undisturbed {case.whole_s:.1f} s")
    total = sum(kills.counts.values(), Counter())
    print(f"{dict(total)}, {len(kills.wrong)} wrong, {time.monotonic() - start:.0f} s")
    if kills.wrong:
        print(f"what was found is kept in {kills.folder}")
    else:
        shutil.rmtree(kills.folder)
    return int(bool(kills.wrong))


if __name__ == "__main__":
    sys.exit(main())
