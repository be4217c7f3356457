"""ImageNet networks: features to measure distances in, and feature maps to train against. Tensors in, no files."""
