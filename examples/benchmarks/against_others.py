"""Compares sampling and training speed with a StyleGAN2 and a diffusion model, in one run.

    pip install --no-deps stylegan2-pytorch==1.9.0 diffusers==0.42.1 einops kornia kornia_rs
    pip install regex requests importlib_metadata tqdm
    python examples/benchmarks/against_others.py

All generate colour images of the preset's size with generators of similar numbers of parameters. Each uses its best
batch size and precision of those tried (float32 and bfloat16, channels last or not), without writing files. The
diffusion model takes 50 DDIM steps per image. Rounds alternate, so that other load on the machine affects all of them.
Prints medians of images per second, and their ratios to drai's.

Differences: drai is conditional and its step also trains an encoder and a content prior; StyleGAN2's step is that of
stylegan2-pytorch's Trainer (hinge loss, gradient penalty every 4 steps, path length every 32, style mixing, averages),
without its loader and augmentation. Quality is not compared: none of the models is trained.

stylegan2-pytorch imports torchvision and other packages, and requires CUDA, for its command line and for options that
are not used here. They are replaced by stand-ins while it is imported.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from train_speed import make_training, model_of

from drai_cli.model.generator import Generator
from drai_cli.settings.presets import PRESETS

_PRECISIONS = (torch.float32, torch.bfloat16)
_DDIM_STEPS = 50


def size_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def arithmetic(dtype: torch.dtype) -> Iterator[None]:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        yield


def nearest_in_size(make: Callable[[int], nn.Module], widths: range, target: int) -> nn.Module:
    """The module whose number of parameters is nearest to the target."""
    return make(min(widths, key=lambda width: abs(size_of(make(width)) - target)))


def import_stylegan2() -> Any:
    names = ("torchvision", "torchvision.transforms", "fire", "aim", "vector_quantize_pytorch")
    stand_ins: dict[str, Any] = {name: ModuleType(name) for name in names}
    stand_ins["torchvision"].transforms = stand_ins["torchvision.transforms"]
    stand_ins["vector_quantize_pytorch"].VectorQuantize = None
    with mock.patch.dict(sys.modules, stand_ins), mock.patch("torch.cuda.is_available", return_value=True):
        from stylegan2_pytorch import stylegan2_pytorch as package
    return package


class StyleGan2:
    """stylegan2-pytorch's networks and the updates of its Trainer, on the CPU."""

    def __init__(self, package: Any, size: int, capacity: int, latent_dim: int = 512) -> None:
        self.package, self.size, self.latent_dim = package, size, latent_dim
        with mock.patch.object(nn.Module, "cuda", lambda module, *_: module):
            self.gan = package.StyleGAN2(size, latent_dim=latent_dim, network_capacity=capacity)
        self.path_length: float | None = None
        self.steps = 0

    def styles(self, n: int, is_mixed: bool = False) -> Tensor:
        layers = self.gan.G.num_layers
        first = int(torch.randint(layers, ())) if is_mixed else layers
        parts = [(torch.randn(n, self.latent_dim), count) for count in (first, layers - first) if count]
        out: Tensor = self.package.styles_def_to_tensor(self.package.latent_to_w(self.gan.S, parts))
        return out

    def noise(self, n: int) -> Tensor:
        return torch.rand(n, self.size, self.size, 1)

    def sample(self, n: int) -> Tensor:
        out: Tensor = self.gan.GE(self.styles(n), self.noise(n))
        return out

    def step(self, images: Tensor, dtype: torch.dtype) -> None:
        """One update of the discriminator and one of the generator."""
        gan, package, n = self.gan, self.package, len(images)
        has_penalty, has_path = self.steps % 4 == 0, self.steps % 32 == 0
        with arithmetic(dtype), torch.no_grad():
            fake = gan.G(self.styles(n, self.steps % 10 > 0), self.noise(n))
        fake, real = fake.float().requires_grad_(has_penalty), images.clone().requires_grad_(has_penalty)
        with arithmetic(dtype):
            said_fake, said_real = gan.D(fake)[0], gan.D(real)[0]
        loss = package.hinge_loss(said_fake.float(), said_real.float())
        if has_penalty:
            loss = (
                loss + package.gradient_penalty(real, said_real) + package.gradient_penalty(fake, said_fake)
            )
        gan.D_opt.zero_grad()
        loss.backward()
        gan.D_opt.step()
        with arithmetic(dtype):
            styles = self.styles(n, self.steps % 10 > 0)
            made = gan.G(styles, self.noise(n))
            loss = gan.D(made)[0].float().mean()
        if has_path:
            lengths = package.calc_pl_lengths(styles, made)
            if self.path_length is not None:
                loss = loss + ((lengths - self.path_length) ** 2).mean()
            self.path_length = float(lengths.mean())
        gan.G_opt.zero_grad()
        loss.backward()
        gan.G_opt.step()
        gan.EMA()
        self.steps += 1


class Diffusion:
    """A diffusers DDPM's network, sampled by DDIM."""

    def __init__(self, size: int, parameters: int) -> None:
        from diffusers import DDIMScheduler, UNet2DModel

        def make(width: int) -> nn.Module:
            return UNet2DModel(
                sample_size=size, block_out_channels=(width, 2 * width, 2 * width, 2 * width),
                down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
                norm_num_groups=8,
            )  # fmt: skip

        self.size, self.network = size, nearest_in_size(make, range(8, 65, 8), parameters)
        self.scheduler = DDIMScheduler()
        self.scheduler.set_timesteps(_DDIM_STEPS)

    def sample(self, n: int) -> Tensor:
        images = torch.randn(n, 3, self.size, self.size)
        for moment in self.scheduler.timesteps:
            images = self.scheduler.step(self.network(images, moment).sample, moment, images).prev_sample
        return images


def rate(run: Callable[[], object], images: int) -> float:
    """Images a second of one call."""
    begin = time.perf_counter()
    run()
    return images / (time.perf_counter() - begin)


def best(settings: dict[str, tuple[Callable[[], object], int]]) -> tuple[str, Callable[[], object], int]:
    """The fastest of some settings, each warmed up once."""
    rates = {}
    for name, (run, images) in settings.items():
        run()
        rates[name] = max(rate(run, images) for _ in range(2))
    name = max(rates, key=lambda key: rates[key])
    return name, *settings[name]


def sampling(
    module: nn.Module, draw: Callable[[int], Tensor], batches: tuple[int, ...]
) -> dict[str, tuple[Callable[[], object], int]]:
    """A module's settings to try: name to what runs and how many images it makes."""
    module.eval()

    def run(batch: int, dtype: torch.dtype, layout: torch.memory_format) -> None:
        module.to(memory_format=layout)  # type: ignore[call-overload]
        with torch.inference_mode(), arithmetic(dtype):
            draw(batch)

    return {
        f"batch {batch}, {str(dtype)[6:]}, {str(layout)[6:]}": (partial(run, batch, dtype, layout), batch)
        for batch in batches
        for dtype in _PRECISIONS
        for layout in (torch.contiguous_format, torch.channels_last)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="64px", choices=tuple(PRESETS))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(0)
    model = model_of(given.preset)
    size = model.image_size
    generator = Generator(model)
    package = import_stylegan2()

    def style_gan(capacity: int) -> nn.Module:
        gan = StyleGan2(package, size, capacity, latent_dim=128).gan
        return nn.ModuleList([gan.G, gan.S])

    capacity = min(range(1, 17), key=lambda c: abs(size_of(style_gan(c)) - size_of(generator)))
    style_gan2, diffusion = (
        StyleGan2(package, size, capacity, latent_dim=128),
        Diffusion(size, size_of(generator)),
    )

    def draw(n: int) -> Tensor:
        out: Tensor = generator(torch.randn(n, model.content_dim), torch.randn(n, model.style_dim))
        return out

    print(f"{given.preset}, {torch.get_num_threads()} threads")
    print("sampling                     parameters   images/s   of drai's   at")
    measure(
        {
            "drai": (size_of(generator), sampling(generator, draw, (16, 32, 64))),
            "StyleGAN2": (
                size_of(style_gan2.gan.G) + size_of(style_gan2.gan.S),
                sampling(style_gan2.gan.GE, style_gan2.sample, (16, 32, 64)),
            ),
            f"DDIM, {_DDIM_STEPS} steps": (
                size_of(diffusion.network),
                sampling(diffusion.network, diffusion.sample, (8,)),
            ),
        },
        given.rounds,
    )
    step, training = make_training(given.preset, torch.device("cpu"))
    batch = training.options.batch_size
    images = torch.rand(batch, 3, size, size) * 2 - 1
    numbers = iter(range(1 << 30))

    def other_steps(dtype: torch.dtype) -> None:
        for _ in range(32):
            style_gan2.step(images, dtype)

    def own_steps() -> None:
        for _ in range(32):
            step(next(numbers))

    print(f"training, batch {batch}             parameters   images/s   of drai's   at")
    networks = size_of(training.state.networks) + size_of(training.state.adversaries)
    measure(
        {
            "drai": (networks, {"auto": (own_steps, 32 * batch)}),
            "StyleGAN2": (
                sum(size_of(part) for part in (style_gan2.gan.G, style_gan2.gan.S, style_gan2.gan.D)),
                {str(dtype)[6:]: (partial(other_steps, dtype), 32 * batch) for dtype in _PRECISIONS},
            ),
        },
        given.rounds,
    )


def measure(
    contenders: dict[str, tuple[int, dict[str, tuple[Callable[[], object], int]]]], rounds: int
) -> None:
    """Prints a line for each: its parameters, its rate at its best settings, and the ratio to the first's."""
    chosen = {name: best(settings) for name, (_, settings) in contenders.items()}
    rates: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(rounds):
        for name, (_, run, images) in chosen.items():
            rates[name].append(rate(run, images))
    middle = {name: statistics.median(found) for name, found in rates.items()}
    first = next(iter(middle.values()))
    for name, found in middle.items():
        parameters = contenders[name][0]
        print(
            f"{name:28} {parameters:10,} {found:10.2f} {found / first:11.3f}   {chosen[name][0]}", flush=True
        )


if __name__ == "__main__":
    main()
