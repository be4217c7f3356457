"""Which ImageNet network tensors belong to, by their names. Knows nothing of paths."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from drai_cli.errors import WeightsError
from drai_cli.model.pretrained.efficientnet_lite import EfficientNetLite, is_efficientnet_lite
from drai_cli.model.pretrained.resnet import ResNet, resnet_depth
from drai_cli.model.pretrained.squeezenet import SqueezeNet

PretrainedNetwork = SqueezeNet | ResNet | EfficientNetLite
KNOWN = "SqueezeNet 1.1, ResNet 18, 34 or 50 (torchvision's tensor names) or EfficientNet-Lite0"


def build_pretrained(state: Mapping[str, Tensor], *, expected: str = KNOWN) -> PretrainedNetwork:
    """The network whose tensors these are, float32, frozen, in eval mode; those of a classifier are ignored.

    Batch normalisation's count of batches may be missing: features do not depend on it.

    Args:
        state: Tensors by name.
        expected: The networks that the caller takes, for messages.

    Raises:
        WeightsError: The tensors of another network, or a tensor is missing or has another shape.
    """
    network = _network_of(state)
    if network is None:
        raise WeightsError("feature network", f"expected the tensors of {expected}, got others")
    chosen = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            chosen[name] = tensor
            continue
        if name not in state:
            raise WeightsError("feature network", f"expected {network.title} tensors, {name} is missing")
        if state[name].shape != tensor.shape:
            got, wanted = tuple(state[name].shape), tuple(tensor.shape)
            raise WeightsError("feature network", f"expected {name} of shape {wanted}, got {got}")
        chosen[name] = state[name].float()
    network.load_state_dict(chosen)
    return network.eval().requires_grad_(False)


def _network_of(state: Mapping[str, Tensor]) -> PretrainedNetwork | None:
    if is_efficientnet_lite(state):
        return EfficientNetLite()
    if "features.3.squeeze.weight" in state:
        return SqueezeNet()
    depth = resnet_depth(state)
    return ResNet(depth) if depth else None
