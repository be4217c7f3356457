"""`--init` where the conditions of the two models differ: what both can say means the same to both."""

from __future__ import annotations

import pytest
import torch

from drai_cli.conditions.attribute import Attribute
from drai_cli.conditions.findings import Findings
from drai_cli.conditions.schema import ConditionSchema
from drai_cli.model.content_prior import ContentPrior
from drai_cli.run.warm_prior import match_conditions, take_prior
from drai_cli.settings.config import ModelConfig

CONFIG = ModelConfig(image_size=16, content_dim=4, style_dim=4, channels=8, max_channels=8)
THEIRS = ConditionSchema(
    (
        Attribute("dx", "categorical", ("bkl", "mel", "nv"), {"melanoma": "mel"}),
        Attribute("age", "continuous", mean=50.0, deviation=10.0),
        Attribute("sex", "categorical", ("female", "male")),
        Attribute("site", "categorical", ("arm", "leg")),
    )
)
OWN = ConditionSchema(
    (
        Attribute("diagnosis", "categorical", ("Melanoma", "NV", "wart")),
        Attribute("sex", "categorical", ("male", "other")),
        Attribute("age", "continuous", mean=30.0, deviation=5.0),
        Attribute("scanner", "categorical", ("a", "b")),
    )
)


def prior(schema: ConditionSchema, seed: int) -> ContentPrior:
    torch.manual_seed(seed)
    made = ContentPrior(CONFIG, schema.dim)
    with torch.no_grad():
        made.layers[0].bias.normal_()  # as training leaves it
    return made


def means(of: ContentPrior, schema: ConditionSchema, row: dict[str, str]) -> torch.Tensor:
    with torch.no_grad():
        return of(torch.from_numpy(schema.encode([row]))).mean


@pytest.fixture
def both() -> tuple[ContentPrior, ContentPrior]:
    source, own = prior(THEIRS, 0), prior(OWN, 1)
    take_prior(own, OWN, source, THEIRS)
    return own, source


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ({"diagnosis": "Melanoma"}, {"dx": "mel"}),
        ({"diagnosis": "NV", "age": "44"}, {"dx": "nv", "age": "44"}),
        ({"diagnosis": "NV", "sex": "male", "age": "71.5"}, {"dx": "nv", "sex": "male", "age": "71.5"}),
        ({"diagnosis": "NV", "scanner": "b"}, {"dx": "nv"}),
    ],
)
def test_what_both_know_keeps_its_content(both, own, theirs):
    mine, source = both
    assert torch.allclose(means(mine, OWN, own), means(source, THEIRS, theirs), atol=1e-5)


def test_a_new_label_begins_between_the_known_ones_and_apart_from_them(both):
    mine, _ = both
    known = [means(mine, OWN, {"diagnosis": name}) for name in ("Melanoma", "NV")]
    new = means(mine, OWN, {"diagnosis": "wart"})
    assert all(float((new - one).abs().max()) > 1e-3 for one in known)


def test_what_is_matched_is_listed():
    found = match_conditions(OWN, THEIRS)
    assert (found.labels, found.new_labels) == (("Melanoma", "NV"), ("wart",))
    assert (found.attributes, found.new_attributes) == (("sex", "age"), ("scanner",))
    assert not found.is_same
    assert match_conditions(THEIRS, THEIRS).is_same


def test_findings_are_matched_by_name():
    def schema(*names: str) -> ConditionSchema:
        return ConditionSchema((Attribute("finding", "findings", names, findings=Findings(names)),))

    theirs, own = schema("Mass", "Effusion", "Edema"), schema("effusion", "Nodule", "mass")
    source, mine = prior(theirs, 0), prior(own, 1)
    take_prior(mine, own, source, theirs)
    # What one's own set does not know is unknown there.
    assert torch.allclose(
        means(mine, own, {"finding": "mass"}), means(source, theirs, {"finding": "Mass|Edema?"}), atol=1e-5
    )
    assert match_conditions(own, THEIRS).labels == ()
