"""The parts of an evaluation: what each measures, what the report says of it, and its figures."""
