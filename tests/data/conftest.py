"""Small sets made for each test, and a reporter that remembers."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.progress import Reporter, Task
from tests.data.laid_out import HAM, write_table


class Remembering(Reporter):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.remarks: list[str] = []
        self.done = 0

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def info(self, message: str) -> None:
        self.remarks.append(message)

    def task(self, name: str, total: int | None, unit: str) -> AbstractContextManager[Task]:
        outer = self

        class Counting(Task):
            def advance(self, n: int = 1) -> None:
                outer.done += n

        @contextmanager
        def task():
            yield Counting()

        return task()


@pytest.fixture
def reporter() -> Remembering:
    return Remembering()


@pytest.fixture
def save_image() -> Callable[..., Path]:
    """Saves a random image, another for each seed."""

    def save(path: Path, seed: int = 0, size: Sequence[int] = (12, 10), channels: int = 3) -> Path:
        shape = (*size, channels) if channels > 1 else tuple(size)
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        PillowImage.fromarray(array).save(path)
        return path

    return save


@pytest.fixture
def folders(tmp_path: Path, save_image) -> Callable[..., Path]:
    """Makes class folders, each image another."""

    def make(channels: int = 3, **counts: int) -> Path:
        root = tmp_path / "lesions"
        seed = 0
        for label, count in counts.items():
            for index in range(count):
                save_image(root / label / f"{label}_{index:03}.png", seed := seed + 1, channels=channels)
        return root

    return make


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("DRAI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def ham(tmp_path: Path, save_image) -> Path:
    root = tmp_path / "ham"
    rows = []
    for index in range(6):
        save_image(root / f"part_{index % 2}" / f"ISIC_{index}.jpg", index)
        rows.append(
            (f"L{index // 2}", f"ISIC_{index}", ("mel", "nv")[index // 3], "histo", 50 + index, "male", "")
        )
    write_table(root / "HAM10000_metadata.csv", HAM, rows)
    return root
