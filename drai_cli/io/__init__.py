"""Reading and writing images: one image type, one format library a file. Knows nothing of sets or models."""
