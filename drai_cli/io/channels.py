"""The channel plan: what each channel of an image is. Knows no files and no networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from drai_cli.errors import UsageError

ChannelKind = Literal["intensity", "mask"]
MOST_INTENSITIES = 32
MOST_MASKS = 8


@dataclass(frozen=True)
class Channel:
    """One channel of an image.

    Attributes:
        name: What it shows: `red`, `T1`, `slice 7`, `lesion`.
        kind: `intensity` for measured values, `mask` for a region: 0 outside, full range inside.
        unit: Of its values (`HU`); empty for plain levels and for masks.
        window: Which values are black and white, as `--window` takes it; empty where that is not recorded.
    """

    name: str
    kind: ChannelKind = "intensity"
    unit: str = ""
    window: str = ""

    def to_json(self) -> dict[str, str]:
        """As plain data, without what is empty."""
        entries = {"name": self.name, "kind": self.kind, "unit": self.unit, "window": self.window}
        return {key: text for key, text in entries.items() if text}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Channel:
        """Reads `to_json`; raises ValueError on anything else."""
        known = {"name", "kind", "unit", "window"}
        if not isinstance(data, Mapping) or not {"name", "kind"} <= set(data) <= known:
            raise ValueError(f"channel {data!r}")
        if not all(isinstance(text, str) for text in data.values()) or not data["name"]:
            raise ValueError(f"channel {data!r}")
        if data["kind"] not in get_args(ChannelKind):
            raise ValueError(f"channel of kind {data['kind']!r}")
        return cls(**data)


@dataclass(frozen=True)
class ChannelPlan:
    """The channels of an image in their order: intensities first, then masks.

    Attributes:
        channels: 1 to 32 intensities and 0 to 8 masks, each with a name of its own.
    """

    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        kinds = [channel.kind for channel in self.channels]
        intensities, masks = kinds.count("intensity"), kinds.count("mask")
        if kinds != ["intensity"] * intensities + ["mask"] * masks:
            raise ValueError("a mask before an intensity")
        if not 1 <= intensities <= MOST_INTENSITIES or masks > MOST_MASKS:
            raise ValueError(f"{intensities} intensities and {masks} masks")
        names = [channel.name for channel in self.channels]
        if len(set(names)) < len(names):
            raise ValueError(f"channels of one name among {names}")

    @classmethod
    def of(cls, intensities: int, masks: Sequence[str] = ()) -> ChannelPlan:
        """The plan of grey (1) or colour (3) images with these masks; of any other number the names are numbers."""
        usual = {1: ("grey",), 3: ("red", "green", "blue")}
        names = usual.get(intensities, tuple(f"channel {number + 1}" for number in range(intensities)))
        return cls((*map(Channel, names), *(Channel(name, "mask") for name in masks)))

    @property
    def intensities(self) -> tuple[Channel, ...]:
        return tuple(channel for channel in self.channels if channel.kind == "intensity")

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of the masks."""
        return tuple(channel.name for channel in self.channels if channel.kind == "mask")

    def to_json(self) -> list[dict[str, str]]:
        return [channel.to_json() for channel in self.channels]

    @classmethod
    def from_json(cls, data: Any) -> ChannelPlan:
        """Reads `to_json`; raises ValueError on anything else."""
        if not isinstance(data, list):
            raise ValueError(f"channels {data!r}")
        return cls(tuple(map(Channel.from_json, data)))


def check_mask_names(option: str, names: Sequence[str], taken: Sequence[str] = ()) -> None:
    """Checks names of masks, which are also names of folders.

    Raises:
        UsageError: Too many, one twice, the name of another channel, or none that a folder can have.
    """
    if len(names) > MOST_MASKS:
        raise UsageError(option, f"expected at most {MOST_MASKS} masks, got {len(names)}", "name fewer")
    for place, name in enumerate(names):
        if name in names[:place] or name in taken:
            raise UsageError(option, f"{name!r} names two channels", "give each mask a name of its own")
        if not name.strip(". ") or name != name.strip() or any(c in '/\\:*?"<>|' or c < " " for c in name):
            raise UsageError(
                option, f"expected a name that a folder can have, got {name!r}", "for example lesion"
            )
