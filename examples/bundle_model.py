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

from measure import headline

from drai_cli.checkpoint import load_model, save_model
from drai_cli.io.files import file_sha256
from drai_cli.model.networks import Networks
from drai_cli.workflows.model_card import model_card


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
    (given.weights / f"{given.name}.md").write_text(model_card(header, given.name), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
