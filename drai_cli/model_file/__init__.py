"""Model files: their header, and writing and reading them without trusting them."""
