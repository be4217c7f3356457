"""All that a run changes as it goes: networks, averages, optimisers, running moments. Saving it is `checkpoint`'s work."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drai_cli.config import TrainOptions
from drai_cli.model.networks import Adversaries, Networks

_MOMENTS_DECAY = 0.99


class Moments(nn.Module):
    """Running mean and variance of a code, to standardise it without a gradient."""

    mean: Tensor
    variance: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim))

    @torch.no_grad()
    def update(self, codes: Float[Tensor, "batch dim"]) -> None:
        self.mean.lerp_(codes.mean(0), 1 - _MOMENTS_DECAY)
        self.variance.lerp_((codes - self.mean).square().mean(0), 1 - _MOMENTS_DECAY)

    def standardise(self, codes: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        return (codes - self.mean) * torch.rsqrt(self.variance + 1e-4)


class TrainingState:
    """Everything that resuming needs, and nothing else.

    Attributes:
        networks: Generator, encoder, content prior in training.
        average: Their exponential moving average, the model that is used.
        adversaries: Discriminator and predictors.
        images_seen: Real images shown so far.
        augment_probability: Of the discriminator's adaptive augmentation.
    """

    def __init__(self, options: TrainOptions, condition_dim: int, device: torch.device) -> None:
        torch.manual_seed(options.seed)
        place = {"device": device, "memory_format": torch.channels_last}
        self.networks = Networks(options.model, condition_dim).to(**place)  # type: ignore[call-overload]
        self.adversaries = Adversaries(options.model, condition_dim).to(**place)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.networks).eval().requires_grad_(False)
        self.content_moments = Moments(options.model.content_dim).to(device)
        self.style_moments = Moments(options.model.style_dim).to(device)
        rate = options.learning_rate
        self.optimisers = {
            "networks": _adam(self.networks, rate),
            "discriminator": _adam(self.adversaries.discriminator, rate * options.discriminator_rate),
            "predictors": _adam(self.adversaries.predictors, rate * options.predictor_rate, beta=0.9),
        }
        self.base_rates = {name: o.param_groups[0]["lr"] for name, o in self.optimisers.items()}
        self.images_seen = 0
        self.augment_probability = 0.0
        self.device = device

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """What is saved as weights, by name."""
        return {
            "networks": self.networks,
            "average": self.average,
            "adversaries": self.adversaries,
            "content_moments": self.content_moments,
            "style_moments": self.style_moments,
        }

    def set_rates(self, factor: float, networks_factor: float = 1.0) -> None:
        """Scales all learning rates by `factor`, that of generator, encoder and prior by `networks_factor` besides."""
        for name, optimiser in self.optimisers.items():
            extra = networks_factor if name == "networks" else 1.0
            for group in optimiser.param_groups:
                group["lr"] = self.base_rates[name] * factor * extra

    def tensors(self) -> dict[str, Tensor]:
        """All that resuming needs, by name: weights, running moments, and the optimisers' moments and step counts."""
        out = {
            f"{name}/{key}": tensor
            for name, module in self.modules.items()
            for key, tensor in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                out |= {f"optimiser/{name}/{index}/{slot}": torch.as_tensor(value) for slot, value in slots.items()}
        return out

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave; raises KeyError or RuntimeError where names or shapes do not fit."""
        for name, module in self.modules.items():
            prefix = f"{name}/"
            own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            module.load_state_dict(own)
        for name, optimiser in self.optimisers.items():
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                if key.startswith(f"optimiser/{name}/"):
                    index, slot = key.split("/")[2:]
                    slots.setdefault(int(index), {})[slot] = value
            state = optimiser.state_dict()
            optimiser.load_state_dict({**state, "state": slots})

    @torch.no_grad()
    def update_average(self, keep: float) -> None:
        """average = keep · average + (1 - keep) · networks, in one pass over all tensors."""
        torch._foreach_lerp_(list(self.average.parameters()), list(self.networks.parameters()), 1 - keep)


def _adam(module: nn.Module, rate: float, beta: float = 0.0) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=rate, betas=(beta, 0.99), fused=True)
