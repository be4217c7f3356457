"""The forward pass of a step: codes of real images, codes to generate from, and the images of both."""

from __future__ import annotations

import torch
from torch import Tensor

from drai_cli.model.encoder import Encoder
from drai_cli.model.gaussian import Gaussian
from drai_cli.settings.methods import reads_images
from drai_cli.training.augment import change
from drai_cli.training.draws import draw_normal
from drai_cli.training.gathering import generate, infer_codes
from drai_cli.training.passes import Batch, Inferred, Passes, StepPlan
from drai_cli.training.state import TrainingState


def forward(state: TrainingState, batch: Batch, plan: StepPlan) -> Passes:
    """Runs encoder, content prior and generator once. Codes of real images are inferred only if a term uses them."""
    networks, objective = state.networks, plan.objective
    n, own = len(batch), len(batch.images)
    # (ĉ, ẑ) from E(x)
    real = None
    if reads_images(objective) and networks.encoder is not None:
        real = infer(networks.encoder, batch, plan)
    # c ~ p(c|t), z ~ N(0, I)
    prior = networks.content_prior(batch.drawn_condition)
    content = prior.sample(_noise(batch, *prior.mean.shape))
    style = _noise(batch, n, networks.generator.style_dim)
    condition, from_prior = batch.drawn_condition, n
    if real is not None and real.content is not None:
        # The other rows are swaps, as the model is used later: one row's content with another's style, both means.
        # Their label is that of the content, whatever the style.
        from_prior = n - round(n * objective.swap_share)
        content = torch.cat([content[:from_prior], real.content.mean.detach()[from_prior:]])
        style = torch.cat([style[:from_prior], real.style.mean.detach()[from_prior:].roll(1, 0)])
        condition = torch.cat([condition[:from_prior], batch.condition[from_prior:]])
    # x̃ = G(c, z), and G(ĉ, ẑ)
    contents, styles = [content], [style]
    if objective.image_cycle_weight and real is not None:
        # Half of the reconstructions use the means, as the model is used later: the generator must know them too.
        half = n // 2
        if real.content is not None and real.drawn_content is not None:
            contents.append(torch.cat([real.drawn_content[:half], real.content.mean[half:]]))
        else:
            contents.append(networks.content_prior(batch.known_condition).mean)
        styles.append(torch.cat([real.drawn_style[:half], real.style.mean[half:]]))
    # Grain is noise, so a reconstruction has none: the codes cannot know that of the image.
    side = networks.generator.grain_side
    grain = _noise(batch, n, 1, side, side) if side else None
    made = generate(networks.generator, contents, styles, plan, grain)
    reconstructed = made[own:] if len(made) > own else None
    return Passes(real, prior, condition, content, style, from_prior, made[:own], reconstructed)


def infer(encoder: Encoder, batch: Batch, plan: StepPlan) -> Inferred:
    """Infers the codes of the images and, for V_self, of their transformed copies."""
    n, segments = len(batch), 1
    images = plan.intensities(batch.images)
    if plan.objective.self_weight:
        changed = change(images, plan.changes, batch.generator, share=plan.processes.share_of(n))
        images = torch.cat([images, changed]).contiguous(memory_format=torch.channels_last)
        segments = 2
    both_contents, both_styles = infer_codes(encoder, images, plan, n, segments)
    content, changed_content = (None, None) if both_contents is None else _halves(both_contents, n)
    style, changed_style = _halves(both_styles, n)
    drawn_content = None if content is None else content.sample(_noise(batch, *content.mean.shape))
    drawn_style = style.sample(_noise(batch, *style.mean.shape))
    return Inferred(content, style, changed_content, changed_style, drawn_content, drawn_style)


def _halves(codes: Gaussian, n: int) -> tuple[Gaussian, Gaussian | None]:
    """The first `n` rows and the rest; None if there is no rest."""
    if len(codes.mean) == n:
        return codes, None
    return Gaussian(codes.mean[:n], codes.log_variance[:n]), Gaussian(codes.mean[n:], codes.log_variance[n:])


def _noise(batch: Batch, *shape: int) -> Tensor:
    """Draws from N(0, I) by the batch's generator."""
    return draw_normal(batch.generator, *shape).to(batch.condition.device)
