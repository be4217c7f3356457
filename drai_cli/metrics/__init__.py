"""Measures of a model: arrays and callables in, numbers out. Knows nothing of paths, commands or screens."""
