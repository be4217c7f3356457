"""Statements of the project about itself are true: README, pages, continuous integration, constraints, wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import typer

from drai_cli import __version__
from drai_cli.cli.app import app
from drai_cli.errors import ExitCode

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BASE = {
    "torch", "numpy", "pillow", "typer", "rich", "pydicom", "nibabel", "safetensors", "huggingface-hub", "jaxtyping",
    "jinja2",
}  # fmt: skip


def requirement_name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def code_blocks(text: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def test_readme_opens_with_two_commands():
    opening = re.match(r"# drai\n\n```sh\n([^\n]+)\n```\n\n```sh\n([^\n]+)\n```\n\n", README)
    assert opening is not None
    blocks = opening.groups()
    setup = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt -e "
    assert all(block.startswith(setup) for block in blocks)
    assert ".venv/bin/drai sample --label melanoma" in blocks[0]
    assert blocks[1].endswith(".venv/bin/pytest")


def test_continuous_integration_is_the_second_command():
    second = [part.strip() for part in code_blocks(README)[1].split("&&")]
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").replace('"$place/venv/bin/', '".venv/bin/')
    script = script.replace('"$place/venv"', ".venv").replace('"', "").replace(" $@", "")
    lines = [line for line in script.splitlines() if ".venv" in line]
    assert lines == second
    assert (ROOT / ".ci/run").stat().st_mode & 0o100


def test_exit_codes_are_documented():
    commands = (ROOT / "drai_cli/reference/commands.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|", commands, re.MULTILINE)
    assert [int(row) for row in rows] == [code.value for code in ExitCode]


PAGES = sorted(
    path
    for pattern in ("*.md", ".github/*.md", "drai_cli/reference/*.md", "examples/*.md", "weights/*.md")
    for path in ROOT.glob(pattern)
)


def anchors_of(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("https://"):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors_of(target), link


# Of other programs: torchrun, and scripts in examples/.
OTHERS = {"--nproc-per-node", "--real", "--with", "--plot"}


def test_options_that_pages_name_exist():
    commands = typer.main.get_command(app).commands.values()
    options = {flag for command in commands for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    options |= {"--help", "--version", "--install-completion"}
    pages = [ROOT / "README.md", *(ROOT / "drai_cli/reference").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]\b(?!-)", text))
    assert len(named) > 50
    assert named - options == OTHERS


def test_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_results_in_the_readme_are_those_of_the_measurements():
    page = (ROOT / "drai_cli/reference/measurements.md").read_text(encoding="utf-8")
    section = README.partition("## Results\n")[2].partition("\n## ")[0]
    rows = [row.split("|")[2:4] for row in section.splitlines() if row.startswith("| ")][1:]
    assert len(rows) == 5
    measured = [row.split("|")[2:4] for row in page.splitlines() if row.startswith("| ")]
    for value, baseline in rows:
        number = re.search(r"\d[\d.]*", baseline)[0]
        assert any(value == cells[0] and number in cells[1] for cells in measured if len(cells) == 2), value


def tree_of(text: str) -> list[str]:
    """The files in a drawn tree: a level is two spaces, a folder ends in a slash, a description follows two spaces."""
    folders: list[str] = []
    paths = []
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{2,}", line.strip())[0].split()
        if names[0].endswith("/"):
            (folder,) = names
            folders[depth:] = [folder]
        else:
            paths += ["".join(folders[:depth]) + name for name in names]
    return paths


def test_a_tree_is_read_as_paths():
    drawn = "a/\n  b.py c.py   two files, as in d.py\n  e/    a folder\n    b.py\n  f.py\n"
    assert tree_of(drawn) == ["a/b.py", "a/c.py", "a/e/b.py", "a/f.py"]


def test_every_module_stands_in_the_tree():
    page = (ROOT / "drai_cli/reference/architecture.md").read_text(encoding="utf-8")
    (drawn,) = re.findall(r"## The tree\n\n```\n(.*?)```", page, re.DOTALL)
    listed = tree_of(drawn)
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "drai_cli").rglob("*.py")}
    modules = {path for path in modules if not path.endswith(("/__init__.py", "/__main__.py"))}
    assert modules - set(listed) == set(), "not in the tree"
    assert set(listed) - modules == set(), "in the tree alone"
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_of_the_source_exist(page):
    """A path with a folder, in backticks: from the root or from the package."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|sh|md|yaml|toml))`", text)
    assert [
        path for path in paths if not any((root / path).exists() for root in (ROOT, ROOT / "drai_cli"))
    ] == []


def test_terms_of_the_method_page_are_functions_of_training():
    page = (ROOT / "drai_cli/reference/method.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(_?[a-z_]+_terms)`", page))
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "drai_cli/training").glob("*.py"))
    assert len(named) > 3
    assert {name for name in named if f"def {name}(" not in source} == set()


def test_base_dependencies():
    assert {requirement_name(name) for name in PROJECT["project"]["dependencies"]} == BASE


def test_constraints_name_what_is_asked_for():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line for line in lines if line and not line.startswith("#")}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", line) for line in pinned)
    assert "torch==2.13.0" in pinned
    names = {requirement_name(line) for line in pinned}
    extras = PROJECT["project"]["optional-dependencies"].values()
    asked = BASE | {requirement_name(name) for extra in extras for name in extra}
    asked -= {PROJECT["project"]["name"]}  # an extra that includes another of its own
    assert asked <= names


@pytest.fixture(scope="module")
def installed(tmp_path_factory, tiny_model):
    """A folder with the wheel's contents, built from a copy of the sources with a model in `weights/`."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    shutil.copytree(ROOT / "drai_cli", source / "drai_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "weights").mkdir()
    shutil.copy(tiny_model, source / "weights/lesions-64.safetensors")
    (source / "weights/lesions-64.md").write_text("A card.\n")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    shutil.rmtree(source)
    return place / "site"


def run_installed(installed: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PYTHONPATH": str(installed),
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "HOME": str(place),
    }
    command = [sys.executable, "-m", "drai_cli", *arguments]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)


def test_wheel_has_the_models_and_both_licences(installed):
    assert {path.name for path in (installed / "drai_cli/weights").iterdir()} == {
        "lesions-64.safetensors", "lesions-64.md",
    }  # fmt: skip
    (metadata,) = installed.glob("*.dist-info/METADATA")
    assert "License-Expression: Apache-2.0 AND CC-BY-NC-4.0 AND CC-BY-3.0" in metadata.read_text(
        encoding="utf-8"
    )
    assert not (installed / "tests").exists()
    assert (installed / "drai_cli/py.typed").exists()


def test_wheel_has_the_reference_pages(installed):
    pages = {path.name for path in (ROOT / "drai_cli/reference").glob("*.md")}
    assert pages
    assert {path.name for path in (installed / "drai_cli/reference").iterdir()} == pages


def test_source_distribution_has_all_that_is_tracked(tmp_path):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    assert archive.name == f"drai_cli-{__version__}.tar.gz"
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    tracked = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert tracked - names == set()
    # What the build adds of its own, and files that are not committed yet but not ignored either.
    assert not any("__pycache__" in name or name.startswith(("runs/", "site/")) for name in names)


def test_changelog_names_the_version():
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1].split()[0] == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_wheel_says_its_version(installed, tmp_path):
    result = run_installed(installed, tmp_path, "--version")
    (metadata,) = installed.glob("*.dist-info/METADATA")
    version = re.search(r"^Version: (.*)$", metadata.read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert (result.stdout, result.stderr) == (f"drai {version}\n", "")


def test_wheel_alone_samples(installed, tmp_path):
    result = run_installed(installed, tmp_path, "sample", "--label", "melanoma", "-n", "3", "--out", "aug")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "aug/mel").iterdir()) == [
        f"mel_00000{i}.png" for i in range(3)
    ]
