"""The Inception of published FID and inception scores, through torch-fidelity, from tensors the caller read.

torch-fidelity provides the network and TensorFlow 1's resize; the user provides the weights. Knows nothing of paths.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from drai_cli.errors import InputError, WeightsError
from drai_cli.machine.memory import in_passes
from drai_cli.metrics.mapping import Images, pass_size

PUBLISHED_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Of `pt_inception-2015-12-05-6726825d.pth` (pytorch-fid) and `weights-inception-2015-12-05-6726825d.pth`
(torch-fidelity), which are the same file."""
_BATCH = 32  # at 299 px the first maps of as many images take 180 MB
_LAYERS = ["2048", "logits_unbiased"]  # the inception score uses logits without the bias


def is_inception(state: Mapping[str, Tensor]) -> bool:
    """Whether these are that network's tensors: by the names of its first and last layer, and 1008 classes."""
    last = state.get("fc.weight")
    return "Conv2d_1a_3x3.conv.weight" in state and last is not None and tuple(last.shape) == (1008, 2048)


class InceptionFeatures:
    """Stored images, grey or RGB, to 2048 features and 1008 logits.

    Images of 16 bits are rounded to 8, as the network is defined on those.

    Args:
        state: Tensors by torch-fidelity's names.
        device: Where to run; always float32.
        sha256: Of the file they were read from; identifies the weights behind published numbers.

    Raises:
        InputError: torch-fidelity is not installed.
        WeightsError: They are not that network's tensors.
    """

    def __init__(
        self, state: Mapping[str, Tensor], device: torch.device | str = "cpu", sha256: str = ""
    ) -> None:
        network = _network_class()
        # The constructor reads a file, or else downloads one; these bytes were written here, so reading them is safe.
        file = io.BytesIO()
        torch.save({name: tensor.float() for name, tensor in state.items()}, file)
        file.seek(0)
        try:
            self._network: Any = network(self.name, _LAYERS, feature_extractor_weights_path=file)
        except RuntimeError as error:  # from load_state_dict, which lists every mismatch
            reason = " ".join(str(error).split())[:160]
            raise WeightsError(
                "feature extractor", f"expected tensors of the Inception of published FID ({reason})"
            ) from error
        self._network.to(device)
        self._device, self._sha256 = torch.device(device), sha256

    @property
    def name(self) -> str:
        """Identifies these features next to numbers measured in them."""
        return "inception-2015-12-05"

    @property
    def comparable_with(self) -> str:
        """What these numbers may be compared with, in one line."""
        if self._sha256 == PUBLISHED_SHA256:
            return "published FID, KID and inception scores of as many images (torch-fidelity, TensorFlow's original)"
        return (
            "published FID only if these are the tensors of weights-inception-2015-12-05-6726825d.pth; "
            "the hash of this file is another"
        )

    def features(self, images: Images) -> Float32[np.ndarray, "n 2048"]:
        """The features that FID and KID are computed from."""
        return self.run(images)[0]

    def logits(self, images: Images) -> Float32[np.ndarray, "n 1008"]:
        """Logits without the bias, from which the inception score is computed."""
        return self.run(images)[1]

    @torch.inference_mode()
    def run(self, images: Images) -> tuple[Float32[np.ndarray, "n 2048"], Float32[np.ndarray, "n 1008"]]:
        """Features and logits from one pass."""

        def one_pass(rows: slice) -> list[np.ndarray]:
            batch = torch.from_numpy(_to_rgb_bytes(images[rows])).permute(0, 3, 1, 2).to(self._device)
            return [output.float().cpu().numpy() for output in self._network(batch)]

        passes = list(in_passes(len(images), pass_size(len(images), _BATCH), one_pass))
        features, logits = (np.concatenate(column) for column in zip(*passes, strict=True))
        return features, logits


def _to_rgb_bytes(images: Images) -> UInt8[np.ndarray, "n h w 3"]:
    if images.dtype != np.uint8:
        peak = np.iinfo(images.dtype).max
        images = np.round(images * (255 / peak)).astype(np.uint8)
    rgb = images if images.shape[3] == 3 else np.repeat(images, 3, axis=3)
    return np.ascontiguousarray(rgb)


def _network_class() -> Any:
    try:
        from torch_fidelity import FeatureExtractorInceptionV3
    except ImportError as error:
        raise InputError(
            "the Inception of published FID",
            "needs torch-fidelity and torchvision, which are not installed",
            "pip install 'drai-cli[fid]'",
        ) from error
    return FeatureExtractorInceptionV3
