"""A training run at work: its directory, its ticks, its processes. One command, `train`, uses it."""
