"""Settings of models and training, as frozen dataclasses with defaults that presets and options override."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from drai_cli.errors import UsageError
from drai_cli.settings.typed import MAX_SEED, read_settings, setting

Arithmetic = Literal["bf16", "fp32"]
REMOVED = {"training.augment_target": 0.6, "training.objective.self_margin": 0.5}
"""Settings that the `config.json` of older runs holds, with the values that are fixed now."""
IMAGE_SIZES = (16, 1024)
"""Smallest and largest side of images that networks are made for."""


@dataclass(frozen=True)
class ModelConfig:
    """The networks' shape. Every model file holds it; with the condition's width, a model can be rebuilt from it.

    Attributes:
        image_size: Height and width in pixels, a multiple of 16.
        image_channels: 1 (grey) or 3 (RGB).
        content_dim: Dimensions of the content code.
        style_dim: Dimensions of the style code.
        channels: Channels at half the image resolution, after a space-to-depth stem; the number doubles each time the
            resolution halves.
        max_channels: Maximum number of channels at any resolution.
        blocks: Residual blocks at each resolution.
        pools_content: Compute the content code from features averaged over the whole image, so that it does not depend
            on positions. This reduces overfitting on photographs. The style code always depends on positions.
        grain: Noise inputs in the generator: add noise of learned strength at every resolution, for fine texture such
            as grain and hairs. Only samples use it: reconstructions, swaps and interpolations depend on the codes
            alone.
        mask_channels: 0 to 8 masks, which are made with the image.
    """

    image_size: int = setting(64, 1, 4096)
    image_channels: int = setting(3, 1, 4096)
    content_dim: int = setting(16, 1, 4096)
    style_dim: int = setting(32, 1, 4096)
    channels: int = setting(64, 1, 4096, flag="--base-channels")
    max_channels: int = setting(128, 1, 4096)
    blocks: int = setting(1, 1, 4096)
    pools_content: bool = setting(False, older=False)
    grain: bool = setting(False, older=False)
    mask_channels: int = setting(0, 0, 8, older=0)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModelConfig:
        """Reads `to_json` of this or an older version; raises ValueError on anything else."""
        config: ModelConfig = read_settings(cls, data)
        if config.image_size % 16 or config.image_channels not in (1, 3):
            raise ValueError(f"image of {config.image_size} px and {config.image_channels} channels")
        return config

    def to_json(self) -> dict[str, Any]:
        """As plain data; without masks nothing is said of them, as in files of older versions."""
        entries = asdict(self)
        if not self.mask_channels:
            del entries["mask_channels"]
        return entries


@dataclass(frozen=True)
class Objective:
    """The weight of every term of `reference/method.md`; a term with weight 0 is switched off and not computed.

    Which terms a method has is declared in `methods`.

    Attributes:
        condition_weight: Weight of V_cond, the matching-aware conditional GAN loss.
        dual_weight: Weight of V_dual, the two adversarial losses on pairs of image and code.
        align_weight: Weight of V_align, KL(q(c|x) ‖ p(c|t)), which matches inferred content to the content prior.
        match_weight: Weight of the discriminative part of V_align: the cross entropy of finding an image's condition
            among all conditions of the batch, given its content code.
        image_cycle_weight: Weight of the image reconstruction loss: mean absolute difference at three resolutions.
        code_cycle_weight: Weight of the code reconstruction loss: mean squared difference between drawn codes and those
            inferred from their images.
        aggregate_weight: Weight of V_aggregate, which matches the codes of all images to their priors (methods cavae
            and dual-cavae).
        grl_weight: Weight of V_grl: predictors learn to predict each code from the other; gradient reversal trains the
            encoder to make this impossible.
        features_weight: Weight of the projected discriminator: further discriminators on features of a frozen network
            (--feature-network), as in Projected GANs (Sauer et al. 2021). Images look realistic after fewer training
            images, but each step takes longer.
        independence_weight: Weight of a penalty on statistical dependence between style and condition within a batch,
            in addition to V_grl. Off by default: the penalty also removes the size of objects from the style code
            (examples/RUNS.md).
        self_weight: Weight of V_self: transforming an image must change its style and not its content.
        prior_kl_weight: Weight of the KL divergence of the content prior from N(0, I).
        style_kl_weight: Weight of the KL divergence of q(z|x) from N(0, I), which fixes the scale of style.
        swap_share: Share of generated images that combine the content of one real image with the style of another; the
            others use codes drawn from the priors. The conditional loss requires each swap to show the label of its
            content image.
        r1_gamma: Strength of the R1 gradient penalty on real images (the loss uses gamma/2).
        r1_interval: Steps between two R1 penalties; each penalty is multiplied by this number.
        is_relativistic: Use the relativistic loss: compare the unconditional logits of real and generated images in
            pairs.
        predictor_updates: Updates of the predictors (of V_grl) per step.
        predictor_images: Additional images per step for training the predictors only, as a multiple of the batch size.
    """

    condition_weight: float = setting(1.0, 0)
    dual_weight: float = setting(0.3, 0)
    align_weight: float = setting(0.1, 0)
    match_weight: float = setting(0.1, 0)
    image_cycle_weight: float = setting(20.0, 0)
    code_cycle_weight: float = setting(1.0, 0)
    aggregate_weight: float = setting(1.0, 0)
    grl_weight: float = setting(1.0, 0)
    features_weight: float = setting(0.0, 0)
    independence_weight: float = setting(0.0, 0)
    self_weight: float = setting(0.5, 0)
    prior_kl_weight: float = setting(0.001, 0)
    style_kl_weight: float = setting(0.003, 0)
    swap_share: float = setting(0.5, 0, 0.9)
    r1_gamma: float = setting(0.1, 0)
    r1_interval: int = setting(16, 1)
    is_relativistic: bool = False
    predictor_updates: int = setting(4, 1, 100)
    predictor_images: float = setting(3.0, 0, 100)


@dataclass(frozen=True)
class TrainOptions:
    """How a model is trained; what it is trained on is in `DataOptions`.

    Attributes:
        method: Method to train, one of `METHODS`.
        model: The networks' shape.
        objective: The terms' weights, before the method switches some off.
        kimg: Length of the training in thousands of images shown to the networks. An image counts each time it is
            shown: with 5,000 training images, `--kimg 50` shows each one ten times. Without --kimg and --hours,
            training ends when the validation measure stops improving.
        hours: Length of the training in hours; if the run was resumed, the sum over all commands; None: no limit.
        tick_kimg: Thousands of images between two ticks. Each tick writes statistics, a sample grid, a checkpoint and
            the validation measure.
        patience: Without --kimg and --hours: number of ticks without improvement of the validation measure after which
            the run ends.
        batch_size: Images per step, summed over all processes.
        learning_rate: Base learning rate of all networks.
        discriminator_rate: Learning rate of the discriminator, as a multiple of the base learning rate.
        predictor_rate: Learning rate of the predictors, as a multiple of the base learning rate.
        warm_up_kimg: Thousands of images over which the learning rate rises linearly from 0 at the start.
        hold_kimg: With --init: thousands of images during which generator, encoder and content prior stay unchanged
            while the new discriminator learns; at most a tenth of the budget.
        decay_share: With --kimg or --hours: fraction of the run, at its end, over which the learning rates fall
            linearly to 5 %. The learning rate of the predictors stays constant.
        ema_kimg: Half-life of the moving average of the weights (EMA), in thousands of images; shorter at the start of
            a run.
        symmetry: Flips and rotations that keep images plausible: none, flip (mirroring), or dihedral (mirroring and
            rotation by multiples of 90°); None: dihedral for ham10000, otherwise none.
        augment: Random changes of the images that the discriminator sees: ada (adaptive: the more the discriminator
            overfits, the more often they are applied) or none.
        balance: Class balancing: an image of a class with n images is drawn with weight n^-balance (0 = as in the data,
            1 = all classes equally often); None: 0.7 if the largest class is more than four times the smallest,
            otherwise 0.
        missing_share: Probability with which each attribute except the label is hidden during training.
        fit_prior: Refit the content prior to the training images whenever a snapshot is saved, so that samples of a
            label vary as much as its training images. Use it if samples are too typical, that is, if a classifier
            trained on real images labels samples correctly far more often than real images. Do not use it if that
            classifier is poor on real images: samples of different labels then become too similar.
        precision: Arithmetic of the training steps: bf16, fp32, or auto (bf16 if the hardware supports it); a resumed
            run keeps its precision.
        seed: Random seed.
        split_seed: Random seed of the split, for data sets without a split of their own; runs with different seeds can
            share one split; None: the value of --seed.
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
    discriminator_rate: float = setting(1.0, 1e-6, 1_000_000)
    predictor_rate: float = setting(2.0, 1e-6, 1_000_000)
    warm_up_kimg: float = setting(2.0, 0)
    hold_kimg: float = setting(4.0, 0)
    decay_share: float = setting(0.4, 0, 1)
    ema_kimg: float = setting(8.0, 0.001)
    symmetry: Literal["none", "flip", "dihedral"] | None = None
    augment: Literal["ada", "none"] = "ada"
    balance: float | None = setting(None, 0, 1)
    missing_share: float = setting(0.15, 0, 1)
    fit_prior: bool = False
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = setting(0, 0, MAX_SEED)
    split_seed: int | None = setting(None, 0, MAX_SEED)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "model": self.model.to_json()}


@dataclass(frozen=True)
class Chosen:
    """What a run decides by the device it starts on, and keeps, so that it resumes exactly.

    Attributes:
        batch_size: Images per step, summed over all processes.
        precision: Arithmetic of the step.
    """

    batch_size: int
    precision: Arithmetic


def check_image_size(size: int) -> None:
    """Checks that networks can be made for images with this side.

    Raises:
        UsageError: It is not a multiple of 16, too small or too large.
    """
    low, high = IMAGE_SIZES
    if size % 16 or not low <= size <= high:
        nearest = min(high, max(low, round(size / 16) * 16))
        expected = f"expected a multiple of 16 from {low} to {high}"
        raise UsageError(f"--size {size}", expected, f"for example --size {nearest}")
