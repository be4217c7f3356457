"""Turns a run's model into a bundled one: half precision, its measures in the header, and a model card next to it.

    python examples/bundle_model.py runs/lesions --name lesions-64 --command "drai train …" --limits "…"

The measures are those that `drai evaluate --weights runs/lesions` stored in the run. The card also has the limits,
the command, and the validation measures at each tick of the run.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from drai_cli.io.files import file_sha256
from drai_cli.model.networks import Networks
from drai_cli.model_file.checkpoint import load_model, save_model
from drai_cli.report.model_card import model_card
from drai_cli.run.directory import measures_beside

_CURVE = {
    "agreement": "label agreement", "judge": "the judge on real images",
    "kept": "swap has the content image's label", "kept_of_a": "real content images",
    "leaked": "swap has the style image's label", "followed": "colour correlation with the style image",
    "frechet": "Fréchet distance (judge's features)",
}  # fmt: skip


def how_it_was_made(run: Path, command: str, limits: str) -> str:
    """The card's last part: limits, the command, and the held-out measures by images seen."""
    ticks = [json.loads(line) for line in (run / "stats.jsonl").read_text(encoding="utf-8").splitlines()]
    measured = [tick for tick in ticks if tick["validation"]]
    lines = ["images seen", *_CURVE.values()], ["---"] * (1 + len(_CURVE))
    rows = [
        [f"{tick['images_seen']:,}", *(f"{tick['validation'][name]:.2f}" for name in _CURVE)]
        for tick in measured
    ]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in [*lines, *rows])
    return (
        f"## Limits\n\n{limits}\n\n## How it was made\n\n```sh\n{command}\n```\n\n"
        "Measures on the validation part, by a small judge that the run trains to rank its snapshots\n"
        f"(`examples/RUNS.md` lists the experiments behind the settings):\n\n{table}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--name", required=True, help="name of the bundled model")
    parser.add_argument("--weights", type=Path, default=Path(__file__).parents[1] / "weights")
    parser.add_argument("--command", required=True, help="the command that made the run")
    parser.add_argument("--limits", required=True, help="the limits that the measures show")
    parser.add_argument("--licence", help="of the weights, if the kind of data is unknown")
    parser.add_argument(
        "--attribution",
        help="required by the data's licence, if the kind is unknown",
    )
    given = parser.parse_args()
    source = given.run / "model.safetensors"
    measures = measures_beside(source, file_sha256(source))
    if not measures:
        raise SystemExit(f"{source} was not evaluated: drai evaluate --data DATA --weights {given.run}")
    model = load_model(source)
    header = replace(
        model.header, measures=measures, licence=given.licence or model.header.licence,
        data=given.attribution or model.header.data,
    )  # fmt: skip
    networks = Networks(header.architecture, header.schema.dim)
    for part in ("generator", "encoder", "content_prior"):
        getattr(networks, part).load_state_dict(getattr(model, part).state_dict())
    target = given.weights / f"{given.name}.safetensors"
    save_model(target, header, networks, dtype="float16")
    card = model_card(header, given.name) + "\n" + how_it_was_made(given.run, given.command, given.limits)
    (given.weights / f"{given.name}.md").write_text(card, encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
