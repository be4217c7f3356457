"""Sets of images: found, cached, split, and handed on as arrays."""
