"""Feature extractors for distances: stored images in, one float32 row per image out."""
