"""The direction of imports, read in the source; no torch in io; no heavy imports before a command runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "drai_cli"

# Allowed imports by package (first name below `drai_cli`), imports in function bodies included.
BASE = {"errors", "progress", "machine", "settings", ""}
DATA = BASE | {"io", "tables", "conditions", "data"}
MODEL = DATA | {"model", "model_file", "hub"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "progress": {"errors"},
    "machine": {"errors"},
    "settings": {"errors"},
    "io": BASE,
    "tables": BASE | {"io"},
    "conditions": BASE,
    "data": BASE | {"io", "tables", "conditions"},
    "hub": BASE | {"io"},
    "model": BASE,
    "metrics": BASE | {"model", "conditions"},
    "model_file": BASE | {"io", "conditions", "data", "model"},
    "training": DATA | {"model"},
    "inference": MODEL | {"metrics"},
    "output": MODEL | {"inference"},
    "report": DATA | {"model_file"},
    "run": MODEL | {"metrics", "training", "output", "report"},
    "sampling": MODEL | {"metrics", "inference", "output", "run"},
    "evaluation": MODEL | {"metrics", "inference", "output", "report", "run"},
    "explore": MODEL | {"metrics", "inference", "output", "report", "run", "sampling"},
    "export": MODEL | {"inference", "output", "report", "run", "sampling"},
    "workflows": MODEL
    | {
        "metrics",
        "training",
        "inference",
        "output",
        "report",
        "run",
        "sampling",
        "evaluation",
        "explore",
        "export",
    },
    "api": MODEL | {"inference", "sampling", "workflows"},
    "cli": {"errors", "progress", "machine", "settings", "io", "hub", "report", "workflows", ""},
    "": {"api"},
    "__main__": {"cli"},
}
HEAVY = {"torch", "numpy", "PIL", "pydicom", "nibabel", "huggingface_hub", "safetensors", "scipy"}
STANDARD_ONLY = ("", "errors", "progress", "machine", "settings", "__main__")
# Limits of size: lines of a file, and share of all lines of a package.
MOST_LINES_OF_A_FILE = 350
LARGEST_SHARE = 0.15


@dataclass(frozen=True)
class Import:
    """One imported module: who imports it, and whether importing the importer imports it too."""

    path: Path
    line: int
    name: str
    at_module_level: bool

    @property
    def importer(self) -> str:
        first = self.path.relative_to(PACKAGE).parts[0]
        return first.removesuffix(".py").replace("__init__", "")

    @property
    def layer(self) -> str | None:
        """The part of this package that is imported; None for anything else."""
        parts = self.name.split(".")
        if parts[0] != "drai_cli":
            return None
        return parts[1] if len(parts) > 1 else ""

    def __str__(self) -> str:
        return f"{self.path.relative_to(PACKAGE.parent)}:{self.line} imports {self.name}"


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    lazy: set[int] = set()
    for node in ast.walk(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if is_function or is_typing:
            lazy.update(
                id(child) for child in ast.walk(node) if isinstance(child, ast.Import | ast.ImportFrom)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, id(node) not in lazy)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            names = [alias.name for alias in node.names]
            if node.module == "drai_cli":
                parts = [n for n in names if (PACKAGE / n).is_dir() or (PACKAGE / f"{n}.py").exists()]
                targets = [f"drai_cli.{name}" for name in parts] or ["drai_cli"]
            else:
                targets = [str(node.module)]
            for target in targets:
                yield Import(path, node.lineno, target, id(node) not in lazy)


ALL_IMPORTS = [one for path in sorted(PACKAGE.rglob("*.py")) for one in imports_of(path)]


def test_imports_are_read():
    names = {(one.importer, one.name) for one in ALL_IMPORTS}
    assert ("cli", "typer") in names
    assert ("", "drai_cli.api") in names
    assert ("cli", "drai_cli.workflows.train") in names


def test_no_modules_import_each_other_in_a_circle():
    """Imports in function bodies count too: where they are needed to break a circle, a name is in the wrong module."""
    files = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in PACKAGE.rglob("*.py")
    }
    graph: dict[str, set[str]] = {name: set() for name in files}
    for path in sorted(PACKAGE.rglob("*.py")):
        importer = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                submodules = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[importer] |= ({node.module} | submodules) & files - {importer}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_every_part_has_a_rule():
    parts = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert {part.replace("__init__", "") for part in parts} <= set(ALLOWED)


def test_rules_have_no_cycle():
    settled: set[str] = set()
    while len(settled) < len(ALLOWED):
        # the root only hands out the API lazily, and the version: it is no step up
        ready = {part for part, below in ALLOWED.items() if below - {"", part} <= settled} - settled
        assert ready, f"a cycle among {sorted(set(ALLOWED) - settled)}"
        settled |= ready


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_files_are_short():
    long = {path: lines for path in PACKAGE.rglob("*.py") if (lines := lines_of(path)) > MOST_LINES_OF_A_FILE}
    assert long == {}


def test_no_room_is_most_of_the_house():
    # A folder inside of another, such as io/dicom, is a room of its own.
    rooms = {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}
    lines = {str(room.relative_to(PACKAGE)): sum(map(lines_of, room.glob("*.py"))) for room in rooms}
    whole = sum(map(lines_of, PACKAGE.rglob("*.py")))
    assert {name: count for name, count in lines.items() if count > LARGEST_SHARE * whole} == {}


def test_workflows_holds_a_file_a_command():
    names = {path.stem for path in (PACKAGE / "workflows").glob("*.py")} - {"__init__"}
    commands = {
        one.name.removeprefix("drai_cli.workflows.")
        for one in ALL_IMPORTS
        if one.importer == "cli" and one.layer == "workflows"
    }
    assert names == commands


def test_imports_point_one_way():
    wrong = [
        str(one)
        for one in ALL_IMPORTS
        if one.layer is not None and one.layer != one.importer and one.layer not in ALLOWED[one.importer]
    ]
    assert wrong == []


def test_io_is_free_of_torch():
    assert [str(one) for one in ALL_IMPORTS if one.importer == "io" and one.name.startswith("torch")] == []


@pytest.mark.parametrize("part", [*STANDARD_ONLY, "cli"])
def test_prompt_parts_import_the_standard_library_only(part):
    known = set(sys.stdlib_module_names) | {"drai_cli"} | ({"typer", "rich"} if part == "cli" else set())
    wrong = [
        str(one)
        for one in ALL_IMPORTS
        if one.importer == part and one.at_module_level and one.name.split(".")[0] not in known
    ]
    assert wrong == []


def test_command_modules_import_workflows_in_their_bodies():
    wrong = [
        str(one)
        for one in ALL_IMPORTS
        if one.importer == "cli" and one.layer in ("workflows", "io", "hub", "report") and one.at_module_level
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["--version"], ["sample", "--help"], ["train", "-h"], ["nonsense"]],
    ids=" ".join,
)
def test_prompt_answers_without_heavy_imports(arguments):
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "drai_cli", *arguments], capture_output=True, text=True
    )
    assert result.returncode == (2 if arguments == ["nonsense"] else 0)
    imported = {
        line.split("|")[-1].strip() for line in result.stderr.splitlines() if line.startswith("import time:")
    }
    assert "typer" in imported
    assert imported & HEAVY == set()
