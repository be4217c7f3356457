"""Trains what a user would pick instead, on the same images for the same time: a StyleGAN2 or a diffusion model.

    pip install --no-deps stylegan2-pytorch==1.9.0 diffusers==0.42.1 einops kornia kornia_rs
    pip install regex requests importlib_metadata tqdm
    python examples/benchmarks/train_others.py diffusion --data HAM10000 --minutes 20 47 --out runs/diffusion
    python examples/benchmarks/train_others.py stylegan2 --data HAM10000 --minutes 20 47 --out runs/stylegan2
    python examples/benchmarks/judge_others.py --data HAM10000 --features efficientnet-lite0.pth \
        runs/diffusion/*.npz runs/stylegan2/*.npz runs/drai/model.safetensors

Minutes are processor minutes of one thread. After each of them, samples (as many of each label) go to OUT/MINUTES.npz;
the time that drawing them takes is not counted. Images come by drai's own loader, training part only, drawn with the
same weights of labels as `drai train` draws them, and flipped both ways.

- diffusion: diffusers' UNet2DModel with class embeddings, DDPM training (noise predicted), labels dropped in one of ten
  images, AdamW, weights averaged; 25 DDIM steps with classifier-free guidance of 1.5.
- stylegan2: stylegan2-pytorch's networks and losses (hinge, gradient penalty every 4 steps, path length every 32, style
  mixing) with its DiffAugment. It has no labels: here each label adds a fixed random vector to the latent, and the
  discriminator gets the label as further image channels. Weights are averaged at every step.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from against_others import StyleGan2, arithmetic, import_stylegan2, nearest_in_size
from torch import Tensor, nn
from torch.nn import functional as F

from drai_cli.data.prepared import prepare
from drai_cli.settings.data_options import DataOptions
from drai_cli.training.batches import sampling_weights

_DDIM_STEPS, _GUIDANCE = 25, 1.5
_AVERAGE = 8_000  # images in which an averaged weight forgets half of what it was, as in drai
_RAMP = 0.05  # and at most this share of the images seen so far, as StyleGAN2 does


class Contender(Protocol):
    def step(self, images: Tensor, labels: Tensor) -> dict[str, float]: ...

    def sample(self, labels: Tensor) -> Tensor:
        """An image in [-1, 1] for each label."""
        ...


def average(averaged: nn.Module, module: nn.Module, images: int, seen: int) -> None:
    """Moves averaged weights towards the present ones by a batch; faster at first, as weights start at random."""
    half_life = max(images, min(_AVERAGE, _RAMP * seen))
    for mean, now in zip(averaged.parameters(), module.parameters(), strict=True):
        mean.data.lerp_(now.data, 1 - 0.5 ** (images / half_life))


class Diffusion:
    def __init__(self, size: int, labels: int, parameters: int, rate: float) -> None:
        from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

        def make(width: int) -> nn.Module:
            return UNet2DModel(
                sample_size=size, block_out_channels=(width, 2 * width, 2 * width, 4 * width),
                down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
                up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
                layers_per_block=1, norm_num_groups=8, num_class_embeds=labels + 1,
            )  # fmt: skip

        self.size, self.nothing = size, labels
        self.network = nearest_in_size(make, range(8, 65, 8), parameters)
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self.noising, self.denoising = DDPMScheduler(), DDIMScheduler()
        self.denoising.set_timesteps(_DDIM_STEPS)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate)
        self.seen = 0

    def step(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        noise, moments = torch.randn_like(images), torch.randint(1000, (len(images),))
        labels = torch.where(torch.rand(len(labels)) < 0.1, self.nothing, labels)
        with arithmetic(torch.bfloat16):
            said = self.network(self.noising.add_noise(images, noise, moments), moments, class_labels=labels)
        loss = F.mse_loss(said.sample.float(), noise)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.seen += len(images)
        average(self.averaged, self.network, len(images), self.seen)
        return {"noise": loss.item()}

    @torch.inference_mode()
    def sample(self, labels: Tensor) -> Tensor:
        images = torch.randn(len(labels), 3, self.size, self.size)
        twice = torch.cat([labels, torch.full_like(labels, self.nothing)])
        for moment in self.denoising.timesteps:
            with arithmetic(torch.bfloat16):
                said = self.averaged(images.repeat(2, 1, 1, 1), moment, class_labels=twice).sample.float()
            asked, plain = said.chunk(2)
            said = plain + _GUIDANCE * (asked - plain)
            images = self.denoising.step(said, moment, images).prev_sample
        return images


class LabelledStyleGan2(StyleGan2):
    def __init__(self, size: int, labels: int, capacity: int, rate: float) -> None:
        super().__init__(import_stylegan2(), size, capacity, latent_dim=128)
        self.labels = labels
        self.gan.G_opt.param_groups[0]["lr"] = rate
        first = self.gan.D.blocks[0]
        first.conv_res, first.net[0] = (self.wider(conv) for conv in (first.conv_res, first.net[0]))
        self.gan.D_opt = torch.optim.Adam(self.gan.D.parameters(), lr=1.5 * rate, betas=(0.5, 0.9))
        self.vectors = torch.randn(labels, 128)

    def wider(self, conv: nn.Conv2d) -> nn.Conv2d:
        """The same convolution with a further input channel for each label."""
        out = nn.Conv2d(
            conv.in_channels + self.labels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding
        )  # type: ignore[arg-type]
        nn.init.kaiming_normal_(out.weight, a=0, mode="fan_in", nonlinearity="leaky_relu")
        return out

    def latents(self, labels: Tensor, network: nn.Module, is_mixed: bool = False) -> Tensor:
        """(n, layers, 128): the mapped latents of every layer, from two draws if they are mixed."""
        layers = self.gan.G.num_layers
        first = int(torch.randint(layers, ())) if is_mixed else layers
        parts = [
            network(torch.randn(len(labels), 128) + self.vectors[labels])[:, None].expand(-1, count, -1)
            for count in (first, layers - first)
            if count
        ]
        return torch.cat(parts, dim=1)

    def judged(self, images: Tensor, labels: Tensor) -> Tensor:
        """The discriminator's logits; one batch in four is augmented."""
        if torch.rand(()) < 0.25:
            images = self.package.DiffAugment(images, types=["translation", "cutout"])
        planes = F.one_hot(labels, self.labels).float()[:, :, None, None].expand(-1, -1, *images.shape[2:])
        out: Tensor = self.gan.D(torch.cat([images, planes], dim=1))[0]
        return out.float()

    def step(self, images: Tensor, labels: Tensor) -> dict[str, float]:  # type: ignore[override]
        gan, package, n = self.gan, self.package, len(images)
        has_penalty, has_path, is_mixed = (
            self.steps % 4 == 0,
            self.steps % 32 == 0 and self.steps > 2000,
            float(torch.rand(())) < 0.9,
        )
        with arithmetic(torch.bfloat16), torch.no_grad():
            fake = gan.G(self.latents(labels, gan.S, is_mixed), self.noise(n)).float()
        real = images.clone().requires_grad_(has_penalty)
        with arithmetic(torch.bfloat16):
            said_fake, said_real = self.judged(fake, labels), self.judged(real, labels)
        loss = d = (F.relu(1 + said_real) + F.relu(1 - said_fake)).mean()
        if has_penalty:
            loss = loss + package.gradient_penalty(real, said_real)
        gan.D_opt.zero_grad()
        loss.backward()
        gan.D_opt.step()
        with arithmetic(torch.bfloat16):
            styles = self.latents(labels, gan.S, is_mixed)
            made = gan.G(styles, self.noise(n))
            loss = g = self.judged(made, labels).mean()
        if has_path:
            lengths = package.calc_pl_lengths(styles, made)
            if self.path_length is not None:
                loss = loss + ((lengths - self.path_length) ** 2).mean()
            found = lengths.mean().item()
            self.path_length = found if self.path_length is None else 0.99 * self.path_length + 0.01 * found
        gan.G_opt.zero_grad()
        loss.backward()
        gan.G_opt.step()
        self.steps += 1
        average(gan.GE, gan.G, n, self.steps * n)
        average(gan.SE, gan.S, n, self.steps * n)
        return {"d": d.item(), "g": g.item()}

    @torch.inference_mode()
    def sample(self, labels: Tensor) -> Tensor:  # type: ignore[override]
        out: Tensor = self.gan.GE(self.latents(labels, self.gan.SE), self.noise(len(labels)))
        return out.float()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("diffusion", "stylegan2"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--minutes", type=float, nargs="+", default=[20.0, 47.0])
    parser.add_argument("--each", type=int, default=50, help="samples of each label")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, help="learning rate")
    parser.add_argument("--parameters", type=int, default=2_500_000, help="of the diffusion network")
    parser.add_argument("--capacity", type=int, default=6, help="width of the StyleGAN2")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = prepare(DataOptions(given.data, size=given.size), seed=0)
    rows = data.rows("train")
    weights, _ = sampling_weights(data.labels[rows], None)
    random, names = np.random.default_rng(0), data.schema.labels
    contender: Contender = (
        Diffusion(given.size, len(names), given.parameters, given.rate or 3e-4)
        if given.what == "diffusion"
        else LabelledStyleGan2(given.size, len(names), given.capacity, given.rate or 4e-4)
    )
    wanted = torch.arange(len(names)).repeat_interleave(given.each)
    given.out.mkdir(parents=True, exist_ok=True)
    seen, used, terms = 0, 0.0, {}
    for minutes in sorted(given.minutes):
        begin, said = time.process_time() - used, used
        while used < 60 * minutes:
            chosen = random.choice(rows, given.batch, p=weights)
            images = torch.from_numpy(data.images[chosen]).permute(0, 3, 1, 2).float() / 127.5 - 1
            for axis in (2, 3):
                flips = torch.rand(len(images)) < 0.5
                images[flips] = images[flips].flip(axis)
            terms = contender.step(images, torch.from_numpy(data.labels[chosen]))
            seen += given.batch
            used = time.process_time() - begin
            if used > said + 60:
                said = used
                shown = " ".join(f"{name} {value:.3f}" for name, value in terms.items())
                print(
                    f"{used / 60:.1f} min, {seen:,} images, {seen / used:.1f} images/s, {shown}", flush=True
                )
        made = torch.cat([contender.sample(part) for part in wanted.split(50)])
        made = made.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1)
        np.savez(given.out / f"{minutes:g}.npz", images=made.numpy(), labels=wanted.numpy(), images_seen=seen)


if __name__ == "__main__":
    main()
