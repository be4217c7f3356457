"""The kinds of files that drai is given by others: small sound ones of each, and the commands that read them.

A kind makes its files once. A case is a copy of them with something spoilt, and one command line run on it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from drai_cli.evaluation import parts as parts_module
from drai_cli.inference.onnx_model import INPUTS, OUTPUTS
from drai_cli.metrics.fitting import FitConfig
from drai_cli.metrics.judge import JudgeConfig, train_judge
from drai_cli.model_file.checkpoint import read_header, save_state
from drai_cli.model_file.header import HEADER_KEY
from tests.stress import fuzz_hidden
from tests.stress.fuzz_bytes import mutated
from tests.stress.fuzz_mutations import SECRET, mutate, replace_by_odd, text
from tests.stress.fuzz_places import EVALUATE, TRAIN, Command, Kind, Place, make_picture, png_of, spoils
from tests.stress.fuzz_readers import seeds


def _make_weights(place: Place, folder: Path) -> None:
    shutil.copy(place.model, folder / "m.safetensors")
    make_picture(folder / "a.png", 0)


def _use_weights(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    weights = str(case / "m.safetensors")
    return chance.choice((
        ["info", weights],
        ["info", weights, "--json"],
        ["sample", "--weights", weights, "-n", "2", "--device", "cpu", "--out", str(out / "s")],
        ["sample", "--weights", weights, "--label", "melanoma", "--set", "age=60", "-n", "1", "--device", "cpu",
         "--format", "dicom", "--out", str(out / "s")],
        ["encode", str(case / "a.png"), "--weights", weights, "--device", "cpu", "--out", str(out / "c.npz")],
        ["push", weights, "owner/name", "--dry-run"],
    ))  # fmt: skip


def _make_onnx(place: Place, folder: Path) -> None:
    """A graph with the inputs and outputs of an exported generator, small enough to make without exporting one."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    header = read_header(place.model)
    shape, numbers = header.architecture, np.random.default_rng(0)
    codes, pixels = header.schema.dim + shape.content_dim + shape.style_dim, 3 * 16 * 16
    width = dict(zip(INPUTS, (header.schema.dim, shape.content_dim, shape.style_dim), strict=False))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width[name]] if name in width else [])
        for name in INPUTS
    ]
    outputs = [
        helper.make_tensor_value_info(OUTPUTS[0], TensorProto.FLOAT, ["n", 3, 16, 16]),
        helper.make_tensor_value_info(OUTPUTS[1], TensorProto.FLOAT, ["n", shape.content_dim]),
    ]
    nodes = [
        helper.make_node("Concat", INPUTS[:3], ["codes"], axis=1),
        helper.make_node("MatMul", ["codes", "weight"], ["flat"]),
        helper.make_node("Tanh", ["flat"], ["bounded"]),
        helper.make_node("Reshape", ["bounded", "shape"], [OUTPUTS[0]]),
        helper.make_node("Mul", [INPUTS[1], INPUTS[3]], [OUTPUTS[1]]),
    ]
    weights = [
        numpy_helper.from_array(numbers.normal(size=(codes, pixels)).astype(np.float32), "weight"),
        numpy_helper.from_array(np.array([-1, 3, 16, 16]), "shape"),
    ]
    graph = helper.make_graph(nodes, "generator", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {HEADER_KEY: json.dumps(header.to_json())})
    onnx.save(model, folder / "m.onnx")


def _use_onnx(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    return [
        "sample",
        "--runtime",
        "onnx",
        "--weights",
        str(case / "m.onnx"),
        "-n",
        "2",
        "--out",
        str(out / "s"),
    ]


def _make_config(place: Place, folder: Path) -> None:
    (folder / "c.toml").write_text(
        '[sample]\nlabel = "mel"\nn = 2\nseed = 3\ntruncation = 0.8\nformat = "png"\nbatch-size = 8\noverwrite = true\n'
        "[sample.set]\nage = 50\n"
        "[train]\nkimg = 1.5\nbatch-size = 16\nlearning-rate = 1e-4\ncondition = []\n"
        'method = "drai"\nprecision = "fp32"\nbalance = 0.5\nsymmetry = "flip"\nseed = 3\n'
    )


def _use_config(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    config = ["--config", str(case / "c.toml"), "--dry-run"]
    if chance.random() < 0.5:
        return ["sample", "--weights", str(place.model), "--out", str(out / "s"), *config]
    return ["train", "--data", str(place.phantoms), "--out", str(out / "r"), *config]


def _make_table(place: Place, folder: Path) -> None:
    rows = ["file_name,label,age,patient_id"]
    for index in range(12):
        make_picture(folder / f"i{index}.png", index)
        rows.append(f"i{index}.png,{'mel' if index % 2 else 'nv'},{40.5 + index},p{index // 2}")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")


def _use_table(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    table = ["--metadata", str(case / "metadata.csv")] if chance.random() < 0.5 else []
    if chance.random() < 0.6:
        return ["inspect", str(case), *table, "--label", "label"]
    return ["train", "--data", str(case), *table, "--condition", "age", "--size", "16", "--out", str(out / "r"),
            "--device", "cpu"]  # fmt: skip  # stops at its batch size, once all is read


def _make_sampled(place: Place, folder: Path) -> None:
    place.run(
        ["sample", "--weights", str(place.model), "--per-class", "2", "--device", "cpu", "--out", str(folder)]
    )


def _make_tars(place: Place, folder: Path) -> None:
    place.run(
        ["sample", "--weights", str(place.model), "-n", "5", "--format", "webdataset", "--shard-size", "2",
         "--device", "cpu", "--out", str(folder)]
    )  # fmt: skip


def _use_sampled(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    again = ["--regenerate", "2", "--weights", str(place.model), "--device", "cpu"]
    return ["verify", str(case), *(again if chance.random() < 0.4 else [])]


def _make_run(place: Place, folder: Path) -> None:
    data = place.phantoms
    place.run(["train", "--data", str(data), "--out", str(folder), *TRAIN, "--kimg", "0.016"])
    images = np.zeros((8, 16, 16, 3), np.uint8)
    labels, parts = np.arange(8) % 2, np.array(["train", "validation"] * 4)
    count = len(read_header(folder / "model.safetensors").schema.labels)
    judge = train_judge(images, labels, parts, count, JudgeConfig(fit=FitConfig(images=32)), seed=0)
    save_state(folder / "checkpoint" / "judge.safetensors", judge.state(), judge.config_json())
    (folder / "measures.json").write_text(json.dumps({"model_sha256": "0", "test": {"accuracy": 0.5}}))


def _use_run(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    if chance.random() < 0.25:
        return ["info", str(case)]
    return ["train", "--data", str(place.phantoms), "--out", str(case), *TRAIN, "--kimg", "0.048"]


def _make_report(place: Place, folder: Path) -> None:
    """A run and its report, of which from then on only what is kept is read: nothing is measured again."""
    run, data = str(folder / "run"), str(place.more_phantoms)
    place.run(["train", "--data", data, "--out", run, *TRAIN, "--kimg", "0.016"])
    place.run(["evaluate", "--data", data, "--weights", run, "--out", str(folder / "report"), *EVALUATE])
    for name, part in parts_module.PARTS.items():
        (kept,) = (folder / "report" / "measured").glob(f"{name}-*.json")
        found = json.loads(kept.read_text())
        parts_module.PARTS[name] = replace(part, measure=lambda _, found=found: found)


def _use_report(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    return ["evaluate", "--data", str(place.more_phantoms), "--weights", str(case / "run"), "--out",
            str(case / "report"), *EVALUATE]  # fmt: skip


def _make_images(place: Place, folder: Path) -> None:
    for index in range(12):
        name = folder / "ab"[index % 2] / f"{index}.png"
        name.parent.mkdir(exist_ok=True)
        make_picture(name, index)


def _spoil_images(case: Path, chance: random.Random) -> None:
    """Puts one to three things among sound images that are none, or not such ones."""
    sound = seeds()
    for number in range(chance.choice((1, 1, 3))):
        odd = text(chance).replace("/", "").replace("\0", "").replace("..", "")[:99]
        folder = case / chance.choice(("a", "b", ".", "a/deep/er", odd))
        suffix = chance.choice((".png", ".png", ".tif", ".jpg", ".dcm", ".nii", ".nii.gz", ".zip", ""))
        name = folder / f"x{number}{suffix}"
        try:
            name.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError):
            continue
        kind = chance.randrange(6)
        if kind == 0:
            replace_by_odd(name, chance)
        elif kind == 1:
            name.symlink_to(os.path.relpath(case.parent / SECRET, name.parent) + chance.choice(("", ".png")))
        elif kind == 2:
            size = chance.choice(((1, 5000), (2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 3), (30_000, 1)))
            name.with_suffix(".png").write_bytes(png_of(*size))
        elif kind == 3:
            name.write_bytes(chance.choice(sound)[1])
        else:
            own, raw = chance.choice(sound)
            name.with_name(f"x{number}-{own}").write_bytes(mutated(raw, chance))


def _use_images(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    # A link that somebody names is followed, wherever it leads; one that is found is not.
    spoilt = sorted(str(path) for path in case.glob("*/x*") if not path.is_symlink())
    return chance.choice((
        ["inspect", str(case)],
        ["train", "--data", str(case), "--size", "16", "--out", str(out / "r"), "--device", "cpu"],
        ["encode", str(case), "--weights", str(place.model), "--device", "cpu", "--out", str(out / "c.npz")],
        ["convert", str(case), str(out / "converted"), "--format", chance.choice(("png", "tiff", "dicom", "nifti"))],
        ["inspect", chance.choice(spoilt or [str(case)])],
        ["swap-style", chance.choice(spoilt or [str(case)]), str(case / "a" / "0.png"), "--weights", str(place.model),
         "--device", "cpu", "--out", str(out / "swap")],
    ))  # fmt: skip


def _make_repository(place: Place, folder: Path) -> None:
    place.run(
        ["export", "--weights", str(place.model), "--to", "hub-folder", "--out", str(folder / "repository")]
    )


def _spoil_repository(case: Path, chance: random.Random) -> None:
    """What a repository may hold instead of what drai put into it: links out, pickles, pipes, huge settings."""
    folder = case / "repository"
    kind = chance.randrange(4)
    if kind == 0:
        replace_by_odd(folder / "model.safetensors", chance)
    elif kind == 1:
        (folder / "model.safetensors").rename(
            folder / chance.choice(("pytorch_model.bin", "model.pt", "model.pkl"))
        )
    elif kind == 2:
        with open(folder / "config.json", "wb") as file:
            file.truncate(3 << 30)
    else:
        mutate(chance.choice(sorted(folder.iterdir())), chance)


def _use_repository(place: Place, case: Path, out: Path, chance: random.Random) -> Command:
    folder = case / "repository"
    named = chance.choice((folder, *sorted(folder.iterdir())))
    if chance.random() < 0.5:
        return ["info", str(named)]
    return ["sample", "--weights", str(named), "-n", "1", "--device", "cpu", "--out", str(out / "s")]


_RUN_FILES = (
    "config.json", "split.csv", "stats.jsonl", "seen.sha256", "measures.json", "checkpoint/state.safetensors",
    "checkpoint/judge.safetensors", "model.safetensors",
)  # fmt: skip
KINDS: dict[str, Kind] = {
    "weights": Kind(_make_weights, spoils("m.safetensors"), _use_weights),
    "onnx": Kind(_make_onnx, spoils("m.onnx"), _use_onnx),
    "config": Kind(_make_config, spoils("c.toml"), _use_config),
    "table": Kind(_make_table, spoils("metadata.csv"), _use_table),
    "sampled": Kind(_make_sampled, spoils("manifest.json", "metadata.csv", "mel/*.png"), _use_sampled),
    "sampled-tars": Kind(_make_tars, spoils("manifest.json", "metadata.csv", "images-*.tar"), _use_sampled),
    "run": Kind(_make_run, spoils(*_RUN_FILES), _use_run, writes_case=True),
    "report": Kind(
        _make_report, spoils("report/measured/*.json", "report/measured/*.json", "report/measured/*.safetensors",
                             "report/report.json", "run/*.json", "run/split.csv", "run/seen.sha256"),
        _use_report, writes_case=True, names_data=True,
    ),
    "images": Kind(_make_images, _spoil_images, _use_images),
    "repository": Kind(_make_repository, _spoil_repository, _use_repository),
    "hidden-sample": Kind(
        fuzz_hidden.make_sampled, fuzz_hidden.prepare(*fuzz_hidden.SAMPLED), fuzz_hidden.use_sampled, True, True,
    ),
    "hidden-stage": Kind(
        fuzz_hidden.make_pictures, fuzz_hidden.prepare(*fuzz_hidden.STAGED), fuzz_hidden.use_staged, True, True,
    ),
    "hidden-train": Kind(
        fuzz_hidden.make_trained(TRAIN), fuzz_hidden.prepare(*fuzz_hidden.TRAINED),
        fuzz_hidden.use_trained(TRAIN), True, True,
    ),
}  # fmt: skip
