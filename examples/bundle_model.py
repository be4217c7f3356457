"""Makes a run's model a bundled one: half precision, its measures in the header, and a model card beside it.

    python examples/bundle_model.py runs/lesions measures.json --name lesions-64

`measures.json` is what `examples/measure.py runs/lesions --out measures.json` wrote; its numbers must be those of the
run's model, so the file's hash is compared.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from measure import headline

from drai_cli.checkpoint import load_model, save_model
from drai_cli.io.files import file_sha256
from drai_cli.model.networks import Networks

CARD = """# {name}

{data}

**Licence of the weights:** {licence}

**What it makes:** {size} px {colour} images of {labels}
(`drai sample --weights {name} --label LABEL`), and style swaps of real images (`drai swap-style a.png b.png`).

**Intended use.** {intended_use}

**Training.** {train} images of the training part of the set (split 80/10/10 by group), {images_seen:,} images seen,
seed {seed}, method `{method}`; the command is in `examples/train_lesions.sh`. Half-precision weights, used in float32.

**Measures** on the {part} part{unseen}. `judge` is a classifier trained on
the real training images alone. The same numbers are in the file's header (`drai info {name} --json`).

| measure | value |
|---|---|
{rows}
"""


def card(name: str, header: Any, measures: dict[str, Any], part: str) -> str:
    """The model card, as Markdown."""
    training, shape = header.training, header.architecture
    return CARD.format(
        name=name,
        data=header.data,
        licence=header.licence,
        size=shape.image_size,
        colour="grey" if shape.image_channels == 1 else "colour",
        labels=", ".join(f"`{label}`" for label in header.schema.labels),
        intended_use=header.intended_use,
        train=training["images"]["train"],
        images_seen=training["images_seen"],
        seed=training["seed"],
        method=header.method,
        part=part,
        unseen=", which neither training nor the choice of the snapshot saw" if part == "test" else "",
        rows="\n".join(f"| {key} | {value:g} |" for key, value in measures.items()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("measures", type=Path, help="what examples/measure.py wrote with --out")
    parser.add_argument("--name", required=True, help="name of the bundled model")
    parser.add_argument("--weights", type=Path, default=Path(__file__).parents[1] / "weights")
    given = parser.parse_args()
    found = json.loads(given.measures.read_text(encoding="utf-8"))
    source = given.run / "model.safetensors"
    if found["model_sha256"] != file_sha256(source):
        raise SystemExit(f"{given.measures} was measured on another model than {source}")
    model = load_model(source)
    measures = headline(found)
    header = replace(model.header, measures={found["part"]: measures})
    networks = Networks(header.architecture, header.schema.dim)
    for part in ("generator", "encoder", "content_prior"):
        getattr(networks, part).load_state_dict(getattr(model, part).state_dict())
    target = given.weights / f"{given.name}.safetensors"
    save_model(target, header, networks, dtype="float16")
    text = card(given.name, header, measures, found["part"])
    (given.weights / f"{given.name}.md").write_text(text, encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
