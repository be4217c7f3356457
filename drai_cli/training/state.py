"""Everything that training changes: networks, averages, optimisers, running moments. Knows no files."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drai_cli.conditions.attribute import Slot
from drai_cli.model.networks import Adversaries, Networks
from drai_cli.settings.config import TrainOptions
from drai_cli.settings.methods import METHODS
from drai_cli.training.draws import draw_uniform
from drai_cli.training.features import FrozenFeatures

_MOMENTS_DECAY = 0.99
_RECENT = 4096
_SLOTS = {"step", "exp_avg", "exp_avg_sq"}  # of Adam

Rows = Float[Tensor, "batch _"]


class Moments(nn.Module):
    """Running mean and variance of a code, to standardise it; they carry no gradient."""

    mean: Float[Tensor, " dim"]
    variance: Float[Tensor, " dim"]

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("variance", torch.ones(dim))

    @torch.no_grad()
    def update(self, codes: Float[Tensor, "batch dim"]) -> None:
        self.mean.lerp_(codes.mean(0), 1 - _MOMENTS_DECAY)
        self.variance.lerp_((codes - self.mean).square().mean(0), 1 - _MOMENTS_DECAY)

    def standardise(self, codes: Float[Tensor, "*rows dim"]) -> Float[Tensor, "*rows dim"]:
        return (codes - self.mean) * torch.rsqrt(self.variance + 1e-4)


class RecentCodes(nn.Module):
    """A ring buffer of codes inferred in recent steps, so that predictors learn from more than one batch at a time."""

    rows: Float[Tensor, "capacity width"]
    count: Int[Tensor, ""]

    def __init__(self, capacity: int, content_dim: int, style_dim: int, condition_dim: int) -> None:
        super().__init__()
        self.dims = (content_dim, style_dim, condition_dim)
        self.register_buffer("rows", torch.zeros(capacity, sum(self.dims)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def add(self, content: Rows, style: Rows, condition: Rows) -> None:
        places = (self.count + torch.arange(len(content), device=self.rows.device)) % len(self.rows)
        self.rows[places] = torch.cat([content, style, condition], dim=1)
        self.count += len(content)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Rows, Rows, Rows]:
        """Content, style and condition of `n` random rows, with replacement."""
        filled = self.count.clamp(max=len(self.rows))
        draws = draw_uniform(generator, n).to(self.rows.device)
        rows = self.rows[torch.minimum((draws * filled).long(), filled - 1)]
        content, style, condition = rows.split(self.dims, dim=1)
        return content, style, condition


class TrainingState:
    """All state that resuming needs, and nothing else.

    Attributes:
        networks: Generator, encoder and content prior in training.
        average: Their exponential moving average, which is the model that is used.
        adversaries: Discriminator, predictors, heads of the projected discriminator.
        features: The frozen network of the projected discriminator, which is not saved; None if there is none.
        images_seen: Real images used so far, repeats included.
        augment_probability: Probability of the discriminator's adaptive augmentation.
    """

    def __init__(
        self,
        options: TrainOptions,
        slots: Sequence[Slot],
        device: torch.device,
        features: FrozenFeatures | None = None,
    ) -> None:
        if options.objective.features_weight and features is None:
            raise ValueError("the projected discriminator needs a frozen network")
        self.features = None if features is None else features.to(device)
        sides = [] if self.features is None else self.features.map_sides
        torch.manual_seed(options.seed)
        method = METHODS[options.method]
        condition_dim = slots[-1].place.stop
        findings = [slot.place.start for slot in slots if slot.kind == "finding"]
        place = {"device": device, "memory_format": torch.channels_last}
        self.networks = Networks(options.model, condition_dim, method).to(**place)  # type: ignore[call-overload]
        self.adversaries = Adversaries(options.model, condition_dim, method, sides, findings).to(**place)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.networks).eval().requires_grad_(False)
        self.content_moments = Moments(options.model.content_dim).to(device)
        self.style_moments = Moments(options.model.style_dim).to(device)
        self.recent = RecentCodes(
            _RECENT, options.model.content_dim, options.model.style_dim, condition_dim
        ).to(device)
        rate = options.learning_rate
        self.optimisers = {
            "networks": _adam(self.networks, rate, device),
            "discriminator": _adam(self.adversaries.discriminator, rate * options.discriminator_rate, device),
            "predictors": _adam(self.adversaries.predictors, rate * options.predictor_rate, device, beta=0.9),
        }
        heads = self.adversaries.feature_heads
        if heads is not None:
            self.optimisers["feature_heads"] = _adam(heads, rate * options.discriminator_rate, device)
        self.base_rates = {name: float(o.param_groups[0]["lr"]) for name, o in self.optimisers.items()}
        self.images_seen = 0
        self.augment_probability = 0.0
        self.device = device

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The modules whose weights are saved, by name."""
        return {
            "networks": self.networks,
            "average": self.average,
            "adversaries": self.adversaries,
            "content_moments": self.content_moments,
            "style_moments": self.style_moments,
            "recent": self.recent,
        }

    def set_rates(self, factors: Mapping[str, float]) -> None:
        """Scales the learning rate of each optimiser by its factor."""
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                rate = self.base_rates[name] * factors[name]
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that resuming needs, by name: weights, running moments, optimiser moments and step counts."""
        out = {
            f"{name}/{key}": tensor
            for name, module in self.modules.items()
            for key, tensor in module.state_dict().items()
        }
        for name, optimiser in self.optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                out |= {
                    f"optimiser/{name}/{index}/{slot}": torch.as_tensor(value)
                    for slot, value in slots.items()
                }
        return out

    @property
    def saved_bytes(self) -> int:
        """Size of `tensors` once every optimiser has made a step: it then has two moments per parameter."""
        of_modules = sum(
            tensor.nbytes for module in self.modules.values() for tensor in module.state_dict().values()
        )
        groups = (group for optimiser in self.optimisers.values() for group in optimiser.param_groups)
        return of_modules + sum(2 * parameter.nbytes for group in groups for parameter in group["params"])

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `tensors` returned; raises LookupError, ValueError or RuntimeError if it does not fit."""
        broken = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
        if broken:
            raise ValueError(f"{broken[0]} is not finite")
        for name, module in self.modules.items():
            prefix = f"{name}/"
            own = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
            module.load_state_dict(own)
        for name, optimiser in self.optimisers.items():
            slots: dict[int, dict[str, Tensor]] = {}
            parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
            for key, value in tensors.items():
                if key.startswith(f"optimiser/{name}/"):
                    index, slot = key.split("/")[2:]
                    like = parameters[int(index)]
                    if slot != "step":
                        if value.shape != like.shape:
                            raise ValueError(f"{key} has another shape than its parameter")
                        # The fused step reads parameter and moments in memory order: their strides must agree.
                        value = torch.empty_like(like).copy_(value)
                    slots.setdefault(int(index), {})[slot] = value
            if any(set(own) != _SLOTS or own["step"].shape for own in slots.values()):
                raise ValueError(f"the moments of {name} are incomplete")
            state = optimiser.state_dict()
            optimiser.load_state_dict({**state, "state": slots})

    @torch.no_grad()
    def update_average(self, keep: float) -> None:
        """Sets average = keep · average + (1 - keep) · networks, in one pass over all tensors."""
        torch._foreach_lerp_(list(self.average.parameters()), list(self.networks.parameters()), 1 - keep)


def _adam(module: nn.Module, rate: float, device: torch.device, beta: float = 0.0) -> torch.optim.Optimizer:
    # A replayed CUDA graph reads its learning rate and counts its steps on the device.
    is_cuda = device.type == "cuda"
    return torch.optim.Adam(
        module.parameters(), lr=torch.tensor(rate, device=device) if is_cuda else rate, betas=(beta, 0.99),
        fused=True, capturable=is_cuda,
    )  # fmt: skip
