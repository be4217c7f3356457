"""The scale of the images that ImageNet networks were trained on."""

from __future__ import annotations

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB from 0 to 1, as torchvision's networks were trained."""
