"""The cache: what is in it, when it is made anew, and what happens when it cannot be."""

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data import cache as cache_module
from drai_cli.data.cache import build_cache, default_cache_dir
from drai_cli.data.sources import find_image_set
from drai_cli.errors import InputError
from drai_cli.io import locks
from drai_cli.io.image import Image, fit_to_square
from drai_cli.io.locks import hold_lock
from tests.support.patience import PATIENCE_S


def caches(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_images_are_those_of_the_set(folders, reporter, cache_dir):
    root = folders(nv=3, mel=2)
    found = find_image_set(root)
    cache = build_cache(found, size=8, reporter=reporter)
    assert cache.images.shape == (5, 8, 8, 3)
    assert isinstance(cache.images, np.memmap)
    assert not cache.images.flags.writeable
    assert cache.entries == found.entries
    assert reporter.done == 5
    for row, entry in zip(cache.images, cache.entries, strict=True):
        np.testing.assert_array_equal(row, fit_to_square(found.read(entry), 8, 3))
    assert len(set(cache.digests)) == 5
    assert caches(cache_dir) == [f"images-{cache.key[:32]}"]

    again = build_cache(found, size=8, reporter=reporter)
    assert reporter.done == 5, "the second time nothing is decoded"
    assert (again.entries, again.digests, again.key) == (cache.entries, cache.digests, cache.key)
    np.testing.assert_array_equal(again.images, cache.images)


def test_another_input_is_another_cache(folders, save_image):
    root = folders(nv=2, mel=2)
    keys = {build_cache(find_image_set(root), size=8).key}
    for options in (
        {"size": 9},
        {"size": 8, "fit": "pad"},
        {"size": 8, "channels": 1},
        {"size": 8, "channels": 3},
    ):
        keys.add(build_cache(find_image_set(root), **options).key)
    path = root / "nv" / "nv_000.png"
    before = path.stat()
    array = np.asarray(PillowImage.open(path)).copy()
    array[0, 0] ^= 255
    PillowImage.fromarray(array).save(path)
    keys.add(build_cache(find_image_set(root), size=8).key)
    # The same size and a time set back: the inode's own time still tells.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    keys.add(build_cache(find_image_set(root), size=8).key)
    save_image(root / "nv" / "more.png", 99)
    keys.add(build_cache(find_image_set(root), size=8).key)
    assert len(keys) == 8


def test_content_is_never_stale(folders, save_image):
    root = folders(nv=2, mel=2)
    old = build_cache(find_image_set(root), size=8)
    save_image(root / "nv" / "nv_000.png", 1234)
    new = build_cache(find_image_set(root), size=8)
    found = find_image_set(root)
    np.testing.assert_array_equal(new.images[2], fit_to_square(found.read(found.entries[2]), 8, 3))
    assert (new.images[2] != old.images[2]).any()


@pytest.mark.parametrize("colour_at", [None, 0, 2, 4])
@pytest.mark.parametrize("deep_at", [None, 0, 3])
def test_auto_takes_the_least_that_holds_all(tmp_path, reporter, colour_at, deep_at):
    random = np.random.default_rng(0)
    arrays = [random.integers(0, 256, (6, 6), np.uint8) for _ in range(5)]
    arrays[1] = np.repeat(arrays[1][..., None], 3, 2)  # grey stored as colour
    if deep_at is not None:
        arrays[deep_at] = random.integers(0, 65536, (6, 6), np.uint16)
    if colour_at is not None and colour_at != deep_at:
        arrays[colour_at] = random.integers(0, 256, (6, 6, 3), np.uint8)
    has_colour = colour_at is not None and colour_at != deep_at
    for index, array in enumerate(arrays):
        path = tmp_path / "set" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(array).save(path)
    cache = build_cache(find_image_set(tmp_path / "set"), size=6, reporter=reporter)
    assert cache.images.dtype == (np.uint8 if deep_at is None else np.uint16)
    assert cache.channels == (3 if has_colour else 1)
    said = "3 channels: not every image is grey" if has_colour else "1 channel: every image is grey"
    assert any(said in line for line in reporter.remarks)
    for row, entry in zip(cache.images, cache.entries, strict=True):
        array = arrays[int(Path(entry.name).stem)]
        scale = 257 if cache.images.dtype == np.uint16 and array.dtype == np.uint8 else 1
        expected = fit_to_square(Image(array), 6, cache.channels).astype(int) * scale
        np.testing.assert_array_equal(row, expected)


def test_unreadable_images_are_named_and_skipped(folders, reporter):
    root = folders(nv=150, mel=60)
    (root / "mel" / "mel_003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "nv" / "nv_001.png").write_text("text")
    for _ in range(2):  # told again when the cache is there
        reporter.warnings.clear()
        cache = build_cache(find_image_set(root), size=8, reporter=reporter)
        assert [name for name, _ in cache.skipped] == ["mel/mel_003.png", "nv/nv_001.png"]
        assert len(cache.images) == len(cache.entries) == len(cache.digests) == 208
        assert "nv/nv_001.png" not in {entry.name for entry in cache.entries}
        line = next(line for line in reporter.warnings if line.startswith("2 images cannot be used"))
        assert "nv/nv_001.png: expected a PNG image, got something else" in line

    (root / "nv" / "nv_002.png").write_text("text")
    with pytest.raises(
        InputError, match=r"3 of 210 images cannot be used, more than 1%: mel/mel_003\.png"
    ) as caught:
        build_cache(find_image_set(root), size=8)
    assert "drai inspect" in caught.value.hint


def test_links_out_of_the_set_count_as_unreadable(folders, save_image, tmp_path):
    root = folders(nv=5, mel=5)
    (root / "nv" / "link.png").symlink_to(save_image(tmp_path / "outside.png"))
    with pytest.raises(
        InputError, match=r"1 of 11 images cannot be used.*link\.png: a symbolic link out of the set"
    ):
        build_cache(find_image_set(root), size=8)


def test_what_reading_changed_is_told_each_time(folders, reporter):
    root = folders(nv=2, mel=2)
    PillowImage.new("RGBA", (5, 5), (9, 9, 9, 100)).save(root / "nv" / "clear.png")
    for _ in range(2):
        build_cache(find_image_set(root), size=8, reporter=reporter)
    told = [line for line in reporter.warnings if "blended over black" in line]
    assert told == ["1 images: its transparent parts were blended over black (nv/clear.png)"] * 2


def test_nothing_half_written_is_left(folders, cache_dir, monkeypatch):
    root = folders(nv=2, mel=2)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache_module._Rows, "append", fail)
        with pytest.raises(
            InputError, match=r"cache cannot be written \(no space left on device, .* free\)"
        ) as caught:
            build_cache(find_image_set(root), size=8)
        assert "$DRAI_CACHE" in caught.value.hint
    assert caches(cache_dir) == []

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache_module._Rows, "append", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build_cache(find_image_set(root), size=8)
    assert caches(cache_dir) == []
    cache_dir.rmdir()
    cache_dir.write_text("a file where the folder should be")
    with pytest.raises(InputError, match="the image cache cannot be written"):
        build_cache(find_image_set(root), size=8)


@pytest.mark.parametrize("damage", ["short", "no index", "bad index", "no images", "other key"])
def test_a_damaged_cache_is_made_anew(folders, reporter, cache_dir, damage):
    root = folders(nv=2, mel=2)
    cache = build_cache(find_image_set(root), size=8)
    expected = np.array(cache.images)
    folder = cache_dir / f"images-{cache.key[:32]}"
    if damage == "short":
        (folder / "images.raw").write_bytes((folder / "images.raw").read_bytes()[:-1])
    elif damage == "no images":
        (folder / "images.raw").unlink()
    elif damage == "no index":
        (folder / "index.json").unlink()
    else:
        text = (folder / "index.json").read_text()
        (folder / "index.json").write_text(
            text.replace(cache.key, "0") if damage == "other key" else text[:-9]
        )
    again = build_cache(find_image_set(root), size=8, reporter=reporter)
    np.testing.assert_array_equal(again.images, expected)
    assert reporter.done == 4
    assert caches(cache_dir) == [folder.name]


def test_two_builders_at_once(folders, cache_dir, monkeypatch, reporter):
    root = folders(nv=4, mel=4)
    found = find_image_set(root)
    begun, may_end = threading.Event(), threading.Event()
    build = cache_module._build
    builds: list[int] = []

    def slow(*arguments: object) -> None:
        builds.append(1)
        begun.set()
        assert may_end.wait(20)
        build(*arguments)

    class Waiting(type(reporter)):
        def info(self, message: str) -> None:
            super().info(message)
            if message.startswith("waiting"):
                may_end.set()

    monkeypatch.setattr(cache_module, "_build", slow)
    second, results = Waiting(), []
    first = threading.Thread(target=lambda: results.append(build_cache(found, size=8)))
    first.start()
    assert begun.wait(20)
    results.append(build_cache(found, size=8, reporter=second))
    first.join()
    assert builds == [1], "the second takes what the first has built"
    assert second.remarks[0] == (
        f"waiting for drai (process {os.getpid()} on {os.uname().nodename}), which decodes the same images"
    )
    assert (results[0].images == results[1].images).all()
    assert caches(cache_dir) == [f"images-{results[0].key[:32]}"]


def test_two_builders_where_the_disk_knows_no_locks(folders, cache_dir, monkeypatch):
    monkeypatch.setattr(locks, "try_lock", lambda file, wait=False: None)
    root = folders(nv=4, mel=4)
    barrier = threading.Barrier(3, timeout=PATIENCE_S)
    publish = cache_module._publish

    def meet(*arguments: object) -> None:
        barrier.wait()  # all have built before the first renames
        publish(*arguments)

    monkeypatch.setattr(cache_module, "_publish", meet)
    results = []
    found = find_image_set(root)
    threads = [threading.Thread(target=lambda: results.append(build_cache(found, size=8))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all((result.images == results[0].images).all() for result in results)
    assert caches(cache_dir) == [f"images-{results[0].key[:32]}"]


def test_abandoned_builds_are_removed(folders, cache_dir):
    for name, age in {".images-old.1-a.tmp": 2 * 86400, ".images-new.1-a.tmp": 60}.items():
        (cache_dir / name).mkdir(parents=True)
        os.utime(cache_dir / name, (time.time() - age,) * 2)
    found = find_image_set(folders(a=1, b=1))
    own = build_cache(found, size=8).key[:32]
    assert [name for name in caches(cache_dir) if name.startswith(".")] == [".images-new.1-a.tmp"]
    (cache_dir / ".images-new.1-a.tmp").touch()
    os.utime(cache_dir / ".images-new.1-a.tmp", (time.time() - 9 * 86400,) * 2)  # or the clock has jumped
    shutil.rmtree(cache_dir / f"images-{own}")
    with hold_lock(cache_dir / ".images-new.lock", "drai", cache_dir):
        build_cache(found, size=8)
    assert ".images-new.1-a.tmp" in caches(cache_dir)
    os.utime(cache_dir / ".images-new.1-a.tmp")
    shutil.rmtree(cache_dir / f"images-{own}")
    (cache_dir / f".images-{own}.1-a.tmp").mkdir()  # a moment ago, and nobody holds the lock
    build_cache(found, size=8)
    assert caches(cache_dir) == [".images-new.1-a.tmp", f"images-{own}"]


def test_a_killed_builder_leaves_no_lock(folders, cache_dir):
    found = find_image_set(folders(a=1, b=1))
    own = build_cache(found, size=8).key[:32]
    (cache_dir / f".images-{own}.lock").write_text("{}")  # killed after the cache had its name
    build_cache(found, size=8)
    assert caches(cache_dir) == [f"images-{own}"]


def test_a_file_that_goes_while_reading(folders):
    root = folders(nv=3, mel=3)
    found = find_image_set(root)
    shutil.rmtree(root / "nv")
    with pytest.raises(InputError, match=r"3 of 6 images cannot be used.*no such file"):
        build_cache(found, size=8)


def test_where_caches_are(tmp_path, monkeypatch):
    assert default_cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("DRAI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_cache_dir() == tmp_path / "xdg" / "drai"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    with contextlib.suppress(RuntimeError):
        assert default_cache_dir() == tmp_path / ".cache" / "drai"
