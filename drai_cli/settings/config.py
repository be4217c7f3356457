"""What can be set, as frozen dataclasses with their defaults. Standard library only; presets and flags override."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from drai_cli.errors import UsageError

Arithmetic = Literal["bf16", "fp32"]


@dataclass(frozen=True)
class ModelConfig:
    """The networks' shape. It stands in every model file; a model can be rebuilt from it and the condition's width.

    Attributes:
        image_size: Height and width in pixels, a multiple of 16.
        image_channels: 1 (grey) or 3 (RGB).
        content_dim: Entries of the content code.
        style_dim: Entries of the style code.
        channels: Channels at half the image's resolution (a space-to-depth stem halves it); doubles with each halving.
        max_channels: Upper bound of the doubling.
        blocks: Residual blocks at each resolution.
        pools_content: Whether the encoder reads content off features averaged over the frame: what an image shows, and
            not where. Of photographs this overfits less; style always reads the whole frame.
    """

    image_size: int = 64
    image_channels: int = 3
    content_dim: int = 16
    style_dim: int = 32
    channels: int = 64
    max_channels: int = 128
    blocks: int = 1
    pools_content: bool = False

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModelConfig:
        """Reads `to_json`; raises ValueError on anything that is not one of its numbers in a sane range."""
        data = {"pools_content": False, **data}  # files from before there was a choice
        names = {f.name for f in fields(cls)}
        if set(data) != names:
            raise ValueError(f"expected {sorted(names)}, got {sorted(data)}")
        if not isinstance(data["pools_content"], bool):
            raise ValueError(f"pools_content: expected true or false, got {data['pools_content']!r}")
        for name, value in data.items():
            if name == "pools_content":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
                raise ValueError(f"{name}: expected a whole number from 1 to 4096, got {value!r}")
        config = cls(**data)
        if config.image_size % 16 or config.image_channels not in (1, 3):
            raise ValueError(f"image of {config.image_size} px and {config.image_channels} channels")
        return config

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Objective:
    """The weight of every term of METHOD section 2; 0 switches a term off, and then it is not computed.

    Which of them a method has at all stands in `methods`.

    Attributes:
        condition_weight: V_cond, the matching-aware conditional GAN.
        dual_weight: V_dual, the two inference games.
        align_weight: V_align, KL(q(c|x) ‖ p(c|t)).
        match_weight: The deciding half of V_align: an image's own condition found among the batch's by its content.
        image_cycle_weight: Mean absolute difference of an image and its reconstruction, at three resolutions.
        code_cycle_weight: Mean squared difference of codes and those inferred again.
        aggregate_weight: V_aggregate of the autoencoders (`cavae`), codes of all images matched to their priors.
        grl_weight: V_grl, what the predictors between the codes find, reversed for the encoder.
        independence_weight: Dependence of style and condition within a batch, beside V_grl; off, since what it hides of
            the label it takes from the size of things as well (examples/RUNS.md).
        self_weight: V_self, content held and style changed under a transformation.
        self_margin: Cosine of two styles above which V_self pushes them apart.
        prior_kl_weight: KL of the content prior to N(0, I).
        style_kl_weight: KL of q(z|x) to N(0, I): keeps the style's scale.
        swap_share: Share of generated images that are swaps, one real image's content with another's style, instead of
            draws from the priors: so the conditional game makes them show the content's label, whatever the style.
        r1_gamma: R1 gradient penalty at real images (the loss uses gamma/2).
        r1_interval: Steps between R1 penalties; each counts for all of them.
        is_relativistic: Real and generated logits are compared pairwise in D_x.
        predictor_updates: Updates of the predictors a step.
        predictor_images: Further images a step, over the batch, whose codes are inferred for the predictors alone.
    """

    condition_weight: float = 1.0
    dual_weight: float = 0.3
    align_weight: float = 0.1
    match_weight: float = 0.1
    image_cycle_weight: float = 20.0
    code_cycle_weight: float = 1.0
    aggregate_weight: float = 1.0
    grl_weight: float = 1.0
    independence_weight: float = 0.0
    self_weight: float = 0.5
    self_margin: float = 0.5
    prior_kl_weight: float = 0.001
    style_kl_weight: float = 0.003
    swap_share: float = 0.5
    r1_gamma: float = 0.1
    r1_interval: int = 16
    is_relativistic: bool = False
    predictor_updates: int = 4
    predictor_images: float = 3.0

    @property
    def reads_images(self) -> bool:
        """Whether any term takes the codes of real images; if not, the encoder is shown none."""
        return any((
            self.dual_weight, self.align_weight, self.match_weight, self.image_cycle_weight, self.aggregate_weight,
            self.grl_weight, self.independence_weight, self.self_weight, self.style_kl_weight, self.swap_share,
        ))  # fmt: skip


@dataclass(frozen=True)
class TrainOptions:
    """How a model is trained; what it is trained on is `data.prepared.DataOptions`.

    Attributes:
        method: What is trained, one of `METHODS`.
        model: The networks' shape.
        objective: The terms' weights, before the method switches some off.
        kimg: Budget in thousands of images seen; None: until the validation measure stops improving, or `hours`.
        hours: Budget in hours of the run, over all commands that go on with it; None: no limit.
        tick_kimg: Thousands of images between two ticks (stats, grid, checkpoint, validation measure).
        patience: Ticks without a better validation measure before an unlimited run stops.
        batch_size: Images a step, of all processes together.
        learning_rate: Of all networks.
        discriminator_rate: The discriminator's learning rate over that of the others.
        predictor_rate: The predictors' learning rate over that of the others.
        warm_up_kimg: Linear rise of the learning rate at the start.
        hold_kimg: With `--init`, how long the discriminator learns alone before the taken networks move.
        decay_share: Last share of a budget over which the learning rate falls linearly to a twentieth.
        ema_kimg: Half-life of the averaged weights.
        symmetry: Which mirrored and turned images are as real as the upright ones: `none`, `flip` or `dihedral`; None:
            what is known of the data set, else `none`.
        augment: `ada` (adaptive, against memorising small sets) or `none`.
        augment_target: Mean sign of D_x on real images above which augmentation rises; 0.6: it calls 80 % real.
        balance: Class exponent of the sampling weights n^-balance; None: 0.7 where the largest class is over four times
            the smallest, else 0.
        missing_share: Probability with which each attribute but the label is made missing.
        fit_prior: Whether the content prior that is saved is fitted to the contents of training images. Where samples
            are called right much more often than real images, it makes them as varied; where even real images hardly
            tell their label, it blurs labels.
        precision: `bf16`, `fp32`, or `auto` (what some steps are faster with when the run begins; it then stays).
        seed: Of everything random.
        split_seed: Of the split, where the set has none of its own: models of several seeds then share it; None: seed.
    """

    method: str = "drai"
    model: ModelConfig = ModelConfig()
    objective: Objective = Objective()
    kimg: float | None = None
    hours: float | None = None
    tick_kimg: float = 20.0
    patience: int = 12
    batch_size: int = 64
    learning_rate: float = 5e-4
    discriminator_rate: float = 1.0
    predictor_rate: float = 2.0
    warm_up_kimg: float = 2.0
    hold_kimg: float = 4.0
    decay_share: float = 0.4
    ema_kimg: float = 8.0
    symmetry: Literal["none", "flip", "dihedral"] | None = None
    augment: Literal["ada", "none"] = "ada"
    augment_target: float = 0.6
    balance: float | None = None
    missing_share: float = 0.15
    fit_prior: bool = False
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0
    split_seed: int | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def check(self) -> None:
        """Whether every number is in its range.

        Raises:
            UsageError: Naming the first that is not.
        """
        for owner, ranges in ((self, TRAIN_RANGES), (self.objective, OBJECTIVE_RANGES)):
            for name, (low, high) in ranges.items():
                value = getattr(owner, name)
                if value is not None and not low <= value <= high:
                    limits = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
                    raise UsageError(f"--{name.replace('_', '-')} {value:g}", f"expected a number {limits}")


@dataclass(frozen=True)
class Chosen:
    """What a run takes from the device it began on; it stays, so that the run resumes exactly.

    Attributes:
        batch_size: Images a step, of all processes together.
        precision: Arithmetic of the step.
    """

    batch_size: int
    precision: Arithmetic


TRAIN_RANGES: dict[str, tuple[float, float]] = {
    "kimg": (0.001, math.inf), "hours": (0.0001, math.inf), "tick_kimg": (0.001, math.inf), "patience": (1, math.inf),
    "batch_size": (2, 65536), "learning_rate": (1e-9, 1), "discriminator_rate": (1e-6, 1e6),
    "predictor_rate": (1e-6, 1e6), "warm_up_kimg": (0, math.inf), "hold_kimg": (0, math.inf), "decay_share": (0, 1),
    "ema_kimg": (0.001, math.inf), "augment_target": (-1, 1), "balance": (0, 1), "missing_share": (0, 1),
}  # fmt: skip
OBJECTIVE_RANGES: dict[str, tuple[float, float]] = {
    **{f.name: (0.0, math.inf) for f in fields(Objective) if f.name.endswith("_weight")},
    "swap_share": (0, 0.9), "self_margin": (-1, 1), "r1_gamma": (0, math.inf), "r1_interval": (1, math.inf),
    "predictor_updates": (1, 100), "predictor_images": (0, 100),
}  # fmt: skip


def check_image_size(size: int) -> None:
    """Whether networks can be made for images of that side.

    Raises:
        UsageError: It is no multiple of 16, too small or too large.
    """
    if size % 16 or not 16 <= size <= 1024:
        nearest = min(1024, max(16, round(size / 16) * 16))
        raise UsageError(
            f"--size {size}", "expected a multiple of 16 from 16 to 1024", f"for example --size {nearest}"
        )
