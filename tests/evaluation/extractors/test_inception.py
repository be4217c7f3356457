"""The Inception of published FID beside torch-fidelity itself, with random weights of the right shapes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from drai_cli.errors import InputError, WeightsError
from drai_cli.evaluation.extractors.inception import PUBLISHED_SHA256, InceptionFeatures, is_inception


@pytest.fixture(scope="module")
def state(torch_fidelity: Any) -> dict[str, Tensor]:
    """Random tensors of the network's own names and shapes, through which images can still be told apart."""
    source = sys.modules["torch_fidelity.feature_extractor_inceptionv3"]

    class Blank(torch_fidelity.FeatureExtractorInceptionV3):  # type: ignore[misc]
        def load_state_dict(self, state_dict: Any, *others: Any, **more: Any) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "load_state_dict_from_url", lambda *_, **__: {})
        shapes = Blank("blank", ["2048"]).state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in shapes.items():
        if tensor.ndim >= 2:
            fan = tensor[0].numel()
            state[name] = torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5
        elif tensor.is_floating_point() and name.endswith(("weight", "running_var")):
            state[name] = torch.rand(tensor.shape, generator=generator) * 0.5 + 0.75
        elif tensor.is_floating_point():
            state[name] = torch.randn(tensor.shape, generator=generator) * 0.1
        else:
            state[name] = torch.zeros_like(tensor)
    return state


@pytest.fixture(scope="module")
def extractor(state: dict[str, Tensor]) -> InceptionFeatures:
    return InceptionFeatures(state, sha256="00")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 24, 20, 3), dtype=np.uint8)


def test_features_and_logits_are_torch_fidelitys_own(
    torch_fidelity: Any,
    state: dict[str, Tensor],
    extractor: InceptionFeatures,
    images: np.ndarray,
    tmp_path: Path,
) -> None:
    torch.save(state, tmp_path / "weights.pth")
    theirs = torch_fidelity.FeatureExtractorInceptionV3(
        "theirs", ["logits_unbiased", "2048"], feature_extractor_weights_path=str(tmp_path / "weights.pth")
    )
    with torch.inference_mode():
        logits, features = theirs(torch.from_numpy(images).permute(0, 3, 1, 2))
    found, found_logits = extractor.run(images)
    assert found.dtype == np.float32
    assert found.shape == (3, 2048)
    assert np.abs(found[0] - found[1]).max() > 1e-3 * np.abs(found).max() > 0
    assert np.allclose(found, features.numpy(), rtol=1e-5, atol=1e-6 * np.abs(found).max())
    assert np.allclose(found_logits, logits.numpy(), rtol=1e-4, atol=1e-5 * np.abs(found_logits).max())


def test_grey_and_sixteen_bits_are_seen_as_rgb_of_eight(
    extractor: InceptionFeatures, images: np.ndarray
) -> None:
    grey = images[:1, ..., :1]
    expected = extractor.features(np.repeat(grey, 3, 3))
    assert np.array_equal(extractor.features(grey), expected)
    wide = grey.astype(np.uint16) * 257
    assert np.array_equal(
        extractor.features(np.where(grey > 100, wide - 100, wide + 100)), expected
    )  # rounded


def test_what_numbers_compare_with_follows_from_the_files_hash(
    torch_fidelity: Any, state: dict[str, Tensor], extractor: InceptionFeatures
) -> None:
    assert "only if" in extractor.comparable_with
    published = InceptionFeatures(state, sha256=PUBLISHED_SHA256)
    assert published.comparable_with.startswith("published FID, KID and inception scores")
    assert published.name == "inception-2015-12-05"


def test_tensors_that_are_not_whole_are_refused(torch_fidelity: Any, state: dict[str, Tensor]) -> None:
    less = {name: value for name, value in state.items() if name != "Mixed_6e.branch_pool.conv.weight"}
    with pytest.raises(
        WeightsError, match=r"Inception of published FID .*Mixed_6e\.branch_pool\.conv\.weight"
    ):
        InceptionFeatures(less)


def test_it_is_recognised_by_its_ends() -> None:
    ends = {"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3), "fc.weight": torch.zeros(1008, 2048)}
    assert is_inception(ends)
    assert not is_inception({**ends, "fc.weight": torch.zeros(1000, 2048)})  # torchvision's own training
    assert not is_inception({"fc.weight": ends["fc.weight"]})


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(InputError, match="needs torch-fidelity and torchvision") as caught:
        InceptionFeatures({})
    assert caught.value.hint == "pip install 'drai-cli[fid]'"
