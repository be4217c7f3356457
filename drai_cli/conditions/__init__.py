"""What a model is conditioned on: attributes, sets of findings, and their vector."""
