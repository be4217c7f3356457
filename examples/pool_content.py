"""Makes a run's model one whose encoder reads content off the whole frame's mean, to go on training from.

    python examples/pool_content.py runs/lesions --out pooled.safetensors

The new head for content is fitted by least squares on the run's training images to what the old one says of them; all
else is taken over. `drai train --init pooled.safetensors` then trains it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from drai_cli.checkpoint import load_model, save_model
from drai_cli.data.prepared import prepare
from drai_cli.data.tensors import to_unit
from drai_cli.methods import METHODS
from drai_cli.model.layers import activate
from drai_cli.model.networks import Networks
from drai_cli.workflows.run_directory import RunDirectory

_RIDGE = 1e-3


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--out", type=Path, required=True, help="model file to write")
    given = parser.parse_args()
    directory = RunDirectory(given.run)
    data = prepare(directory.read_data_options(), seed=0, split_file=directory.split)
    model = load_model(directory.model)
    encoder = model.require_encoder()
    seen, said = [], []
    for rows in (
        data.rows("train")[: 1 << 13].reshape(-1)[: len(data.rows("train")) // 64 * 64].reshape(-1, 64)
    ):
        images = to_unit(data.images[rows], torch.device("cpu"))
        *_, coarsest = encoder.trunk.maps(images)
        pooled = activate(coarsest.float()).mean((2, 3))
        seen.append(functional.rms_norm(pooled, pooled.shape[1:]))
        content, _ = encoder(images)
        said.append(torch.cat([content.mean, content.log_variance], 1))
    inputs = functional.pad(torch.cat(seen), (0, 1), value=1.0)
    solved = torch.linalg.solve(
        inputs.T @ inputs + _RIDGE * len(inputs) * torch.eye(inputs.shape[1]), inputs.T @ torch.cat(said)
    )
    header = replace(model.header, architecture=replace(model.header.architecture, pools_content=True))
    networks = Networks(header.architecture, header.schema.dim, METHODS[header.method])
    networks.generator.load_state_dict(model.generator.state_dict())
    networks.content_prior.load_state_dict(model.content_prior.state_dict())
    assert networks.encoder is not None
    kept = {name: value for name, value in encoder.state_dict().items() if not name.startswith("content.")}
    networks.encoder.load_state_dict(kept, strict=False)
    assert networks.encoder.content is not None
    networks.encoder.content.weight.copy_(solved[:-1].T)
    networks.encoder.content.bias.copy_(solved[-1])
    save_model(given.out, header, networks)
    print(given.out)


if __name__ == "__main__":
    main()
