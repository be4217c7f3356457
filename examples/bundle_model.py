"""Makes a run's model a bundled one: half precision, its measures in the header, and a model card beside it.

    python examples/bundle_model.py runs/lesions --name lesions-64

The measures are those that `drai evaluate --weights runs/lesions` left in the run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from drai_cli.checkpoint import load_model, save_model
from drai_cli.io.files import file_sha256
from drai_cli.model.networks import Networks
from drai_cli.workflows.model_card import model_card
from drai_cli.workflows.run_directory import measures_beside


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--name", required=True, help="name of the bundled model")
    parser.add_argument("--weights", type=Path, default=Path(__file__).parents[1] / "weights")
    given = parser.parse_args()
    source = given.run / "model.safetensors"
    measures = measures_beside(source, file_sha256(source))
    if not measures:
        raise SystemExit(f"{source} was not evaluated: drai evaluate --data DATA --weights {given.run}")
    model = load_model(source)
    header = replace(model.header, measures=measures)
    networks = Networks(header.architecture, header.schema.dim)
    for part in ("generator", "encoder", "content_prior"):
        getattr(networks, part).load_state_dict(getattr(model, part).state_dict())
    target = given.weights / f"{given.name}.safetensors"
    save_model(target, header, networks, dtype="float16")
    (given.weights / f"{given.name}.md").write_text(model_card(header, given.name), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
