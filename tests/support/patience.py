"""How long tests wait for what should come at once and, where something is broken, never comes."""

PATIENCE_S = 600  # of another order than any of the work, so that a busy machine breaks no test
