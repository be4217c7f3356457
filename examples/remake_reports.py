"""Makes the reports of the bundled models anew, in examples/reports: run it when a model or a measure has changed.

    python examples/remake_reports.py --lesions HAM10000 --nodules LIDC --features squeezenet1_1.safetensors
    python examples/remake_reports.py --lesions HAM10000 --features squeezenet1_1.safetensors lesions-64

The split is made as the model's training made it: by lesion or patient, from its random seed. If the training images of
a label are not as many as the model file records, nothing is measured. The reports hold no real images. What is done is
kept in OUT, so that an interrupted command goes on.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drai_cli.data.prepared import prepare
from drai_cli.data.split import write_split
from drai_cli.hub.locate import bundled_models
from drai_cli.model_file.checkpoint import read_header
from drai_cli.progress import Reporter
from drai_cli.settings.data_options import DataOptions
from drai_cli.settings.model_options import EvaluateOptions
from drai_cli.workflows.evaluate import evaluate

REPORTS = Path(__file__).parent / "reports"


@dataclass(frozen=True)
class Made:
    """How a bundled model's data was read in training, beside what the data itself says."""

    data: str
    size: int
    conditions: tuple[str, ...]
    label: tuple[str, ...] = ()
    group: str | None = None
    table: str = ""
    more: tuple[tuple[str, Any], ...] = ()

    def metadata(self, data: Path) -> tuple[Path, ...]:
        return (data / self.table,) if self.table else ()


SEEN = ("localization", "age", "sex")
MODELS = {
    "lesions-64": Made("lesions", 64, SEEN, more=(("subgroups", ("sex",)),)),
    "lesions-128": Made("lesions", 128, SEEN, more=(("subgroups", ("sex",)),)),
    "nodules-64": Made(
        "nodules", 64, ("diameter_mm", "malignancy_mean"), ("malignancy_class",), "patient_id", "nodules.csv"
    ),
}


def split_of(made: Made, data: Path, model: Path, out: Path) -> Path:
    """Writes the split that the model was trained with; stops if it is another."""
    header = read_header(model)
    options = DataOptions(
        data, metadata=made.metadata(data), size=made.size, channels=header.architecture.image_channels,
        label=made.label, group=made.group, conditions=made.conditions,
    )  # fmt: skip
    prepared = prepare(options, seed=int(header.training["seed"]), reporter=Reporter())
    name = header.schema.label.name
    rows = zip(prepared.entries, prepared.parts, strict=True)
    found = Counter(entry.values[name] for entry, part in rows if part == "train")
    if found != header.training["label_counts"]:
        raise SystemExit(
            f"{model.stem}: trained on {header.training['label_counts']}, this split has {found}"
        )
    path = out / f"{model.stem}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_split(path, prepared.entries, prepared.parts)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=[*MODELS], help="models; without any: all")
    parser.add_argument("--lesions", type=Path, help="HAM10000: HAM10000_metadata.csv and images/")
    parser.add_argument("--nodules", type=Path, help="nodules.csv and images/")
    parser.add_argument("--features", type=Path, help="SqueezeNet 1.1 as .safetensors")
    parser.add_argument("--quick", action="store_true", help="smaller samples: the report says so")
    parser.add_argument("--out", type=Path, default=Path("runs/reports"))
    given = parser.parse_args()
    for name in given.names:
        made = MODELS[name]
        data: Path | None = getattr(given, made.data)
        if data is None:
            raise SystemExit(f"{name}: name its data with --{made.data}")
        model = bundled_models()[name]
        options = EvaluateOptions(
            data, name, split=split_of(made, data, model, given.out), out=given.out / name, features=given.features,
            card="smd", figures=False, quick=given.quick, metadata=made.metadata(data), label=made.label,
            group=made.group,
        )  # fmt: skip
        evaluate(replace(options, **dict(made.more)), Reporter())
        for kind in ("json", "html"):
            text = (given.out / name / f"report.{kind}").read_text(encoding="utf-8")
            # The command in a verdict names the data as it was named here.
            (REPORTS / f"{name}.{kind}").write_text(text.replace(str(data), data.name), encoding="utf-8")


if __name__ == "__main__":
    main()
