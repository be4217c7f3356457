"""`verify`: what was changed is found, and the weights make the same images again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from PIL import Image as PillowImage

from drai_cli.errors import InputError, UsageError, WeightsError
from drai_cli.io.png import encode_png
from drai_cli.sampling.output import SampleOutput
from drai_cli.settings.image_options import SampleOptions, VerifyOptions
from drai_cli.workflows.sample import sample
from drai_cli.workflows.verify import verify

FIRST = {"png": ".png", "dicom": ".dcm", "nifti": ".nii.gz"}


@pytest.fixture(params=FIRST)
def made(request, tmp_path, tiny_ct_model):
    """The options of a finished output of each kind."""
    options = SampleOptions(
        out=tmp_path / "out",
        weights=str(tiny_ct_model),
        per_class=3,
        attributes=("age=60",),
        seed=4,
        format=request.param,
    )
    sample(options)
    return options


def relist(out, name):
    """Writes a file's new sha256 into the manifest, as a forger would."""
    path = out / "manifest.json"
    old = json.loads(path.read_text())["files"][name]
    path.write_text(path.read_text().replace(old, hashlib.sha256((out / name).read_bytes()).hexdigest()))


def test_what_was_made_is_sound_and_is_made_again(made):
    result = verify(VerifyOptions(made.out, regenerate=4, weights=made.weights))
    assert result.findings == ()
    assert (result.images, result.regenerated) == (6, 4)
    assert result.files == (12 if made.format == "nifti" else 6)
    assert json.dumps(result.to_json())


def test_a_changed_missing_or_foreign_file_is_found(made):
    suffix = FIRST[made.format]
    changed, gone, foreign = (made.out / f"mel/{name}{suffix}" for name in ("mel_000000", "mel_000001", "x"))
    changed.write_bytes(changed.read_bytes() + b"\0")
    gone.unlink()
    foreign.write_bytes(b"")
    found = dict(verify(VerifyOptions(made.out)).findings)
    assert found == {
        f"mel/mel_000000{suffix}": "was changed",
        f"mel/mel_000001{suffix}": "is missing",
        f"mel/x{suffix}": "is in no table",
    }


@pytest.mark.parametrize("made", ["png"], indirect=True)
def test_pixels_changed_behind_the_manifests_back_are_found(made):
    name = "nv/nv_000000.png"
    with PillowImage.open(made.out / name) as picture:
        picture.load()
        text, pixels = dict(picture.text), np.array(picture)
    (made.out / name).write_bytes(encode_png((pixels ^ 1)[..., None], text))
    relist(made.out, name)
    assert verify(VerifyOptions(made.out)).findings == ()
    found = verify(VerifyOptions(made.out, regenerate=6, weights=made.weights)).findings
    assert found == ((name, "is not what the weights make"),)


@pytest.mark.parametrize("made", ["png"], indirect=True)
@pytest.mark.parametrize(
    ("marks", "reason"),
    [({"synthetic": "no"}, "synthetic"), ({"label": "nv"}, "label is nv, metadata.csv has mel")],
)
def test_marks_that_contradict_are_found(made, marks, reason):
    name = "mel/mel_000000.png"
    with PillowImage.open(made.out / name) as picture:
        picture.load()
        text, pixels = dict(picture.text), np.array(picture)
    (made.out / name).write_bytes(encode_png(pixels[..., None], {**text, **marks}))
    relist(made.out, name)
    ((found, words),) = verify(VerifyOptions(made.out)).findings
    assert found == name
    assert reason in words


def test_a_dicom_file_without_its_flag_is_found(tmp_path, tiny_ct_model):
    sample(SampleOptions(tmp_path / "out", str(tiny_ct_model), label="mel", count=2, format="dicom"))
    name = "mel/mel_000001.dcm"
    dataset = pydicom.dcmread(tmp_path / "out" / name)
    del dataset.SyntheticData
    dataset.save_as(tmp_path / "out" / name)
    relist(tmp_path / "out", name)
    assert verify(VerifyOptions(tmp_path / "out")).findings == ((name, "is not marked as synthetic"),)


def test_a_nifti_sidecar_is_a_mark(tmp_path, tiny_ct_model):
    sample(SampleOptions(tmp_path / "out", str(tiny_ct_model), label="mel", count=2, format="nifti"))
    path = tmp_path / "out/mel/mel_000001.json"
    path.write_text(path.read_text().replace('"synthetic": true', '"synthetic": false'))
    relist(tmp_path / "out", "mel/mel_000001.json")
    ((name, reason),) = verify(VerifyOptions(tmp_path / "out")).findings
    assert (name, reason) == ("mel/mel_000001.nii.gz", "is not marked as synthetic")


def test_changed_metadata_is_found(made):
    path = made.out / "metadata.csv"
    path.write_text(path.read_text().replace(",60,", ",61,", 1))
    assert ("metadata.csv", "was changed") in verify(VerifyOptions(made.out)).findings


def test_names_that_lead_out_of_the_folder_are_not_followed(made, tmp_path):
    path = made.out / "manifest.json"
    first = f"mel/mel_000000{FIRST[made.format]}"
    path.write_text(path.read_text().replace(f'"{first}"', '"../../../etc/passwd"'))
    findings = verify(VerifyOptions(made.out)).findings
    reasons = [reason for name, reason in findings if name == "../../../etc/passwd"]
    assert reasons == ["lies outside the folder", "is not in metadata.csv"]


def test_a_style_is_needed_again(tmp_path, tiny_model):
    style = tmp_path / "s.png"
    PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(style)
    out = tmp_path / "out"
    sample(SampleOptions(out, str(tiny_model), label="mel", count=3, style_from=style, truncation=0.7))
    options = VerifyOptions(out, regenerate=3, weights=str(tiny_model))
    with pytest.raises(UsageError) as raised:
        verify(options)
    assert "--style-from" in raised.value.hint
    assert verify(replace(options, style_from=style)).findings == ()


def test_a_style_is_read_again_through_its_window(tmp_path, tiny_ct_model, make_dicom):
    values = np.random.default_rng(0).integers(0, 4000, (2, 32, 32)).astype(np.uint16)
    style = make_dicom(tmp_path / "s.dcm", values)
    plain = SampleOptions(tmp_path / "0", str(tiny_ct_model), label="mel", count=2, style_from=style, frame=1)
    windowed = replace(plain, out=tmp_path / "1", window="500,200")
    images = []
    for options in (plain, windowed):
        sample(options)
        images.append((options.out / "mel" / "mel_000000.png").read_bytes())
    assert images[0] != images[1]
    regenerated = VerifyOptions(windowed.out, regenerate=2, weights=str(tiny_ct_model), style_from=style)
    assert verify(regenerated).findings == ()
    with pytest.raises(UsageError, match="--window 500,200"):
        sample(replace(windowed, style_from=None, frame=None))


def test_other_weights_are_refused(made, tiny_model):
    with pytest.raises(WeightsError, match="expected those with sha256"):
        verify(VerifyOptions(made.out, regenerate=1, weights=str(tiny_model)))


def test_what_is_no_finished_output(made, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="expected a folder"):
        verify(VerifyOptions(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected manifest\.json"):
        verify(VerifyOptions(tmp_path / "empty"))
    monkeypatch.setattr(SampleOutput, "finish", lambda self: False)
    sample(replace(made, out=tmp_path / "half"))
    with pytest.raises(InputError, match="not finished"):
        verify(VerifyOptions(tmp_path / "half"))
    (made.out / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json"):
        verify(VerifyOptions(made.out))
