"""Of several processes that one command was started in, the first speaks, and an error of the options is said once."""

from __future__ import annotations

import pytest

from drai_cli.errors import UsageError
from drai_cli.machine.launch import Place, read_place


@pytest.fixture
def placed(monkeypatch):
    """Makes this process one of three, as a launcher would."""

    def place(rank: int | str) -> None:
        variables = {"RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": "3"}
        for name, value in {**variables, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
            monkeypatch.setenv(name, value)

    return place


def test_alone_without_a_launcher(monkeypatch):
    monkeypatch.delenv("MASTER_PORT", raising=False)
    monkeypatch.setenv("RANK", "3")
    assert read_place() == Place(0, 1, 0)


def test_the_launchers_word_is_taken(placed):
    placed(2)
    assert read_place() == Place(2, 3, 0)


@pytest.mark.parametrize("rank", [3, "first"])
def test_a_launcher_that_contradicts_itself(placed, drai, tmp_path, rank):
    placed(rank)
    result = drai("sample", "-n", 1, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "RANK below WORLD_SIZE" in result.stderr
    with pytest.raises(UsageError, match="RANK below WORLD_SIZE"):
        read_place()


@pytest.mark.parametrize(
    "arguments", [["sample", "--nonsense"], ["sample", "--shard", "9/3", "-n", "1"], ["nonsense"]]
)
def test_an_error_of_the_options_is_said_by_the_first(placed, drai, tmp_path, arguments):
    for rank in (0, 1, 2):
        placed(rank)
        result = drai(*arguments, *(["--out", tmp_path] if arguments[0] == "sample" else []))
        assert result.exit_code == 2
        assert ("drai: error:" in result.stderr) == (rank == 0)


def test_an_error_of_its_own_is_said_by_any(placed, drai, tiny_model, tmp_path):
    (tmp_path / "out").write_text("a file")
    placed(1)
    result = drai("sample", "--weights", tiny_model, "-n", 6, "--out", tmp_path / "out")
    assert result.exit_code == 6
    assert "drai: error:" in result.stderr


def test_the_first_alone_prints_the_result(placed, drai, tiny_model, tmp_path):
    for rank in (1, 0, 2):
        placed(rank)
        result = drai("sample", "--weights", tiny_model, "-n", 6, "--out", tmp_path / "out")
        assert result.exit_code == 0, result.stderr
        assert bool(result.stdout) == bool(result.stderr) == (rank == 0)
    assert (tmp_path / "out/manifest.json").exists()
