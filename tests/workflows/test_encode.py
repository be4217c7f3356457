"""`encode`: images to codes in an npz that appears whole or not at all."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError, OverwriteError, UsageError
from drai_cli.settings.image_options import EncodeOptions
from drai_cli.workflows.encode import encode


@pytest.fixture
def options(tmp_path, tiny_model):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(20):
        noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
        PillowImage.fromarray(noise).save(folder / f"{number:02d}.png")
    return EncodeOptions(images=(folder,), out=tmp_path / "codes.npz", weights=str(tiny_model))


def test_codes_of_a_folder(options):
    result = encode(options)
    assert (result.images, result.content_dim, result.style_dim) == (20, 4, 6)
    with np.load(options.out, allow_pickle=False) as file:
        assert list(file["file_name"]) == [f"{number:02d}.png" for number in range(20)]
        assert file["content"].shape == file["content_log_variance"].shape == (20, 4)
        assert file["style"].shape == file["style_log_variance"].shape == (20, 6)
        assert str(file["weights_sha256"]) == result.weights_sha256


def test_codes_do_not_depend_on_the_others(options, tmp_path):
    encode(options)
    one = replace(options, images=(options.images[0] / "17.png",), out=tmp_path / "one.npz")
    encode(one)
    with np.load(options.out) as all_codes, np.load(one.out) as codes:
        np.testing.assert_array_equal(codes["content"][0], all_codes["content"][17])
        np.testing.assert_array_equal(codes["style"][0], all_codes["style"][17])


def test_what_cannot_be_read(options):
    broken = options.images[0] / "20.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(InputError, match="1 of 21"):  # more than one in a hundred
        encode(options)
    with pytest.raises(InputError, match=r"20\.png"):
        encode(replace(options, images=(broken,)))
    assert not options.out.exists()


def test_nothing_is_overwritten(options):
    options.out.write_bytes(b"mine")
    with pytest.raises(OverwriteError):
        encode(options)
    assert options.out.read_bytes() == b"mine"
    encode(replace(options, overwrite=True))
    assert len(np.load(options.out)["content"]) == 20


def test_usage(options, tmp_path):
    (tmp_path / "empty").mkdir()
    for wrong, kind in (
        (replace(options, images=()), UsageError),
        (replace(options, out=tmp_path / "codes.csv"), UsageError),
        (replace(options, images=(tmp_path / "empty",)), InputError),
        (replace(options, images=(tmp_path / "gone.png",)), InputError),
    ):
        with pytest.raises(kind):
            encode(wrong)
    assert "codes.npz" not in os.listdir(tmp_path)


def test_a_model_that_infers_no_content_writes_none(options, model_of):
    result = encode(replace(options, weights=str(model_of("cavae"))))
    assert (result.content_dim, result.style_dim) == (0, 6)
    with np.load(options.out, allow_pickle=False) as file:
        assert file["style"].shape == (20, 6)
        assert not [name for name in file if name.startswith("content")]
