"""`--dry-run` refuses what the command itself refuses, with the same words and exit code, and writes nothing."""

from __future__ import annotations

import re

import pytest
from PIL import Image as PillowImage

CPU = ("--device", "cpu")
TRAIN = ("train", "--data", "lesions", "--size", 16, *CPU)
SAMPLE = ("sample", "--out", "out", *CPU)
# Each after what it refuses: a number out of range, a contradiction, a folder or file that is there.
REFUSED = [
    (*TRAIN, "--balance", 5, "--decay-share", 9, "--kimg", 0),
    (*TRAIN, "--kimg", "nan"),
    (*TRAIN, "--size", 40),
    (*TRAIN, "--content-dim", 5000),
    (*TRAIN, "--batch-size", 5000),
    (*TRAIN, "--device", "tpu"),
    (*TRAIN, "--out", "full"),
    ("train", "--data", "lesions/mel", *CPU),
    ("train", "--data", "lesions", "--size", 32, "--init", "tiny.safetensors", *CPU),
    (*SAMPLE, "-n", 0),
    (*SAMPLE, "-n", 4, "--truncation", -1),
    (*SAMPLE, "-n", 4, "--truncation", "nan"),
    (*SAMPLE, "-n", 4, "--truncation", "inf"),
    (*SAMPLE, "-n", 4, "--batch-size", 0),
    (*SAMPLE, "-n", 4, "--frame", 2),
    (*SAMPLE, "-n", 4, "--compression", "rle"),
    (*SAMPLE, "-n", 4, "--reject-copies"),
    (*SAMPLE, "-n", 4, "--shard", "3/2"),
    (*SAMPLE, "-n", 4, "--shard-size", 3),
    (*SAMPLE, "-n", 4, "--style-from", "none.png"),
    (*SAMPLE, "-n", 4, "--device", "tpu"),
    (*SAMPLE, "-n", 4, "--out", "full"),
    (*SAMPLE, "-n", 4, "--out", "full", "--overwrite"),
    ("swap-style", "a.png"),
    ("swap-style", "a.png", "none.png"),
    ("swap-style", "a.png", "b.png", "--weights", "none"),
    ("swap-style", "--pairs", "lesions.csv"),
    ("interpolate", "a.png", "none.png"),
    ("interpolate", "a.png", "b.png", "--device", "tpu"),
    ("encode", "none.png", "--out", "codes.npz"),
    ("encode", "a.png", "--out", "codes.npz", "--weights", "none"),
    ("convert", "none.png", "none.dcm"),
    ("swap-style", "a.png", "b.png", "--out", "full"),
    ("interpolate", "a.png", "b.png", "--steps", 1),
    ("interpolate", "a.png", "b.png", "--fps", "nan"),
    ("interpolate", "a.png", "b.png", "--from-label", "mel", "--to-label", "nv"),
    ("interpolate", "a.png", "b.png", "--out", "a.png"),
    ("encode", "a.png", "--out", "codes.txt"),
    ("encode", "a.png", "--frame", -1, "--out", "codes.npz"),
    ("convert", "a.png", "b.dcm", "--format", "png"),
    ("convert", "a.png", "b.png"),
    ("convert", "a.png", "c.png", "--keep-patient"),
    ("export", "--to", "onnx", "--out", "model.pt2"),
    ("export", "--to", "hub-folder", "--out", "full"),
    ("export", "--to", "hub-folder", "--out", "folder", "--weights", "none"),
    ("phantom", "--out", "full"),
    ("phantom", "--out", "new", "--size", 8),
    ("pull", "lesions"),
    ("pull", "clinic/lesions", "--to", "full"),
    ("verify", "full"),
    ("verify", "full", "--regenerate", -1),
    ("evaluate", "--data", "lesions", "--metrics", "beauty"),
    ("evaluate", "--data", "lesions", "--part", "held-out"),
    ("evaluate", "--data", "lesions", "--usefulness-ratio", 0),
    ("evaluate", "--data", "lesions", "--out", "full"),
    ("evaluate", "--data", "none"),
    ("evaluate", "--data", "lesions", "--weights", "none"),
    ("evaluate", "--data", "lesions", "--device", "tpu"),
    ("evaluate", "--data", "lesions", "--synthetic", "lesions", "--weights", "tiny.safetensors"),
    ("evaluate", "--data", "lesions", "--label", "none"),
    ("compare", "--data", "none", "--kimg", 1),
    ("compare", "--data", "lesions"),
    ("compare", "--data", "lesions", "--kimg", 1, "--methods", "magic"),
    ("compare", "--data", "lesions", "--kimg", 1, "--decay-share", "nan"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", REFUSED, ids=lambda arguments: " ".join(map(str, arguments)))
def test_what_the_command_refuses(drai, tmp_path, monkeypatch, tiny_model, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.safetensors").symlink_to(tiny_model)
    monkeypatch.setenv("DRAI_WEIGHTS", "tiny.safetensors")
    for label in ("mel", "nv"):
        (tmp_path / "lesions" / label).mkdir(parents=True)
        for number in range(8):
            colour = (number, 100, len(label))
            PillowImage.new("RGB", (16, 16), colour).save(tmp_path / "lesions" / label / f"{number}.png")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    for name in ("a.png", "b.png"):
        PillowImage.new("RGB", (16, 16), "red").save(name)
    before = sorted(tmp_path.rglob("*"))
    dry = drai(*arguments, "--dry-run", "-q")
    assert sorted(tmp_path.rglob("*")) == before
    real = drai(*arguments, "-q")
    assert dry.exit_code == real.exit_code != 0, dry.output
    # Of a set whose images are not decoded yet it counts those of all parts.
    assert re.sub(r"\d+", "N", dry.stderr) == re.sub(r"\d+", "N", real.stderr)
