"""What can be set, as frozen dataclasses with their defaults. Standard library only; presets and flags override."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from drai_cli.errors import UsageError
from drai_cli.settings.typed import read_settings, setting

Arithmetic = Literal["bf16", "fp32"]
IMAGE_SIZES = (16, 1024)
"""Smallest and largest side of images that networks are made for."""


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

    image_size: int = setting(64, 1, 4096)
    image_channels: int = setting(3, 1, 4096)
    content_dim: int = setting(16, 1, 4096)
    style_dim: int = setting(32, 1, 4096)
    channels: int = setting(64, 1, 4096, flag="--base-channels")
    max_channels: int = setting(128, 1, 4096)
    blocks: int = setting(1, 1, 4096)
    pools_content: bool = setting(False, older=False)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModelConfig:
        """Reads `to_json` of this or an older version; raises ValueError on anything else."""
        config: ModelConfig = read_settings(cls, data)
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

    condition_weight: float = setting(1.0, 0)
    dual_weight: float = setting(0.3, 0)
    align_weight: float = setting(0.1, 0)
    match_weight: float = setting(0.1, 0)
    image_cycle_weight: float = setting(20.0, 0)
    code_cycle_weight: float = setting(1.0, 0)
    aggregate_weight: float = setting(1.0, 0)
    grl_weight: float = setting(1.0, 0)
    independence_weight: float = setting(0.0, 0)
    self_weight: float = setting(0.5, 0)
    self_margin: float = setting(0.5, -1, 1)
    prior_kl_weight: float = setting(0.001, 0)
    style_kl_weight: float = setting(0.003, 0)
    swap_share: float = setting(0.5, 0, 0.9)
    r1_gamma: float = setting(0.1, 0)
    r1_interval: int = setting(16, 1)
    is_relativistic: bool = False
    predictor_updates: int = setting(4, 1, 100)
    predictor_images: float = setting(3.0, 0, 100)

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
    kimg: float | None = setting(None, 0.001)
    hours: float | None = setting(None, 0.0001)
    tick_kimg: float = setting(20.0, 0.001)
    patience: int = setting(12, 1)
    batch_size: int = setting(64, 2, 65536)
    learning_rate: float = setting(5e-4, 1e-9, 1)
    discriminator_rate: float = setting(1.0, 1e-6, 1e6)
    predictor_rate: float = setting(2.0, 1e-6, 1e6)
    warm_up_kimg: float = setting(2.0, 0)
    hold_kimg: float = setting(4.0, 0)
    decay_share: float = setting(0.4, 0, 1)
    ema_kimg: float = setting(8.0, 0.001)
    symmetry: Literal["none", "flip", "dihedral"] | None = None
    augment: Literal["ada", "none"] = "ada"
    augment_target: float = setting(0.6, -1, 1)
    balance: float | None = setting(None, 0, 1)
    missing_share: float = setting(0.15, 0, 1)
    fit_prior: bool = False
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = setting(0, 0)
    split_seed: int | None = setting(None, 0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Chosen:
    """What a run takes from the device it began on; it stays, so that the run resumes exactly.

    Attributes:
        batch_size: Images a step, of all processes together.
        precision: Arithmetic of the step.
    """

    batch_size: int
    precision: Arithmetic


def check_image_size(size: int) -> None:
    """Whether networks can be made for images of that side.

    Raises:
        UsageError: It is no multiple of 16, too small or too large.
    """
    low, high = IMAGE_SIZES
    if size % 16 or not low <= size <= high:
        nearest = min(high, max(low, round(size / 16) * 16))
        expected = f"expected a multiple of 16 from {low} to {high}"
        raise UsageError(f"--size {size}", expected, f"for example --size {nearest}")
