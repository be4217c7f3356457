"""The direction of imports, read in the source: cli, workflows, the rest; io without torch; light prompt."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "drai_cli"

# What may be imported from where: the first part below `drai_cli`, imports in function bodies included.
BASE = {"errors", "progress", "launch", "memory", "cores"}
SETTINGS = BASE | {"config", "methods", "presets", "condition", "typed"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "progress": {"errors"},
    "launch": {"errors"},
    "memory": set(),
    "cores": set(),
    "config": {"errors"},
    "methods": {"errors", "config"},
    "presets": {"errors", "config"},
    "condition": {"errors"},
    "typed": set(),
    "pixels": set(),
    "losses": SETTINGS | {"model"},
    "model": SETTINGS,
    "io": BASE,
    "data": SETTINGS | {"io"},
    "metrics": SETTINGS | {"pixels"},
    "codes": SETTINGS,
    "header": SETTINGS | {"io"},
    "report": set(),
    "checkpoint": SETTINGS | {"model", "io", "header", ""},
    "hub_repository": BASE | {"io"},
    "hub": BASE | {"hub_repository"},
    "training": SETTINGS | {"model", "losses", "data", "pixels"},
    "workflows": SETTINGS
    | {"model", "losses", "data", "io", "metrics", "codes", "header", "checkpoint", "hub", "hub_repository"}
    | {"report", "training", "pixels", ""},
    "cli": BASE | {"config", "methods", "presets", "hub", "workflows", ""},
    "api": SETTINGS | {"model", "data", "io", "codes", "header", "checkpoint", "hub", "workflows", ""},
    "": {"api"},
    "__main__": {"cli"},
}
HEAVY = {"torch", "numpy", "PIL", "pydicom", "nibabel", "huggingface_hub", "safetensors", "scipy"}
# What may be said at the prompt stands in these, so that the prompt can read it without what carries it out.
OPTIONS = {"drai_cli.data.options", "drai_cli.workflows.options", "drai_cli.workflows.model_options"}
STANDARD_ONLY = (
    "",
    "errors",
    "progress",
    "launch",
    "memory",
    "cores",
    "config",
    "methods",
    "presets",
    "report",
    "typed",
    "__main__",
)


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


ALL_IMPORTS = [found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path)]


def test_imports_are_read():
    names = {(found.importer, found.name) for found in ALL_IMPORTS}
    assert ("cli", "typer") in names
    assert ("", "drai_cli.api") in names or len(names) > 20


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


def test_imports_point_one_way():
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if found.layer is not None
        and found.layer != found.importer
        and found.layer not in ALLOWED[found.importer]
        and not (found.importer == "cli" and found.name in OPTIONS)
    ]
    assert wrong == []


def test_io_is_free_of_torch():
    assert [
        str(found) for found in ALL_IMPORTS if found.importer == "io" and found.name.startswith("torch")
    ] == []


@pytest.mark.parametrize("part", [*STANDARD_ONLY, "cli"])
def test_prompt_parts_import_the_standard_library_only(part):
    known = set(sys.stdlib_module_names) | {"drai_cli"} | ({"typer", "rich"} if part == "cli" else set())
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if found.importer == part and found.at_module_level and found.name.split(".")[0] not in known
    ]
    assert wrong == []


def test_command_modules_import_workflows_in_their_bodies():
    wrong = [
        str(found)
        for found in ALL_IMPORTS
        if found.importer == "cli"
        and found.layer in ("workflows", "data", "hub")
        and found.name not in OPTIONS
        and found.at_module_level
    ]
    assert wrong == []


@pytest.mark.parametrize("module", sorted(OPTIONS))
def test_options_import_the_standard_library_only(module):
    path = PACKAGE.parent / (module.replace(".", "/") + ".py")
    light = OPTIONS | {"drai_cli.config"}
    names = {found.name for found in imports_of(path) if found.name.rpartition(".")[0] not in light}
    assert {name.split(".")[0] for name in names - light} <= set(sys.stdlib_module_names)


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
