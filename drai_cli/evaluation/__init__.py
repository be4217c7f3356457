"""The parts of an evaluation: what each measures, what the report says of it, and its figures.

`fidelity`, `usefulness` and `privacy` report the numbers of the modules of the same name in `metrics`.
"""
