"""Masks from end to end: trained with the images, written with them, checked, resumed, and read back as a set."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.data.prepared import prepare
from drai_cli.errors import OverwriteError, UsageError, WeightsError
from drai_cli.inference.input_images import encode_files
from drai_cli.inference.torch_model import Inference
from drai_cli.model_file.checkpoint import load_model, read_header
from drai_cli.output.real_masks import require_masks
from drai_cli.report.model_card import model_card
from drai_cli.run.data_settings import read_data_settings
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions, PhantomOptions
from drai_cli.settings.image_options import (
    EncodeOptions,
    InterpolateOptions,
    SampleOptions,
    SwapOptions,
    VerifyOptions,
)
from drai_cli.settings.model_options import ExportOptions, InfoOptions, TrainRun
from drai_cli.workflows.encode import encode
from drai_cli.workflows.export import export
from drai_cli.workflows.info import describe_model
from drai_cli.workflows.interpolate import interpolate
from drai_cli.workflows.phantom import make_phantoms
from drai_cli.workflows.sample import sample
from drai_cli.workflows.swap_style import swap_style
from drai_cli.workflows.train import preview_train, train
from drai_cli.workflows.verify import verify
from tests.support.reporters import Recorder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, quick_judge: None) -> TrainRun:
    base = tmp_path_factory.mktemp("masks")
    make_phantoms(PhantomOptions(base / "set", count=70, size=16, masks=True))
    model = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
    options = TrainOptions(model=model, kimg=0.064, tick_kimg=0.032, batch_size=16, precision="fp32")
    data = DataOptions(
        base / "set", size=16, cache_dir=base / "cache", masks=base / "set/masks", mask_names=("lesion",)
    )
    run = TrainRun(data, options, base / "run", device="cpu")
    train(run)
    return run


@pytest.fixture
def options(trained: TrainRun, tmp_path: Path) -> SampleOptions:
    return SampleOptions(tmp_path / "out", str(trained.out), per_class=2, device="cpu")


def rows_of(out: Path) -> list[dict[str, str]]:
    with open(out / "metadata.csv", newline="") as file:
        return list(csv.DictReader(file))


def files_of(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_phantoms_lie_where_their_masks_say(trained: TrainRun) -> None:
    for row in rows_of(trained.data.path)[:14]:
        mask = np.asarray(PillowImage.open(trained.data.path / row["mask_file_name"])) > 0
        place = (np.arange(16) + 0.5) / 16 - 0.5
        assert np.isclose((mask * place).sum() / mask.sum(), float(row["x"]), atol=0.04)
        assert np.isclose((mask.T * place).sum() / mask.sum(), float(row["y"]), atol=0.04)
        assert np.isclose(np.sqrt(mask.mean() / np.pi), float(row["radius"]), rtol=0.12)


def test_the_model_file_says_which_masks_it_makes(trained: TrainRun) -> None:
    header = read_header(trained.out / "model.safetensors")
    assert header.mask_names == ("lesion",)
    assert [one.name for one in header.channels.channels] == ["red", "green", "blue", "lesion"]
    assert load_model(trained.out / "model.safetensors").generator.mask_channels == 1


def test_info_and_card_name_the_masks(trained: TrainRun) -> None:
    assert "each with its masks (`lesion`)" in model_card(read_header(trained.out / "model.safetensors"), "m")
    model = describe_model(InfoOptions(str(trained.out)))
    assert model.masks == ("lesion",)


def test_a_run_keeps_how_its_masks_are_read(trained: TrainRun) -> None:
    saved = json.loads((trained.out / "config.json").read_text())
    assert replace(read_data_settings(saved["data"]), cache_dir=trained.data.cache_dir) == trained.data
    assert train(trained).stopped_by == "nothing to do"
    with pytest.raises(UsageError, match="mask_names"):
        train(replace(trained, data=replace(trained.data, mask_names=("nevus",))))


def test_a_preview_counts_masks(trained: TrainRun, tmp_path: Path) -> None:
    preview_train(replace(trained, out=tmp_path / "new"))
    with pytest.raises(UsageError, match="the model makes the masks lesion, the data has none"):
        preview_train(
            TrainRun(replace(trained.data, masks=None, mask_names=()), trained.training, tmp_path / "new", device="cpu",
                     init=str(trained.out))
        )  # fmt: skip


def test_a_run_starts_from_a_model_with_the_same_masks(trained: TrainRun, tmp_path: Path) -> None:
    training = replace(trained.training, kimg=0.016)
    assert train(replace(trained, training=training, out=tmp_path / "new", init=str(trained.out))).images_seen


def test_samples_have_masks(options: SampleOptions, trained: TrainRun) -> None:
    sample(options)
    rows = rows_of(options.out)
    assert list(rows[0])[:3] == ["file_name", "mask_file_name", "label"]
    for row in rows:
        assert row["mask_file_name"] == f"masks/{row['file_name']}"
        picture = PillowImage.open(options.out / row["mask_file_name"])
        assert (picture.mode, picture.size) == ("L", (16, 16))
        assert set(np.unique(np.asarray(picture))) <= {0, 255}
        assert picture.text["synthetic"] == "yes"
        assert picture.text["mask"] == "lesion"
    found = verify(VerifyOptions(options.out, weights=str(trained.out), regenerate=5, device="cpu"))
    assert (found.findings, found.images, found.files, found.regenerated) == ((), 14, 28, 5)


def test_images_are_the_same_with_and_without_their_masks(options: SampleOptions, tmp_path: Path) -> None:
    sample(options)
    sample(replace(options, out=tmp_path / "bare", masks=False))
    bare = files_of(tmp_path / "bare")
    assert not any(name.startswith("masks/") for name in bare)
    with_masks = files_of(options.out)
    assert all(with_masks[name] == data for name, data in bare.items() if name.endswith(".png"))


def test_a_mask_is_the_models_own(options: SampleOptions, trained: TrainRun) -> None:
    sample(options)
    inference = Inference.open(str(trained.out), "cpu")
    shape, schema = inference.header.architecture, inference.header.schema
    conditions = schema.encode([{schema.label.name: "amber"}])
    content, style = np.zeros((1, shape.content_dim), np.float32), np.zeros((1, shape.style_dim), np.float32)
    images, _ = inference.sample(conditions, content, style)
    both, _ = inference.sample(conditions, content, style, with_masks=True)
    assert (images.shape[3], both.shape[3]) == (3, 4)
    assert np.array_equal(images, both[..., :3])


def test_missing_and_changed_masks_are_found_and_made_again(options: SampleOptions) -> None:
    sample(options)
    whole = files_of(options.out)
    mask = options.out / rows_of(options.out)[3]["mask_file_name"]
    mask.write_bytes(b"changed")
    (reason,) = verify(VerifyOptions(options.out)).findings
    assert reason == (mask.relative_to(options.out).as_posix(), "was changed")
    mask.unlink()
    with pytest.raises(OverwriteError, match="it is missing"):
        sample(options)
    sample(replace(options, overwrite=True))
    assert files_of(options.out) == whole


def test_overwriting_leaves_no_mask_behind(options: SampleOptions) -> None:
    sample(options)
    sample(replace(options, per_class=1, masks=False, overwrite=True))
    assert not (options.out / "masks").exists()
    assert len(rows_of(options.out)) == 7


def test_parts_of_a_job_make_the_same(options: SampleOptions, tmp_path: Path) -> None:
    sample(options)
    for part in ("1/2", "2/2"):
        sample(replace(options, out=tmp_path / "parts", shard=part))
    assert files_of(tmp_path / "parts") == files_of(options.out)


@pytest.mark.parametrize("layout", ["flat", "isic"])
def test_layouts(options: SampleOptions, layout: str) -> None:
    sample(replace(options, layout=layout))
    assert all((options.out / row["mask_file_name"]).is_file() for row in rows_of(options.out))
    assert verify(VerifyOptions(options.out)).findings == ()
    sample(replace(options, layout=layout, per_class=1, overwrite=True))
    assert len(list(options.out.rglob("*.png"))) == 14


def test_nifti_masks_are_label_maps(options: SampleOptions) -> None:
    import nibabel

    sample(replace(options, format="nifti"))
    for row in rows_of(options.out)[:3]:
        mask = np.asarray(nibabel.load(options.out / row["mask_file_name"]).dataobj)
        assert set(np.unique(mask)) <= {0, 1}
    assert verify(VerifyOptions(options.out)).findings == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": "dicom"}, "--format dicom"), ({"format": "npz"}, "--format npz"),
     ({"format": "webdataset"}, "--format webdataset"), ({"layout": "bids"}, "--layout bids")],
)  # fmt: skip
def test_formats_without_a_place_for_masks(
    options: SampleOptions, change: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        sample(replace(options, **change))
    assert "--no-masks" in caught.value.hint
    sample(replace(options, **change, masks=False, per_class=1))


def test_real_images_get_masks(trained: TrainRun, tmp_path: Path) -> None:
    images = tmp_path / "images"
    for number, size in enumerate([(16, 16), (40, 20)]):
        path = images / f"case{number}/x.png"
        path.parent.mkdir(parents=True)
        PillowImage.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)
    options = EncodeOptions(
        (images,), tmp_path / "codes.npz", masks=tmp_path / "masks", weights=str(trained.out), device="cpu"
    )
    assert encode(options).masks == 2
    for number, size in enumerate([(16, 16), (20, 40)]):
        mask = PillowImage.open(tmp_path / f"masks/case{number}/x_mask.png")
        assert (mask.size, mask.text["mask"], mask.text["synthetic"]) == (size, "lesion", "yes")
        assert set(np.unique(np.asarray(mask))) <= {0, 255}
    assert not np.asarray(PillowImage.open(tmp_path / "masks/case1/x_mask.png"))[:10].any()  # cropped
    with pytest.raises(OverwriteError):
        encode(replace(options, out=tmp_path / "again.npz"))


def test_models_without_masks_make_none_of_real_images(
    trained: TrainRun,
) -> None:
    header = read_header(trained.out / "model.safetensors")
    with pytest.raises(WeightsError, match="the model makes no masks"):
        require_masks(replace(header, mask_names=()))


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for path, side, level in zip(paths, (16, 40), (90, 160), strict=True):
        PillowImage.fromarray(np.full((side, side // 2, 3), level, np.uint8)).save(path)
    return paths


def read_mask(path: Path) -> np.ndarray:
    picture = PillowImage.open(path)
    assert (picture.mode, picture.text["mask"], picture.text["synthetic"]) == ("L", "lesion", "yes")
    return np.asarray(picture)


def test_swaps_have_masks(trained: TrainRun, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    reporter = Recorder()
    swap = SwapOptions(*pictures, out=tmp_path / "swap", weights=str(trained.out), device="cpu", size="input")
    result = swap_style(swap, reporter)
    assert result.masks == ("masks/a_in_style_of_b.png", "masks/b_in_style_of_a.png")
    assert not any("masks" in warning for warning in reporter.warnings)
    inference = Inference.open(str(trained.out), "cpu")
    codes = encode_files(inference, list(pictures), "crop").codes
    levels = inference.generate(codes.content, codes.style[::-1], with_masks=True)
    for name, one, size in zip(result.masks, levels, ((16, 8), (40, 20)), strict=True):
        mask = read_mask(swap.out / name)
        assert mask.shape == size
        top = (size[0] - size[1]) // 2
        assert not mask[:top].any()  # cropped
        middle = mask[top : top + size[1]] > 0
        assert abs(middle.mean() - (one[..., 3] > 127).mean()) < 0.1
    with PillowImage.open(swap.out / "figure.png") as figure:
        assert figure.width > 1.5 * figure.height  # five columns


def test_a_table_of_swaps_names_masks(trained: TrainRun, pictures: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("content,style\na.png,b.png\n")
    swap_style(SwapOptions(pairs=table, out=tmp_path / "swap", weights=str(trained.out), device="cpu"))
    (row,) = rows_of(tmp_path / "swap")
    assert list(row) == ["file_name", "mask_file_name", "content", "style"]
    assert row["mask_file_name"] == f"masks/{row['file_name']}"
    assert read_mask(tmp_path / "swap" / row["mask_file_name"]).shape == (16, 16)


def test_a_walk_has_masks_in_a_folder_and_says_so_of_one_picture(
    trained: TrainRun, pictures: tuple[Path, Path], tmp_path: Path
) -> None:
    reporter = Recorder()
    walk = InterpolateOptions(
        pictures, out=tmp_path / "walk", weights=str(trained.out), device="cpu", steps=3
    )
    interpolate(walk, reporter)
    assert not any("masks" in warning for warning in reporter.warnings)
    assert [row["mask_file_name"] for row in rows_of(walk.out)] == [
        f"masks/frame_{index:06d}.png" for index in range(3)
    ]
    interpolate(replace(walk, out=tmp_path / "grid", grid=True, steps=None))
    for out in (tmp_path / "walk", tmp_path / "grid"):
        for row in rows_of(out):
            assert read_mask(out / row["mask_file_name"]).shape == (16, 16)
    interpolate(replace(walk, out=tmp_path / "walk.png"), reporter)
    assert (
        "one picture shows images without the masks that the model makes (lesion): --out FOLDER writes both"
        in reporter.warnings
    )


def test_masks_of_nifti_images_are_label_maps_in_their_place(trained: TrainRun, tmp_path: Path) -> None:
    import nibabel

    affine = np.diag([2.0, 3.0, 1.0, 1.0])
    for name in "ab":
        levels = np.random.default_rng(ord(name)).integers(0, 255, (16, 16, 1)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(levels, affine), tmp_path / f"{name}.nii.gz")
    result = swap_style(
        SwapOptions(
            tmp_path / "a.nii.gz", tmp_path / "b.nii.gz", out=tmp_path / "swap", weights=str(trained.out),
            device="cpu", format="nifti",
        )
    )  # fmt: skip
    for image, mask in zip(result.images, result.masks, strict=True):
        one, other = (nibabel.load(tmp_path / "swap" / name) for name in (image, mask))
        assert np.allclose(one.affine, other.affine)
        assert set(np.unique(np.asarray(other.dataobj))) <= {0, 1}


@pytest.mark.skipif(
    find_spec("onnxscript") is None or find_spec("onnxruntime") is None, reason="needs drai-cli[onnx]"
)
def test_an_exported_model_makes_masks(trained: TrainRun, options: SampleOptions, tmp_path: Path) -> None:
    export(ExportOptions(tmp_path / "m.onnx", "onnx", str(trained.out)))
    sample(replace(options, weights=str(tmp_path / "m.onnx"), runtime="onnx", device=None))
    sample(replace(options, out=tmp_path / "torch"))
    for row in rows_of(options.out):
        for column in ("file_name", "mask_file_name"):
            one, two = (
                np.asarray(PillowImage.open(out / row[column])) for out in (options.out, tmp_path / "torch")
            )
            assert (np.abs(one.astype(int) - two) > 1).mean() < 0.01


def test_an_output_is_a_set_with_masks(options: SampleOptions, trained: TrainRun) -> None:
    sample(options)
    data = replace(trained.data, path=options.out, masks=options.out / "masks")
    read = prepare(data, seed=0, needs_parts=False)
    assert read.masks.shape == (14, 16, 16, 1)
    for entry, mask in zip(read.entries, read.masks, strict=True):
        assert np.array_equal(mask[..., 0], np.asarray(PillowImage.open(options.out / "masks" / entry.name)))
