"""Transformations: exact where they should be, seeded, in range and differentiable."""

from __future__ import annotations

import pytest
import torch

from drai_cli.training.augment import Changes, change, cut_out, orient
from drai_cli.training.draws import make_generator


def picture(n: int = 6) -> torch.Tensor:
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8


def test_a_generator_follows_from_its_numbers() -> None:
    assert torch.equal(
        torch.rand(4, generator=make_generator(1, 2)), torch.rand(4, generator=make_generator(1, 2))
    )
    assert not torch.equal(
        torch.rand(4, generator=make_generator(1, 2)), torch.rand(4, generator=make_generator(2, 1))
    )


def test_no_change_is_no_change() -> None:
    images = picture()
    still = change(images, Changes("none", 0.0, 0.0, 0.0, 0.0, 0.0), make_generator(0))
    assert torch.allclose(still, images, atol=1e-5)
    assert torch.allclose(
        change(images, Changes("dihedral"), make_generator(0), probability=0.0), images, atol=1e-5
    )


@pytest.mark.parametrize(("symmetry", "count"), [("none", 1), ("flip", 2), ("dihedral", 8)])
def test_orient_gives_each_member_of_its_group_exactly(symmetry, count) -> None:
    image = picture(1)
    made = orient(image.expand(400, -1, -1, -1), symmetry, make_generator(3))
    different = {tuple(one.flatten().tolist()) for one in made}
    assert len(different) == count
    for one in made[:20]:
        assert torch.equal(one.flatten().sort().values, image.flatten().sort().values)


def test_brightness_leaves_black_black() -> None:
    black = -torch.ones(3, 1, 16, 16)
    assert torch.allclose(
        change(black, Changes("none", brightness=0.5, contrast=0.0), make_generator(2)), black, atol=1e-6
    )


def test_change_lets_the_gradient_through_and_stays_finite() -> None:
    images = picture().requires_grad_()
    change(images, Changes("flip"), make_generator(5)).sum().backward()
    assert images.grad is not None
    assert bool((images.grad != 0).any())


def test_cut_out_blanks_a_square_of_the_chosen_images() -> None:
    images = torch.ones(500, 1, 20, 20)
    holes = (cut_out(images, 0.4, make_generator(7), 0.5) == 0).flatten(1).sum(1)
    assert 0.4 < float((holes > 0).float().mean()) < 0.6
    assert int(holes.max()) <= 81
