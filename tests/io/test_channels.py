"""The channel plan: how many channels of which kind, in which order, and its form in a model file."""

from __future__ import annotations

import pytest

from drai_cli.errors import UsageError
from drai_cli.io.channels import Channel, ChannelPlan, check_mask_names


def test_grey_and_colour_are_plans_among_others():
    assert [one.name for one in ChannelPlan.of(1).channels] == ["grey"]
    assert [one.name for one in ChannelPlan.of(3).channels] == ["red", "green", "blue"]
    slab = ChannelPlan.of(32, [f"mask {number}" for number in range(8)])
    assert (len(slab.intensities), len(slab.masks)) == (32, 8)


def test_a_plan_is_read_as_it_was_written():
    channels = (Channel("T1", unit="HU", window="40,400"), Channel("T2"), Channel("lesion", "mask"))
    plan = ChannelPlan(channels)
    assert ChannelPlan.from_json(plan.to_json()) == plan
    assert plan.to_json()[1] == {"name": "T2", "kind": "intensity"}


@pytest.mark.parametrize(
    "channels",
    [
        (),
        (Channel("lesion", "mask"),),
        (Channel("lesion", "mask"), Channel("grey")),
        (Channel("grey"), Channel("grey", "mask")),
        tuple(Channel(str(number)) for number in range(33)),
        (Channel("grey"), *(Channel(str(number), "mask") for number in range(9))),
    ],
)
def test_plans_that_no_image_has(channels):
    with pytest.raises(ValueError):
        ChannelPlan(channels)


@pytest.mark.parametrize(
    "data",
    [None, [1], [{}], [{"name": "a"}], [{"name": "", "kind": "mask"}], [{"name": "a", "kind": "depth"}],
     [{"name": "a", "kind": "mask", "more": ""}], [{"name": "a", "kind": 1}]],
)  # fmt: skip
def test_other_data_is_refused(data):
    with pytest.raises(ValueError):
        ChannelPlan.from_json(data)


@pytest.mark.parametrize("names", [["a", "a"], [".."], ["a/b"], [""], [" a"], list("abcdefghi")])
def test_names_that_no_folder_can_have_are_refused(names):
    with pytest.raises(UsageError, match="--mask-names"):
        check_mask_names("--mask-names", names)
