"""The table of methods: coherent, and what the reference says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drai_cli.settings.config import Objective, TrainOptions
from drai_cli.settings.methods import DEFAULT, METHODS, TERMS, Method, objective_of, reads_images

REFERENCE = Path(__file__).parents[2] / "drai_cli/reference/commands.md"


def test_the_default_is_the_trainers() -> None:
    assert METHODS[TrainOptions().method] is DEFAULT


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_terms_it_names_at_the_users_weights(name: str) -> None:
    method = METHODS[name]
    every = Objective(**{f"{term}_weight": 0.25 for term in TERMS})
    found = objective_of(name, every)
    on = {term for term in TERMS if getattr(found, f"{term}_weight")}
    assert on == set(method.terms)
    assert all(getattr(found, f"{term}_weight") == 0.25 for term in on)
    assert found.r1_gamma == every.r1_gamma


def test_what_the_first_four_methods_are_has_not_changed() -> None:
    own = Objective()
    off = {"aggregate_weight": 0.0}
    assert objective_of("drai", own) == replace(own, **off)
    assert objective_of("dai-grl", own) == replace(own, self_weight=0.0, **off)
    assert objective_of("dai-self", own) == replace(own, grl_weight=0.0, independence_weight=0.0, **off)
    assert objective_of("dai", own) == replace(objective_of("dai-self", own), self_weight=0.0)


def test_only_methods_with_codes_of_real_images_show_them_to_the_encoder() -> None:
    reading = {name for name in METHODS if reads_images(objective_of(name, Objective()))}
    assert reading == {"drai", "dai-grl", "dai-self", "dai", "cavae", "dual-cavae"}


@pytest.mark.parametrize(
    ("terms", "options", "words"),
    [
        (("gravity",), {}, "no such terms"),
        (("condition", "grl"), {"infers": ("style",)}, "'grl'"),
        (("condition", "code_cycle"), {"infers": ()}, "'code_cycle'"),
        (("condition", "prior_kl"), {"content": "fixed"}, "prior_kl"),
        (("condition",), {"infers": ("content",)}, "no encoder infers"),
    ],
)
def test_a_method_that_cannot_be_is_refused(terms, options, words) -> None:
    with pytest.raises(ValueError, match=words):
        Method("", terms, **options)


@pytest.mark.parametrize("name", METHODS)
def test_the_reference_lists_every_method(name: str) -> None:
    assert f"| `{name}` | {METHODS[name].summary} |" in REFERENCE.read_text(encoding="utf-8")
