"""Pushes a model to the Hub and uses it from there by its name.

    python examples/share_model.py runs/lesions clinic/lesions --private

It needs a token (`hf auth login`, or HF_TOKEN). The files to be sent are listed first: the model file, its header as
JSON, its card and a grid of samples; no training images. The same with commands:

    drai push runs/lesions clinic/lesions --dry-run
    drai push runs/lesions clinic/lesions --private
    drai pull clinic/lesions
    drai sample --weights clinic/lesions -n 8 --out few/
"""

from __future__ import annotations

import argparse

from drai_cli import Drai
from drai_cli.settings.model_options import PullOptions, PushOptions
from drai_cli.workflows.pull import pull
from drai_cli.workflows.push import push


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", help="a model file, a run directory or a bundled name")
    parser.add_argument("repository", help="owner/name")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    given = parser.parse_args()

    listed = push(PushOptions(given.weights, given.repository, dry_run=True))
    for name, (size, sha256) in listed.files.items():
        print(f"{name}  {size} bytes  {sha256[:12]}")
    sent = push(PushOptions(given.weights, given.repository, private=given.private))
    print(f"sent: {sent.repository}@{sent.commit}")

    # The commit pins what is used, whatever is pushed later.
    found = pull(PullOptions(f"{given.repository}@{sent.commit}"))
    model = Drai.from_pretrained(found.weights)
    images = model.sample(model.labels[0], 2)
    print(f"used as {found.weights}: {images.shape[0]} images of {model.labels[0]}")


if __name__ == "__main__":
    main()
