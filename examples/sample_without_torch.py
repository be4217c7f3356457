"""Samples from a model that `drai export --to onnx` wrote, with numpy and onnxruntime only, without drai.

    python examples/sample_without_torch.py lesions.onnx --label melanoma -n 8 --out few.npz

The codes of image i are computed as in drai (drai_cli/reference/formats.md), so the images are those of
`drai sample --label melanoma --seed 0`, except that some grey levels may differ by one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys

import numpy as np

try:
    import onnxruntime
except ImportError:
    sys.exit("onnxruntime is not installed: pip install onnxruntime")


def noise(seed: int, condition: dict[str, str], index: int, width: int, *purpose: str) -> np.ndarray:
    """Standard normal numbers that depend on seed, condition, index and their purpose alone."""
    key = json.dumps([seed, sorted(condition.items()), index, *purpose]).encode("ascii")
    start = int.from_bytes(hashlib.sha256(key).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=start)).standard_normal(width).astype(np.float32)


def condition_vector(schema: list[dict], label: str) -> np.ndarray:
    """The label's place is 1; of every other attribute the last entry says that it is missing."""
    parts = []
    for number, attribute in enumerate(schema):
        values = attribute.get("values", [None])
        part = np.zeros(len(values) + 1, np.float32)
        part[values.index(label) if number == 0 else -1] = 1
        parts.append(part)
    return np.concatenate(parts)


def sample(model: str, label: str, n: int, seed: int) -> np.ndarray:
    """Images `[n, H, W, C]` of a label or of an alias of it."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    header = json.loads(session.get_modelmeta().custom_metadata_map["drai"])
    attribute, architecture = header["schema"][0], header["architecture"]
    label = attribute["aliases"].get(label.lower(), label)
    if label not in attribute["values"]:
        sys.exit(f"{label}: no such label; one of {', '.join(attribute['values'])}")
    content_dim, style_dim = architecture["content_dim"], architecture["style_dim"]
    codes = [noise(seed, {attribute["name"]: label}, index, content_dim + style_dim) for index in range(n)]
    feeds = {
        "condition": np.repeat(condition_vector(header["schema"], label)[None], n, 0),
        "content_noise": np.stack(codes)[:, :content_dim],
        "style": np.stack(codes)[:, content_dim:],
        "truncation": np.array(1, np.float32),
    }
    if architecture.get("grain"):
        side, named = architecture["image_size"], {attribute["name"]: label}
        grain = [noise(seed, named, index, side * side, "grain") for index in range(n)]
        feeds["grain"] = np.stack(grain).reshape(n, 1, side, side)
    images, _ = session.run(("images", "content"), feeds)
    dtype = np.dtype(header["intensity"].get("dtype", "uint8"))
    levels = np.round((np.clip(images, -1, 1) + 1) * np.float32(np.iinfo(dtype).max / 2))
    return levels.transpose(0, 2, 3, 1).astype(dtype)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("--label", required=True)
    parser.add_argument("-n", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help=".npz to write")
    given = parser.parse_args()
    images = sample(given.model, given.label, given.n, given.seed)
    np.savez_compressed(given.out, images=images, synthetic=True)
    print(f"{given.out}: {images.shape[0]} images, {images.shape[1]} x {images.shape[2]}, no torch")


if __name__ == "__main__":
    main()
