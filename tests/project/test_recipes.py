"""The recipes of CONTRIBUTING name files and code that exist. A new name is in italics and must not exist yet."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import reduce
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = CONTRIBUTING.partition("## Recipes\n")[2].partition("\n## ")[0]
RECIPES = {title: text for title, _, text in (part.partition("\n") for part in SECTION.split("\n### ")[1:])}
STEPS = [
    pytest.param(step, id=f"{title}-{number}")
    for title, recipe in RECIPES.items()
    for number, step in enumerate(re.findall(r"^\d+\. (.*(?:\n   .*)*)", recipe, re.MULTILINE), 1)
]


def paths_of(text: str) -> list[str]:
    return re.findall(r"`([\w./-]+\.(?:py|md))`", text)


def names_of(text: str) -> set[str]:
    """Names of code: `Objective`, `Format.encode`, `_READS`."""
    return set(re.findall(r"`([A-Za-z_][\w.]*)`", text)) - set(paths_of(text))


def module_at(path: str) -> ModuleType:
    """The module of a file, in a package or not."""
    name = path.removesuffix(".py").replace("/", ".")
    if path.startswith("drai_cli/"):
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(f"recipes.{name}", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def has(module: ModuleType, name: str) -> bool:
    try:
        reduce(getattr, name.split("."), module)
    except AttributeError:
        return False
    return True


def missing(step: str) -> list[str]:
    """Names in backticks that no module of the step has, and files that do not exist."""
    paths = paths_of(step)
    modules = [module_at(path) for path in paths if path.endswith(".py") and (ROOT / path).exists()]
    absent = [path for path in paths if not (ROOT / path).exists()]
    return absent + sorted(
        name for name in names_of(step) if not any(has(module, name) for module in modules)
    )


def test_there_is_a_recipe_for_each_kind_of_change():
    kinds = ("A reader", "An output format", "A loss", "A method", "A metric", "A command")
    assert [kind for kind in kinds if not any(title.startswith(kind) for title in RECIPES)] == []
    assert all(re.search(r"^1\. ", recipe, re.MULTILINE) for recipe in RECIPES.values())


@pytest.mark.parametrize("step", STEPS)
def test_a_step_names_what_exists(step):
    assert paths_of(step) or re.match(r"\*[\w/]+\.py\*", step), "a step begins with a file"
    assert missing(step) == []


@pytest.mark.parametrize("title", RECIPES)
def test_new_names_are_new(title):
    new = set(re.findall(r"(?<!\*)\*([\w/]+(?:\.py)?)\*(?!\*)", RECIPES[title]))
    files = {name for name in new if name.endswith(".py")}
    assert [name for name in files if (ROOT / "drai_cli" / name).exists()] == []
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "drai_cli").rglob("*.py"))
    defined = {
        name for name in new - files if re.search(rf"^\s*((def|class) {name}\b|{name}: )", source, re.M)
    }
    assert defined == set()


def test_a_name_that_is_gone_is_found():
    assert missing("`drai_cli/training/terms.py`: in `code_terms`, not `player_terms`") == ["player_terms"]
    assert missing("`drai_cli/codes.py`: the noise") == ["drai_cli/codes.py"]
    assert missing("`drai_cli/settings/config.py`: `Objective.texture_weight`") == [
        "Objective.texture_weight"
    ]
