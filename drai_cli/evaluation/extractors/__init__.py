"""Feature extractors for distances: stored images in, one row of float32 a picture out. They know nothing of paths."""
