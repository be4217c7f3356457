"""Model files: the same bytes, read back the same, and refused in words when they are not what they say."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from drai_cli.errors import WeightsError
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import load_model, read_header, save_model


def rewritten(path: Path, to: Path, *, header: dict | None = None, tensors: dict | None = None) -> Path:
    """A copy of a model file with another header entry or other tensors."""
    own = json.dumps(read_header(path).to_json() if header is None else header)
    to.write_bytes(save(load_file(path) if tensors is None else tensors, metadata={"drai": own}))
    return to


def test_a_model_comes_back_as_it_was_saved_with_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model)
    networks = Networks(model.header.architecture, model.header.schema.dim)
    networks.load_state_dict(load_file(tiny_model))
    save_model(tmp_path / "again.safetensors", model.header, networks)
    assert (tmp_path / "again.safetensors").read_bytes() == tiny_model.read_bytes()
    content, style = torch.randn(2, 4), torch.randn(2, 6)
    assert torch.equal(model.generator(content, style), networks.generator(content, style))


def test_half_precision_weights_are_used_in_float32(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model)
    networks = Networks(model.header.architecture, model.header.schema.dim)
    networks.load_state_dict(load_file(tiny_model))
    save_model(tmp_path / "half.safetensors", model.header, networks, dtype="float16")
    half = load_model(tmp_path / "half.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * tiny_model.stat().st_size
    assert {p.dtype for p in half.generator.parameters()} == {torch.float32}


@pytest.mark.parametrize("keep", [0, 4, 8, 200, 5000])
def test_a_truncated_file_says_so(keep: int, tiny_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(tiny_model.read_bytes()[:keep])
    with pytest.raises(WeightsError, match=r"broken\.safetensors"):
        load_model(broken)


def test_a_wrong_shape_is_named(tiny_model: Path, tmp_path: Path) -> None:
    tensors = load_file(tiny_model)
    tensors["generator.start.bias"] = torch.zeros(3)
    with pytest.raises(WeightsError, match=r"generator\.start\.bias.*expected shape"):
        load_model(rewritten(tiny_model, tmp_path / "m.safetensors", tensors=tensors))


def test_missing_extra_and_infinite_tensors_are_named(tiny_model: Path, tmp_path: Path) -> None:
    for change, text in (
        (lambda t: t.pop("encoder.style.weight"), "encoder.style.weight' is missing"),
        (lambda t: t.update(more=torch.zeros(1)), "'more' does not belong"),
        (lambda t: t["generator.start.bias"].fill_(float("nan")), "not finite"),
    ):
        tensors = load_file(tiny_model)
        change(tensors)
        with pytest.raises(WeightsError, match=text):
            load_model(rewritten(tiny_model, tmp_path / "m.safetensors", tensors=tensors))


def test_an_unknown_header_version_says_what_to_do(tiny_model: Path, tmp_path: Path) -> None:
    header = {**read_header(tiny_model).to_json(), "format_version": 99}
    with pytest.raises(WeightsError, match="99") as caught:
        read_header(rewritten(tiny_model, tmp_path / "m.safetensors", header=header))
    assert "upgrade" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"image_size": 10**9}}, {"schema": []}, {"schema": [{"name": "a", "kind": "pickle"}]},
        {"training": "none"}, {"method": 3},
    ],
)  # fmt: skip
def test_a_hostile_header_is_an_error_in_words(change: dict, tiny_model: Path, tmp_path: Path) -> None:
    header = {**read_header(tiny_model).to_json(), **change}
    with pytest.raises(WeightsError, match="header cannot be used"):
        read_header(rewritten(tiny_model, tmp_path / "m.safetensors", header=header))


def test_a_length_beyond_reason_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(WeightsError, match="header of"):
        read_header(path)


def test_a_method_of_a_newer_version_is_an_error_in_words(tiny_model: Path, tmp_path: Path) -> None:
    header = {**read_header(tiny_model).to_json(), "method": "drai-2"}
    with pytest.raises(WeightsError, match="'drai-2' is not known"):
        load_model(rewritten(tiny_model, tmp_path / "m.safetensors", header=header))


def test_the_tensors_have_to_be_those_of_the_method(model_of, tmp_path: Path) -> None:
    header = {**read_header(model_of("cavae")).to_json(), "method": "drai"}
    with pytest.raises(WeightsError, match=r"'content_prior\.layers\.2\.weight': expected shape"):
        load_model(rewritten(model_of("cavae"), tmp_path / "m.safetensors", header=header))


@pytest.mark.parametrize(
    "claim",
    [{"blocks": 4096}, {"content_dim": 4096}, {"style_dim": 4096}, {"channels": 4096, "max_channels": 4096}],
)
def test_a_header_claims_no_more_than_the_tensors_hold(tiny_model, tmp_path, monkeypatch, claim):
    """No network is made for what it claims."""
    from dataclasses import replace

    from drai_cli.model_file import checkpoint

    header = read_header(tiny_model)
    forged = replace(header, architecture=replace(header.architecture, **claim))
    monkeypatch.setattr(checkpoint, "read_header", lambda path: forged)
    monkeypatch.setattr(checkpoint, "Networks", lambda *given: pytest.fail("a network was made"))
    with pytest.raises(
        WeightsError, match=rf"its header claims {next(iter(claim))} 4096, more than its \d+ tensors hold"
    ):
        load_model(tiny_model)
