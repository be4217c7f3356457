"""The methods as data: their codes, terms and settings. Standard library only.

One trainer runs all of them (`reference/method.md`), with the same networks, batches, budget and seeds. A new method
is a new entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from drai_cli.settings.config import Objective

Code = Literal["content", "style"]

# The codes of the encoder that a term uses; terms that are not listed use none.
_READS: dict[str, set[Code]] = {
    "dual": {"content", "style"}, "align": {"content"}, "match": {"content"}, "image_cycle": {"style"},
    "code_cycle": {"style"}, "aggregate": {"style"}, "grl": {"content", "style"}, "independence": {"style"},
    "self": {"content", "style"}, "style_kl": {"style"},
}  # fmt: skip
_READS_GENERATED_ONLY = {"code_cycle"}  # of these, terms that use no codes of real images


@dataclass(frozen=True)
class Method:
    """One method. A term that is not listed is off, whatever its weight.

    Attributes:
        summary: One line, for `--help` and the README.
        terms: Its terms of the objective, each by the name of its weight.
        infers: Codes that the encoder infers from an image; empty: there is no encoder.
        content: Content that the generator gets: `drawn` from p(c|t), or `fixed`: the prior has no deviation, its mean
            mu(t) is an embedding of the condition, and G(t, ·) is G(mu(t), ·).
        settings: Further settings of the objective that it fixes.
    """

    summary: str
    terms: tuple[str, ...]
    infers: tuple[Code, ...] = ("content", "style")
    content: Literal["drawn", "fixed"] = "drawn"
    settings: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.terms) - set(TERMS)
        if unknown:
            raise ValueError(f"no such terms: {sorted(unknown)}")
        blind = [term for term in self.terms if not _READS.get(term, set()) <= set(self.infers)]
        if blind or (self.content == "fixed" and "prior_kl" in self.terms):
            raise ValueError(f"terms of codes that the method does not have: {blind or ['prior_kl']}")
        if self.infers not in ((), ("style",), ("content", "style")):
            raise ValueError(f"no encoder infers {self.infers}")

    @property
    def has_encoder(self) -> bool:
        return bool(self.infers)

    @property
    def infers_content(self) -> bool:
        return "content" in self.infers


TERMS = tuple(f.name.removesuffix("_weight") for f in fields(Objective) if f.name.endswith("_weight"))

_DAI = (
    "condition", "features", "dual", "align", "match", "image_cycle", "code_cycle", "prior_kl", "style_kl",
)  # fmt: skip
_HIDING = ("grl", "independence")
# Images are generated only from priors: training on swaps is what the methods above add.
_NO_SWAPS = {"swap_share": 0.0}

METHODS: dict[str, Method] = {
    "drai": Method("the full objective: dual adversarial inference and both disentanglement constraints",
                   (*_DAI, *_HIDING, "self")),
    "dai-grl": Method("dai and the first constraint: reversed gradients make neither code predictable from the other",
                      (*_DAI, *_HIDING)),
    "dai-self": Method("dai and the second constraint: transforming an image changes its style, not its content",
                       (*_DAI, "self")),
    "dai": Method("dual adversarial inference of content and style, with reconstruction of images and codes", _DAI),
    "cgan": Method("a conditional GAN, G(t, noise), without an encoder: it cannot swap styles",
                   ("condition", "features"), (), "fixed", _NO_SWAPS),
    "cinfogan": Method("G(t, z), with an encoder that learns z only from generated images",
                       ("condition", "features", "code_cycle"), ("style",), "fixed", _NO_SWAPS),
    "dual-cinfogan": Method("G(c, z), with an encoder that learns both codes only from generated images",
                            ("condition", "features", "code_cycle", "prior_kl"), settings=_NO_SWAPS),
    "cavae": Method("a conditional GAN and an adversarial autoencoder: G(t, z) reconstructs images, "
                    "z is matched to its prior",
                    ("condition", "features", "image_cycle", "aggregate"), ("style",), "fixed", _NO_SWAPS),
    "dual-cavae": Method("cavae with a content code: G(c, z) reconstructs images, both are matched to their priors",
                         ("condition", "features", "image_cycle", "aggregate", "prior_kl"), settings=_NO_SWAPS),
}  # fmt: skip
DEFAULT = METHODS["drai"]


def reads_images(objective: Objective) -> bool:
    """Whether any term uses the codes of real images; if not, none are encoded."""
    terms = _READS.keys() - _READS_GENERATED_ONLY
    return bool(objective.swap_share) or any(getattr(objective, f"{term}_weight") for term in terms)


def objective_of(name: str, objective: Objective) -> Objective:
    """Switches off the terms that a method lacks, and applies the settings that it fixes."""
    method = METHODS[name]
    off = {f"{term}_weight": 0.0 for term in TERMS if term not in method.terms}
    return replace(objective, **off, **method.settings)  # type: ignore[arg-type]
