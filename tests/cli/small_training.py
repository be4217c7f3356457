"""Options of a training that takes seconds."""

SMALL = ["--size", 16, "--base-channels", 8, "--max-channels", 8, "--batch-size", 8, "--content-dim", 4]
SMALL += ["--style-dim", 4, "--warm-up-kimg", 0, "--device", "cpu"]
